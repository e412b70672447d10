#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-exits, on a ConnectX: the guest rings its own doorbell page.
#
# testbed: --hca 2
# timeout: 600

hca=mlx5_0
. "${0%/*}/rdma-exits.sh"
