#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-faults, for guests under QEMU with slices of `bypass serve`. In the short form the module is unloaded,
# and the device not taken from it besides.
#
# timeout: 900
# long: 900

way=qemu vcpus=1
. "${0%/*}/../lib/checks.sh"
unbind=$(repetitions '' yes)
. "${0%/*}/rdma-faults.sh"
