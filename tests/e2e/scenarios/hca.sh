#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The ConnectX model under the kernel's own mlx5_core and mlx5_ib: Debian's programs between two functions,
# programs that are killed, drivers that are unbound and unloaded under traffic. The short form has two of
# perftest's programs for each size, the long form all six.
#
# testbed: --hca 2
# timeout: 900
# long: 900

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/hca.sh"

check "the functions are described" ibv_devinfo -v

for options in "" "-e"; do
	# shellcheck disable=SC2086 # none, or one
	for program in "ibv_rc_pingpong -c" "ibv_uc_pingpong -c" "ibv_ud_pingpong -c -s 1024" "ibv_srq_pingpong -c"; do
		pair $program -n 100 $options
	done
done
pair ibv_xsrq_pingpong -n 100
# The model's threads share the copying of such a message.
pair ibv_rc_pingpong -c -n 20 -s 4194304

every=$(repetitions 3 1) n=0
for size in 2 4096 65536 8388608; do
	for program in ib_send_lat ib_write_lat ib_read_lat ib_send_bw ib_write_bw ib_read_bw; do
		[ $((n++ % every)) != 0 ] || pair $program -F -n 5 -s $size
	done
	n=$((n + 1)) # other programs for the next size
done
for program in ib_send_lat ib_send_bw; do
	pair $program -F -n 50 -c UD -s 1024
	pair $program -F -n 50 -c UC -s 1024
	pair $program -F -n 50 -e
done
pair ib_write_bw -F -n 50 -c UC -s 1024
pair ib_atomic_lat -F -n 50
pair ib_atomic_bw -F -n 50 -A CMP_AND_SWAP
pair ib_write_bw -F -n 50 -q 16
pair ib_send_bw -F -n 50 -q 16
pair ib_send_bw -F -n 50 --use-srq -q 4
pair ib_send_bw -F -n 50 -b
pair ib_write_lat -F -n 50 -I 64 -s 64

begin_pair ib_write_bw -F -D 60
kill -KILL %2
end_pair
pair ibv_rc_pingpong -c -n 100

# A port that goes down: the driver says so to programs, connections end with an error.
stdbuf -oL ibv_asyncwatch -d mlx5_1 >watch.log 2>&1 &
watcher=$!
wait_for 60 grep -q . watch.log || fail "ibv_asyncwatch says nothing"
check "a port goes down" control "port 1 down"
check "the driver sees it" wait_for 60 down mlx5_1
check "and up" control "port 1 up"
check "mlx5_1 is active again" wait_for 60 active mlx5_1
check "a program gets both events" wait_for 60 grep -qz 'PORT_ERR.*PORT_ACTIVE' watch.log
kill $watcher
wait $watcher || true
pair ibv_rc_pingpong -c -n 100

rebind_under_traffic
pair ibv_rc_pingpong -c -n 100

begin_pair ib_write_bw -F -D 60
check "mlx5_ib is unloaded under traffic" timeout 240 modprobe -r mlx5_ib
check "mlx5_core is unloaded" timeout 240 modprobe -r mlx5_core
end_pair
check "both are loaded again" timeout 240 modprobe -a mlx5_core mlx5_ib
check "mlx5_0 is there again" wait_for 120 active mlx5_0
check "mlx5_1 is there again" wait_for 120 active mlx5_1
pair ibv_rc_pingpong -c -n 100

no_complaints
