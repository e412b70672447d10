#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As vfio-user-qemu-mlx5, with bypass-vmm as the client.
#
# testbed: --hca 2
# timeout: 900

way=socket
address=10.7.0.2 server=10.7.0.1
. "${0%/*}/../lib/vfio-user-mlx5.sh"
prepare=give_network
give_network() {
	. "${0%/*}/../lib/carving.sh"
	carve_networks 1
	lay_pages
	guest_options=(--slice "${vfs[0]}")
}
. "${0%/*}/rdma-exits.sh"
grep -E '^(==|devinfo:|uars:)' guest.console
