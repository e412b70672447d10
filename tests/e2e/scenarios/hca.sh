#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The ConnectX model under the kernel's own mlx5_core and mlx5_ib: Debian's programs between two functions,
# programs that are killed, drivers that are unbound and unloaded under traffic.
#
# testbed: --hca 2
# timeout: 900

. "${0%/*}/../lib/checks.sh"

port=18515
listening() { ss -Hltn "sport = :$port" | grep -q .; }

# pair PROGRAM ARG...: its server on mlx5_0, its client on mlx5_1
pair() {
	local server status=0
	timeout 300 "$1" -d mlx5_0 "${@:2}" >server.log 2>&1 &
	server=$!
	wait_for 120 listening || { cat server.log; fail "$*: the server does not listen"; }
	timeout 300 "$1" -d mlx5_1 "${@:2}" localhost >client.log 2>&1 || status=$?
	wait $server || status=$?
	# Of wrong data -c only speaks.
	! grep '^invalid data' server.log client.log || status=1
	[ $status = 0 ] || { cat server.log client.log; fail "$*: status $status"; }
	echo "ok: $*"
}

# in_background PROGRAM ARG...: the same, not waited for; %1 is the server, %2 the client
in_background() {
	"$1" -d mlx5_0 "${@:2}" >server.log 2>&1 &
	wait_for 120 listening || { cat server.log; fail "$*: the server does not listen"; }
	"$1" -d mlx5_1 "${@:2}" localhost >client.log 2>&1 &
	sleep 2
	[ "$(jobs -r | wc -l)" = 2 ] || { cat server.log client.log; fail "$* has ended"; }
}

# They have had their error, or end now.
end_background() {
	kill -KILL %1 2>/dev/null || true
	kill -KILL %2 2>/dev/null || true
	wait || true
}

active() { [[ $(cat "/sys/class/infiniband/$1/ports/1/state" 2>/dev/null || true) == *ACTIVE ]]; }

check "mlx5_0 is there" wait_for 30 active mlx5_0
check "mlx5_1 is there" wait_for 30 active mlx5_1
check "the functions are described" ibv_devinfo -v

for options in "" "-e"; do
	# shellcheck disable=SC2086 # none, or one
	for program in "ibv_rc_pingpong -c" "ibv_uc_pingpong -c" "ibv_ud_pingpong -c -s 1024" "ibv_srq_pingpong -c"; do
		pair $program -n 100 $options
	done
done
pair ibv_xsrq_pingpong -n 100

for size in 2 4096 65536 8388608; do
	for program in ib_send_lat ib_write_lat ib_read_lat ib_send_bw ib_write_bw ib_read_bw; do
		pair $program -F -n 5 -s $size
	done
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

in_background ib_write_bw -F -D 60
kill -KILL %2
end_background
pair ibv_rc_pingpong -c -n 100

# A driver that goes away takes its programs' queues with it. They end, and the driver comes back.
function=$(basename "$(readlink -f /sys/class/infiniband/mlx5_1/device)")
in_background ib_write_bw -F -D 60
check "a driver is unbound under traffic" timeout 60 sh -c "echo $function >/sys/bus/pci/drivers/mlx5_core/unbind"
end_background
check "and bound again" timeout 60 sh -c "echo $function >/sys/bus/pci/drivers/mlx5_core/bind"
check "mlx5_1 is there again" wait_for 30 active mlx5_1
pair ibv_rc_pingpong -c -n 100

check "mlx5_ib is unloaded" timeout 60 modprobe -r mlx5_ib
check "mlx5_core is unloaded" timeout 60 modprobe -r mlx5_core
check "both are loaded again" timeout 60 modprobe -a mlx5_core mlx5_ib
check "mlx5_0 is there again" wait_for 30 active mlx5_0
check "mlx5_1 is there again" wait_for 30 active mlx5_1
pair ibv_rc_pingpong -c -n 100

if dmesg | grep -E "$kernel_trouble|WARNING: CPU"; then
	fail "the kernel complains"
fi
