#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-exits, for a guest under QEMU with a slice of `bypass serve`.
#
# timeout: 600

way=qemu
. "${0%/*}/rdma-exits.sh"
