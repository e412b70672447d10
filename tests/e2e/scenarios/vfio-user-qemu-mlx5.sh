#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A ConnectX by vfio-user, in a guest under unmodified QEMU: programs within the guest, programs between the guest and
# the host, and then what a message costs, as in rdma-exits-mlx5. Nobody on the host takes part.
#
# testbed: --hca 2
# timeout: 900

way=vfio
address=10.0.2.15 server=10.0.2.2 # in QEMU's own network
. "${0%/*}/../lib/vfio-user-mlx5.sh"
. "${0%/*}/rdma-exits.sh"
grep -E '^(==|devinfo:|uars:)' guest.console
