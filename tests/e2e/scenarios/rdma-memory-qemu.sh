#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-memory, for a guest under QEMU with a slice of `bypass serve`. Each registration is slower here, so
# that the short form has a fifth of them.
#
# timeout: 1200
# long: 2400

way=qemu
. "${0%/*}/../lib/checks.sh"
rounds=$(repetitions 200 2000) many=$(repetitions 200 1000) scattered=$(repetitions 64 288)
. "${0%/*}/rdma-memory.sh"
