#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Guests under unmodified QEMU with slices of `bypass serve --vfio-user`: the loop slice, each byte
# checked and each interrupt counted; and rxe, the guarded way: the guest's own rdma-core and perftest,
# as Debian has them, against the host.
#
# timeout: 1200
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
every=6
. "${0%/*}/../lib/rdma-programs.sh"
. "${0%/*}/../lib/vfio-user-loop.sh"

loop_guest vfio_guest
options=rxe0,qps=64,mrs=1000
make_client 10.0.2.15 10.0.2.2
vfio_guest guest
serve_client
