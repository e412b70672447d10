# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Counts exits to user space for memory in a trace of kvm_mmio and kvm_userspace_exit: those that a store to an
# HCA's doorbell pages caused, and all others. `bar` is where BAR 0 of the HCA is in the guests, as hexadecimal digits;
# doorbell pages of programs are from 1 MiB to 8 MiB of the BAR.

function number(digits,    i, n) {
	for (i = 1; i <= length(digits); i++)
		n = 16 * n + index("0123456789abcdef", substr(digits, i, 1)) - 1
	return n
}

BEGIN { first = number(bar) + 1048576; last = number(bar) + 8388607 }

{
	thread = substr($0, 1, index($0, "[") - 1)
	sub(/ *$/, "", thread)
	sub(/.*-/, "", thread)
}

# kvm_mmio: mmio write len 8 gpa 0xfe100800 val 0x...
/ kvm_mmio: / {
	match($0, / gpa 0x[0-9a-f]+/)
	at = number(substr($0, RSTART + 7, RLENGTH - 7))
	is_doorbell[thread] = at >= first && at <= last
}

/ kvm_userspace_exit: reason KVM_EXIT_MMIO / {
	if (is_doorbell[thread])
		doorbells++
	else
		others++
}

END { print doorbells + 0, others + 0 }
