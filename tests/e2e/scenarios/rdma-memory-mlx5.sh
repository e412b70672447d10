#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-memory, on a ConnectX.
#
# testbed: --hca 2
# timeout: 600
# long: 1200

hca=mlx5_0
. "${0%/*}/rdma-memory.sh"
