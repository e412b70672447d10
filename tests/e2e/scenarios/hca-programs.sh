#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# More programs between two functions of the ConnectX model: qperf, UCX, 64 queue pairs with every byte checked,
# the rest of perftest. The long form adds more of each, and the programs and libraries of Debian 12.
#
# testbed: --hca 2
# timeout: 900
# long: 2400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/hca.sh"

# One server of qperf for all its tests
port=19765
qperf >server.log 2>&1 &
server=$!
wait_for 120 listening || fail "qperf does not listen"
tests="rc_bi_bw ud_lat rc_rdma_read_bw ver_rc_fetch_add"
[ -z "${LONG:-}" ] || tests+=" rc_lat uc_lat uc_bw ud_bw rc_rdma_write_bw rc_rdma_write_poll_lat uc_rdma_write_lat
	rc_compare_swap_mr rc_fetch_add_mr ver_rc_compare_swap"
for test in $tests; do
	check "qperf $test" timeout 300 qperf -to 240 -li mlx5_1 -ri mlx5_0 -t 1 localhost "$test"
done
kill $server
wait $server || true

# ucx TRANSPORT TEST...: 200 of them. Without -P 0 the program is one of MPI where its input is no terminal.
ucx() {
	UCX_TLS=$1,ud_verbs:aux,self between UCX_NET_DEVICES=mlx5_0:1 UCX_NET_DEVICES=mlx5_1:1 env \
		ucx_perftest -P 0 -n 200 -w 20 -t "${@:2}"
	grep -q '^Final: *200 ' client.log || { cat client.log; fail "ucx_perftest over $1: ${*:2}"; }
}
port=13337
for transport in rc_verbs rc_mlx5 ud_verbs; do
	ucx $transport tag_lat -s 4096
	[ -n "${LONG:-}" ] || continue
	ucx $transport ucp_put_lat -s 4096
	ucx $transport ucp_get -s 4096
	ucx $transport ucp_fadd -s 8
done

port=18515
rdma-pairs mlx5_0 64 20 >server.log 2>&1 &
check "64 queue pairs, every byte checked" timeout 300 rdma-pairs mlx5_1 64 20 localhost
wait $! || { cat server.log; fail "64 queue pairs"; }

pair ib_send_bw -F -n 50 -c UD -s 1024 -b
pair ib_read_bw -F -n 50 -q 16 -e
pair ib_send_bw -F -n 50 -e --use-srq -q 16
pair ib_atomic_bw -F -n 50 -q 16
if [ -n "${LONG:-}" ]; then
	for size in 2 4096 8388608; do
		for program in ib_send_lat ib_write_lat ib_send_bw ib_write_bw; do
			pair $program -F -n 5 -s $size -c UC
		done
	done
	for size in 2 64 4096; do
		pair ib_send_lat -F -n 20 -c UD -s $size
		pair ib_send_bw -F -n 20 -c UD -s $size
	done
	pair ib_send_lat -F -n 50 -c UD -s 1024 -e
	pair ib_send_bw -F -n 50 -c UD -s 1024 -q 16
	pair ib_send_bw -F -n 50 -c UC -b
	pair ib_write_bw -F -n 50 -b
	pair ib_read_bw -F -n 50 -b
	pair ib_send_bw -F -n 50 -I 64 -s 64
	pair ib_atomic_bw -F -n 50 -b
	pair ib_atomic_lat -F -n 50 -A CMP_AND_SWAP
	use_release_12
	short_list
fi
no_complaints
