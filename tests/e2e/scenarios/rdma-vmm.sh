#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest under bypass-vmm with a context slice: the guest's own rdma-core and perftest, as Debian
# has them, against the host.
#
# timeout: 600
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
vcpus=2
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-programs.sh"

carve_networks 1
make_client 10.7.0.2 $host
vmm_guest guest --slice "${vfs[0]}"
serve_client
