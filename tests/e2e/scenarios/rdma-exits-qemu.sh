#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-exits, for a guest under QEMU with a slice of `bypass serve`.
#
# timeout: 600
# long: 1200

way=qemu
. "${0%/*}/../lib/checks.sh"
operations=$(repetitions 5000 20000) # each is slower here
. "${0%/*}/rdma-exits.sh"
