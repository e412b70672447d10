#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-faults, on a ConnectX: the driver of its function is unbound under traffic, and bound again.
#
# testbed: --hca 2
# timeout: 900

hca=mlx5_0
. "${0%/*}/rdma-faults.sh"
