#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# rdma-core's own tests in a guest with a slice of a ConnectX give the verdicts that they give on the host.
#
# testbed: --hca 2
# timeout: 900
# long: 3600

hca=mlx5_0 gid=1
. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-pyverbs.sh"

memory=1G
tests=()
make_python python.cpio
ls -l python.cpio
on_host
in_guest guest 2000
as_on_host guest ''
