#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As vfio-user-qemu, with bypass-vmm as the client.
#
# timeout: 1200
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
every=6
. "${0%/*}/../lib/rdma-programs.sh"

options=rxe0,qps=64,mrs=1000
carve_networks 1
make_client 10.7.0.2 $host
socket_guest guest --slice "${vfs[0]}"
serve_client
