# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# Guests that start another kernel, in which the guest's script runs once more. Sourced after guests.sh. The guest
# needs the program kexec.

# carry_kernel NAME: the guest has its kernel with it.
carry_kernel() {
	mkdir -p "$1.more"
	cp "$kernel/vmlinuz" "$1.more/"
	(cd "$1.more" && echo vmlinuz | cpio --quiet -o -H newc) >>"$1.initrd"
}

# In a guest. Processes run until the kernel ends: drivers hear of nothing but the end.
second_kernel() {
	(cd / && find . -xdev ! -name vmlinuz | cpio -o -H newc) >/tmp/initrd
	exec kexec /vmlinuz /tmp/initrd "$(cat /proc/cmdline)"
}
in_second_kernel() { [ ! -e /vmlinuz ]; }
guest_functions+=(second_kernel in_second_kernel)
