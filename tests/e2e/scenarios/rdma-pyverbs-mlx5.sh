#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-pyverbs, on a ConnectX: tests of completion queues, shared receive queues, queue pairs, parent domains,
# doorbell pages, the clock, imported contexts and XRC; in the long form all of them, those for mlx5 too.
#
# testbed: --hca 2
# timeout: 900
# long: 2000

hca=mlx5_0
. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-pyverbs.sh"

tests=('^tests\.test_(cq|cqex|cq_events|srq|qpex|parent_domain|mlx5_uar|mlx5_query_port|mlx5_timestamp|shared_pd)\.' _xrc_)
[ -z "${LONG:-}" ] || tests=('^tests\.test_(?!efa|cuda)')
make_tests python.cpio
on_host
in_guest mlx5 800
as_on_host mlx5
