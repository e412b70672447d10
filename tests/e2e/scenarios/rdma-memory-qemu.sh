#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-memory, for a guest under QEMU with a slice of `bypass serve`.
#
# timeout: 1200
# long: 2400

way=qemu
. "${0%/*}/../lib/checks.sh"
rounds=$(repetitions 200 2000) # each is slower here
. "${0%/*}/rdma-memory.sh"
