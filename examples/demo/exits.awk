# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Counts exits to user space between the marks that the guest writes to port 0x80 (1 and 2 for the
# network, 3 and 4 for the disk), from a trace of kvm_pio, kvm_userspace_exit and sched_wakeup.
# Prints for each phase: name, MMIO, PIO, other, wake-ups of threads that are no vCPU.

# The line begins with NAME-PID, and a name may have anything in it.
{
	thread = substr($0, 1, index($0, "[") - 1)
	sub(/ *$/, "", thread)
	sub(/.*-/, "", thread)
}

/ kvm_/ { is_vcpu[thread] = 1 }

# kvm_pio: pio_write at 0x80 size 1 count 1 val 0x1
/ kvm_pio: / {
	at_mark[thread] = / pio_write at 0x80 /
	if (at_mark[thread]) {
		mark = $0
		sub(/.* val 0x/, "", mark)
		mark += 0
		phase = mark == 1 ? "net" : mark == 3 ? "disk" : ""
		seen[mark] = 1
	}
}

phase == "" { next }

# A mark is an exit itself, and none of the device's.
/ kvm_userspace_exit: / {
	if (/KVM_EXIT_MMIO /)
		mmio[phase]++
	else if (!/KVM_EXIT_IO /)
		other[phase]++
	else if (!at_mark[thread])
		pio[phase]++
}

/ sched_wakeup: / {
	match($0, / pid=[0-9]+/)
	wakeups[phase " " substr($0, RSTART + 5, RLENGTH - 5)]++
}

END {
	for (i = 1; i <= 4; i++)
		if (!(i in seen))
			exit 1
	for (key in wakeups) {
		split(key, part, " ")
		if (!(part[2] in is_vcpu))
			woken[part[1]] += wakeups[key]
	}
	print "net", mmio["net"] + 0, pio["net"] + 0, other["net"] + 0, woken["net"] + 0
	print "disk", mmio["disk"] + 0, pio["disk"] + 0, other["disk"] + 0, woken["disk"] + 0
}
