#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-exits-mlx5, for a guest under QEMU with a slice of `bypass serve`.
#
# testbed: --hca 2
# timeout: 600

way=qemu
hca=mlx5_0
. "${0%/*}/rdma-exits.sh"
