#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest of the demo's second part, with an HCA that is software: messages to the other guest and back, data
# checked, then RDMA writes. side=1 on the kernel's command line is the guest that waits for the other.
#
# shellcheck shell=dash

messages=500 writes=2000
echo 1 >/proc/sys/kernel/printk
side=$(sed -n 's/.*side=\([12]\).*/\1/p' /proc/cmdline)
for nic in /sys/class/net/e*; do
	ip link set "${nic##*/}" up
	ip address add "10.7.0.$side/24" dev "${nic##*/}"
done
until grep -qx 1 /sys/class/net/e*/carrier; do
	sleep 0.1
done

# The client waits until the server listens.
run() {
	if [ "$side" = 1 ]; then
		"$@"
	else
		until ping -q -c 1 -W 1 10.7.0.1 >/dev/null && "$@" 10.7.0.1; do
			sleep 0.2
		done
	fi
} >/tmp/log 2>&1 </dev/null

echo "bar $(cut -d ' ' -f 1 /sys/class/infiniband/mlx5_0/device/resource | head -n 1)"
for command in "ibv_rc_pingpong -d mlx5_0 -g 1 -c -n $messages" "ib_write_lat -d mlx5_0 -x 1 -F -n $writes"; do
	# shellcheck disable=SC2086 # a program and its arguments
	if ! run $command || grep -q '^invalid data' /tmp/log; then
		cat /tmp/log
		exit 1
	fi
done
echo "demo: guest $side on $(uname -r): $messages messages there and back, data checked, and $writes RDMA writes"
echo "result $((2 * messages + writes))"
