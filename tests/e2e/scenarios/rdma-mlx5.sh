#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-guests, on a ConnectX: queues in the guests' own memory, doorbells in its pages. Neither guest
# is trusted. One has Debian's kernel 6.12, the other 6.1. In each, and on the host, an XRC domain is shared by two
# processes, of which the first ends. Then between a guest and the host.
#
# testbed: --hca 2
# timeout: 1200

hca=mlx5_0
other_kernel=/guest-6.1
more_programs='ib_send_lat -F -n 20
ib_write_bw -F -n 20 -s 65536
ib_read_lat -F -n 20
ib_atomic_lat -F -n 20
ib_send_bw -F -n 20 -q 16
ibv_xsrq_pingpong -g 1 -n 100'
alone='rdma-xrc mlx5_0 /tmp/domain'
with_host='ibv_rc_pingpong -c -g 1 -n 100
ibv_ud_pingpong -c -g 1 -n 100
ib_write_bw -F -n 20 -s 65536
ib_read_lat -F -n 20'
. "${0%/*}/rdma-guests.sh"
grep '^xrc' one.console two.console
check "an XRC domain of two processes on the host" $alone
check "nothing is left on the host" nothing_left
