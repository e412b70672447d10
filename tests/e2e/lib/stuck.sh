# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# What is said of a scenario that does not come to an end.

# places PID...: where each thread is.
places() {
	local pid task
	for pid in "$@"; do
		for task in "/proc/$pid/task"/*; do
			[ -e "$task" ] || continue # has ended
			echo "$(<"$task/comm") [$pid], system call $(<"$task/syscall"):"
			cat "$task/stack"
		done
	done
}

# For what vCPUs leave guests within a second, and where in the guest: a guest that waits, that gets no
# interrupt, and that spins look different.
vcpu_exits() {
	local tracing=/sys/kernel/tracing
	mountpoint -q $tracing || mount -t tracefs tracefs $tracing
	[ -d $tracing/events/kvm ] || return 0
	echo 1 >$tracing/events/kvm/kvm_exit/enable
	sleep 1
	echo 0 >$tracing/events/kvm/kvm_exit/enable
	grep -v '^#' $tracing/trace | sed 's/ info1.*//' | tail -n 15
	echo >$tracing/trace
}

# hung CGROUP FOLDER SECONDS: the processes of this cgroup have taken longer; guests' consoles are in FOLDER.
hung() {
	local processes console
	echo "--- not over after $3 s"
	mapfile -t processes <"$1/cgroup.procs"
	places "${processes[@]}"
	vcpu_exits
	for console in "$2"/*.console; do
		[ -e "$console" ] || continue
		echo "--- the end of ${console##*/}"
		tail -n 8 "$console"
	done
}
