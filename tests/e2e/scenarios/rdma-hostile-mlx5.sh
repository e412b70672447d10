#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-hostile, on a ConnectX: the attacker names pages of queues, and rings doorbell pages.
#
# testbed: --hca 2
# timeout: 600
# long: 1200

hca=mlx5_0
. "${0%/*}/../lib/checks.sh"
seconds=$(repetitions 12 600)
. "${0%/*}/rdma-hostile.sh"
