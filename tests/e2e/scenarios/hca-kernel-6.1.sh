#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The ConnectX model under Debian 12's kernel, with the rdma-core of Debian 12; the long form has that of
# Debian 13 too.
#
# testbed: --hca 2 --kernel 6.1
# timeout: 900
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/hca.sh"

check "the kernel is Debian 12's" grep -q '^6\.1\.' /proc/sys/kernel/osrelease
[ -z "${LONG:-}" ] || short_list
rdma-pairs mlx5_0 64 10 >server.log 2>&1 &
check "64 queue pairs, every byte checked" timeout 300 rdma-pairs mlx5_1 64 10 localhost
wait $! || { cat server.log; fail "64 queue pairs"; }

rebind_under_traffic

use_release_12
short_list
no_complaints
