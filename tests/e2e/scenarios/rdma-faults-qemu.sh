#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-faults, for guests under QEMU with slices of `bypass serve`.
#
# timeout: 900

way=qemu
. "${0%/*}/rdma-faults.sh"
