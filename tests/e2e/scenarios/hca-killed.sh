#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The ConnectX model is killed while guests of two kernels have traffic: mlx5_core finds out, programs fail or can be
# killed, the function can be removed, the function of another model takes its place, and the guests power off. Before,
# the newer kernel starts itself anew by kexec under traffic, and finds a function that works.
#
# timeout: 900

hca='' # of the host
. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/kexec.sh"

# A program can use it: the port is in sysfs before /dev/infiniband/uverbs0 is there.
active() { ibv_devinfo -d mlx5_0 2>/dev/null | grep PORT_ACTIVE >/dev/null; }
listening() { grep -q ':4853 ' /proc/net/tcp /proc/net/tcp6; } # port 18515
within() { # SECONDS COMMAND...
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || { echo "not in time: $*" && exit 1; }
		sleep 0.2
	done
}
# An error of the port's state counts as a port that is not active. A program could wait for a dead device.
is_idle() { ! grep -q ACTIVE /sys/class/infiniband/mlx5_0/ports/1/state 2>/dev/null; }
guest_functions+=(active listening within is_idle)
programs="ib_send_bw -d mlx5_0 -x 1 -F -D 600"
for kernel in /guest /guest-6.1; do
	name=guest${kernel#/guest}
	make_guest "$name" --hca --with ibv_rc_pingpong --with ibv_devinfo --with kexec <<-'END'
		device=$(readlink -f /sys/class/infiniband/mlx5_0/device)
		within 120 active
		! in_second_kernel || { mark up && wait_line; }
		$programs >/tmp/server 2>&1 &
		server=$!
		within 120 listening
		$programs 127.0.0.1 >/tmp/client 2>&1 &
		client=$!
		sleep 3
		kill -0 $server && kill -0 $client || { cat /tmp/server /tmp/client && exit 1; }
		in_second_kernel || { mark first && second_kernel; }
		mark busy
		wait_line
		within 120 is_idle
		mark lost
		timeout 100 ibv_rc_pingpong -d mlx5_0 -g 1
		[ $? = 1 ] || { echo "a new program does not fail" && exit 1; }
		mark refused
		kill -KILL $server $client
		wait $server
		wait $client
		mark ended
		echo 1 >"$device/remove"
		[ ! -e /sys/class/infiniband/mlx5_0 ] || exit 1
		mark removed
		wait_line
		echo 1 >/sys/bus/pci/rescan
		within 240 active
		ibv_rc_pingpong -d mlx5_0 -g 1 -c -n 100 >/tmp/server 2>&1 &
		retry ibv_rc_pingpong -d mlx5_0 -g 1 -c -n 100 127.0.0.1 && wait $! || { cat /tmp/server && exit 1; }
		! dmesg | grep -E 'WARNING: |BUG: |Oops|blocked for more than'
	END
	[ $kernel != /guest ] || carry_kernel "$name"
done

start_model() {
	rm -f ./*.sock
	bypass-hca --socket "$PWD/guest.sock" --socket "$PWD/guest-6.1.sock" 2>>model.serve &
	model=$!
	at_exit "kill -KILL $model 2>/dev/null || true"
	check "the model" wait_for 60 test -S guest-6.1.sock
}
start_model
for kernel in /guest /guest-6.1; do
	name=guest${kernel#/guest}
	start_guest "$name" --cpus 1 --mem 512M --slice "vfio-user:$PWD/$name.sock"
done
check "a kernel that has traffic starts another" wait_mark guest 480 first
for name in guest guest-6.1; do
	check "$name is up" wait_mark $name 480 up
done
send_line guest go
send_line guest-6.1 go
for name in guest guest-6.1; do
	check "$name has traffic" wait_mark $name 480 busy
done
kill -KILL $model
send_line guest go
send_line guest-6.1 go
for word in lost refused ended removed; do
	for name in guest guest-6.1; do
		check "$name: $word" wait_mark $name 480 $word
	done
done

# Another model: bypass-vmm plugs its functions in the places of the old ones.
start_model
for name in guest guest-6.1; do
	check "$name has a new function" wait_for 60 grep -q 'is back: ' $name.stderr
	send_line $name go
done
for name in guest guest-6.1; do
	guest_ends $name "${pids[$name]}"
done
