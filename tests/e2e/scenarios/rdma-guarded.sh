#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-vmm, for a guest that is not trusted: it is shown queues of its own, which are copied to
# those of rxe, checked.
#
# timeout: 600
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-programs.sh"

options=rxe0,qps=64,mrs=1000
carve_networks 1
make_client 10.7.0.2 $host
vmm_guest guest --slice "${vfs[0]}"
serve_client
