# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Exits of guests to user space for memory that is a device (KVM_EXIT_MMIO), each with its guest-physical
# address. A guest's other devices (timers, interrupt tables of its network) cause exits at times of their
# own, so that a scenario counts the exits at the BARs of the slice. Sourced after checks.sh.

tracing=/sys/kernel/tracing

# trace_exits: from now on.
trace_exits() {
	local events=$tracing/events/kvm size
	[ -d $tracing/events ] || mount -t tracefs none $tracing
	size=$(grep -o '^[0-9]*' $tracing/buffer_size_kb)
	at_exit "echo 0 >$events/enable; echo 0 >$events/kvm_userspace_exit/filter
		echo $size >$tracing/buffer_size_kb; echo >$tracing/trace"
	echo 16384 >$tracing/buffer_size_kb # a lost event is an exit that nobody counts
	echo 'reason == 6' >$events/kvm_userspace_exit/filter # KVM_EXIT_MMIO
	echo 1 >$events/kvm_userspace_exit/enable
	echo 1 >$events/kvm_mmio/enable
}

# traced_exits: those so far, one a line: ADDRESS read|write. An access that the kernel serves itself (an ioeventfd)
# is traced as well, and no exit follows. A thread's name may have anything in it.
traced_exits() {
	awk '{ thread = substr($0, 1, index($0, " [")) }
		/ kvm_mmio: / { sub(/.* kvm_mmio: mmio /, ""); access[thread] = $5 " " $1 }
		/ kvm_userspace_exit: / { print access[thread] }' $tracing/trace | sed 's/unsatisfied-//'
}

# A guest's script: names the ranges of the adapter's BARs. On the host: exits_at NAME [read|write], the exits there.
mark_bars() { # DEVICE
	path=$(readlink -f "/sys/class/infiniband/$1/device")
	[ -e "$path/resource" ] || path=${path%/*} # of a virtio device it is the function's
	head -n 6 "$path/resource" | while read -r start end _; do
		[ $((end)) = 0 ] || mark bar "$start" "$end"
	done
}
guest_functions+=(mark_bars)

exits_at() { traced_exits | at_bars "$@"; }

# kicks_at NAME: writes there that cost no exit, as the kernel signals an ioeventfd.
kicks_at() {
	local writes
	writes=$(sed -n 's/.* kvm_mmio: mmio write .* gpa \(0x[0-9a-f]*\) .*/\1 write/p' $tracing/trace | at_bars "$1")
	echo $((writes - $(exits_at "$1" write)))
}

# at_bars NAME [read|write]: how many of the accesses that are read, one a line, are at these ranges.
at_bars() {
	local kind=${2:-} times address access start end count=0 bars
	bars=$(tr -d '\r' <"$1.console" | sed -n 's/^mark: bar //p')
	[ -n "$bars" ] || { echo "unknown, for $1 names no BAR"; return; }
	while read -r times address access; do
		while read -r start end; do
			[[ -n $kind && $kind != "$access" ]] || ((address < start || address > end)) || count=$((count + times))
		done <<<"$bars"
	done < <(sort | uniq -c)
	echo $count
}
