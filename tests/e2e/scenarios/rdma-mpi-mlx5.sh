#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-mpi, on a ConnectX: each guest has a slice of the same function, and rings its own doorbell pages.
#
# testbed: --hca 2
# timeout: 1200

hca=mlx5_0
. "${0%/*}/rdma-mpi.sh"
