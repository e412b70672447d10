#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest under unmodified QEMU with a context slice of `bypass serve`: the guest's own rdma-core
# and perftest, as Debian has them, against the host.
#
# timeout: 600
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
every=6
. "${0%/*}/../lib/rdma-programs.sh"

make_client 10.0.2.15 10.0.2.2
qemu_guest guest
serve_client
