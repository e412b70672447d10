# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# shellcheck disable=SC2034 # used by those who source it
#
# What scenarios of carving share. Sourced after checks.sh.

# Found by what they are, not by where they happen to be.
pf_of_class() { # CLASS, the upper 16 bits
	bypass list --json | jq -r --argjson class $(($1)) '.functions[] |
		select(.vfs_total > 0 and (.class_code / 256 | floor) == $class).address'
}
igb=$(pf_of_class 0x0200)
nvme=$(pf_of_class 0x0108)
# Without a driver, and alone in its IOMMU group, if there are groups.
edu=$(bypass list --json | jq -r --argjson edu $((0x11e8)) '[.functions[] |
	select(.device_id == $edu and .group_size <= 1).address][0]')

# Every attribute of every PCI device, but for what changes by itself: counters, times, numbers
# that the kernel deals out anew (disk names too: it looks for NVMe namespaces in parallel), what
# cannot be read, and two things that it learns of a device when that is first bound to a driver.
sysfs_listing() {
	local steady=(
		! -path '*/statistics/*' ! -path '*/power/*' ! -path '*/msi_irqs/*' ! -path '*/hwmon*'
		! -path '*/virtio*' ! -path '*/trace/*' ! -name 'resource[0-9]*' ! -name rom
		! -name remove ! -name rescan ! -name reset ! -name config ! -name vpd ! -name irq
		! -name ifindex ! -name iflink ! -name stat ! -name inflight ! -name diskseq
		! -name 'aer_*' ! -name pools ! -name 'carrier*' ! -name power_state ! -name waiting_for_supplier
		! -path '*/nvme*/nsid' ! -path '*/nvme*/wwid'
	)
	find /sys/devices/pci* -type l "${steady[@]}" -printf '%p -> %l\n' | sort
	find /sys/devices/pci* -type f -readable "${steady[@]}" -print0 | sort -z |
		xargs -0 grep -sa '' || true
	nvme list-secondary /dev/nvme0
	ip -details link show dev "$(ls "/sys/bus/pci/devices/$igb/net")"
}

remember_host() {
	steady_listing >before
}

# Everything is as it was when remember_host was called, and nothing is carved. What a driver finds
# out after it was bound takes a moment.
host_restored() {
	local try
	[ "$(bypass status)" = "Nothing is carved." ] && [ -z "$(ls -A --ignore=vmm /run/bypass)" ] || return 1
	for try in 1 2 3 4; do
		steady_listing >after
		! cmp -s before after || return 0
		sleep 0.5
	done
	diff before after
}

steady_listing() {
	sysfs_listing | sed -E 's/^[0-9]+: //; s/:(IFINDEX|DISKSEQ)=.*/:\1/'
}
