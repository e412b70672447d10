#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-hostile, on a ConnectX: the attacker names pages of queues, and rings doorbell pages. Processes of it
# take the memory under their own queues away.
#
# testbed: --hca 2
# timeout: 600
# long: 2400

hca=mlx5_0
. "${0%/*}/../lib/checks.sh"
misdeeds='rdma-unmap mlx5_0'
seconds=$(repetitions 12 600)
. "${0%/*}/rdma-hostile.sh"
