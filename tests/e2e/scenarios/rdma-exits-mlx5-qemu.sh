#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-exits-mlx5, for a guest under QEMU with a slice of `bypass serve`, by vhost-user. Before that, programs of
# the guest talk to each other.
#
# testbed: --hca 2
# timeout: 1200

way=qemu
hca=mlx5_0
at_first='run_programs & run_programs 127.0.0.1; wait $!; mark programs'
. "${0%/*}/rdma-exits.sh"
grep '^==' guest.console
