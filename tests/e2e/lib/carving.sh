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
# cannot be read, two things that it learns of a device when that is first bound to a driver, and the
# queues of an interface, of which there are fewer once it was up.
sysfs_listing() {
	local steady=(
		! -path '*/statistics/*' ! -path '*/power/*' ! -path '*/msi_irqs/*' ! -path '*/hwmon*'
		! -path '*/virtio*' ! -path '*/trace/*' ! -name 'resource[0-9]*' ! -name rom
		! -name remove ! -name rescan ! -name reset ! -name config ! -name vpd ! -name irq
		! -name ifindex ! -name iflink ! -name stat ! -name inflight ! -name diskseq
		! -name 'aer_*' ! -name pools ! -name 'carrier*' ! -name power_state ! -name waiting_for_supplier
		! -path '*/nvme*/nsid' ! -path '*/nvme*/wwid' ! -path '*/queues/*' ! -path '*/brport/*timer' ! -path '*/brport/change_ack'
	)
	find /sys/devices/pci* -type l "${steady[@]}" -printf '%p -> %l\n' | sort
	find /sys/devices/pci* -type f -readable "${steady[@]}" -print0 | sort -z |
		xargs -0 grep -sa '' || true
}

# Interfaces with their flags, MTU, masters, and VFs; sysctls; addresses; routes.
net_listing() {
	local interface
	for interface in /sys/class/net/*; do
		ip -details link show dev "${interface##*/}"
		ip address show dev "${interface##*/}"
		ethtool --show-ring "${interface##*/}" 2>/dev/null || true
		ethtool --show-channels "${interface##*/}" 2>/dev/null || true
	done
	grep -s '' /proc/sys/net/ipv[46]/{conf,neigh}/*/* || true
	ip -4 route show table all | sort
	ip -6 route show table all | sort
}

nvme_listing() {
	local controller
	for controller in /dev/nvme[0-9]; do
		[ ! -c "$controller" ] || nvme list-secondary "$controller" 2>/dev/null || true
	done
}

# What the host is like, a fact a line; to compare. Numbers that the kernel deals out and timers change
# by themselves, and the queueing discipline tells whether an interface was ever up.
host_listing() {
	{
		sysfs_listing
		net_listing
		nvme_listing
	} | sed -E 's/^[0-9]+: //; s/:(IFINDEX|DISKSEQ)=.*/:\1/; s/ qdisc [^ ]+//; s/ (expires|valid_lft|preferred_lft) .*//
		s/ (hello|tcn|topology_change|gc|message_age|forward_delay|hold)_timer +[0-9.]+//g'
}

# No link is on its way: interfaces that are up have a carrier, and no address is tentative.
links_settled() {
	local interface
	for interface in /sys/bus/pci/devices/*/net/*; do
		[ ! -e "$interface" ] || ! (($(<"$interface/flags") & 1)) ||
			[ "$(<"$interface/carrier")" = 1 ] || return 1
	done
	[ -z "$(ip -6 -o address show tentative)" ]
}

# Some links have no partner, and never come.
remember_host() {
	wait_for 10 links_settled || true
	host_listing >before
}

host_as_before() {
	host_listing >after
	cmp -s before after
}

# Everything is as it was when remember_host was called, and nothing is carved. What a driver finds
# out after it was bound takes a moment, a link some seconds.
host_restored() {
	[ "$(bypass status)" = "Nothing is carved." ] && [ -z "$(ls -A --ignore=vmm /run/bypass)" ] || return 1
	wait_for 20 host_as_before || diff before after
}

# Every scenario that carves leaves the host as it found it, however it ends.
# shellcheck disable=SC2154 # exit_status: see at_exit
at_end() {
	[ "$exit_status" = 0 ] || return 0
	cd "$carving_start" || exit
	mv at-begin before
	host_restored || {
		echo "FAILED: the host is not as it was when the scenario began"
		exit 1
	}
}
# VFs get addresses that are derived from the host's ID.
[ -s /etc/machine-id ] || echo 7bed7bed7bed7bed7bed7bed7bed7bed >/etc/machine-id

carving_start=$PWD
remember_host
mv before at-begin
at_exit at_end
