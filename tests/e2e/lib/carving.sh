# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# shellcheck disable=SC2034 # used by those who source it
#
# What scenarios of carving share. Sourced after checks.sh.

# Found by what they are, not by where they happen to be.
functions=$(bypass list --json)
pf_of_class() { # CLASS, the upper 16 bits
	jq -r --argjson class $(($1)) '.functions[] |
		select(.vfs_total > 0 and (.class_code / 256 | floor) == $class).address' <<<"$functions"
}
igb=$(pf_of_class 0x0200)
nvme=$(pf_of_class 0x0108)
# Without a driver, and alone in its IOMMU group, if there are groups.
edu=$(jq -r --argjson edu $((0x11e8)) '[.functions[] |
	select(.device_id == $edu and .group_size <= 1).address][0]' <<<"$functions")

# The interfaces and disks of PCI functions now.
list_devices() {
	local list=(/sys/bus/pci/devices/*/{net,nvme,infiniband}/* /sys/bus/pci/devices/*/nvme/*/*n[0-9]*)
	echo "${list[*]}"
}

# What the host is like, a fact a line; to compare. The first line: its devices. Then what host-listing
# tells; then interfaces with their flags, MTU, masters, and VFs; addresses; routes. Numbers that the kernel
# deals out and timers change by themselves, and the queueing discipline tells whether an interface was
# ever up.
host_listing() {
	list_devices
	host-listing
	ip -details -oneline -batch - <<-'END' |
		link show
		address show
		route show table all
	END
		sed -E 's/^[0-9]+: //; s/ qdisc [^ ]+//; s/ (expires|valid_lft|preferred_lft) .*//
			s/ (hello|tcn|topology_change|gc|message_age|forward_delay|hold)_timer +[0-9.]+//g' | sort
}

# No link is on its way: interfaces that are up have a carrier, and no address is tentative.
links_settled() {
	local interface flags carrier
	for interface in /sys/bus/pci/devices/*/net/*; do
		[ -e "$interface" ] && read -r flags <"$interface/flags" && ((flags & 1)) || continue
		read -r carrier <"$interface/carrier" && [ "$carrier" = 1 ] || return 1
	done
	[ -z "$(ip -6 -o address show tentative)" ]
}

# Routers announce addresses and routes at any time. The host takes none until the scenario ends.
ignore_routers() {
	local where
	for where in all default; do
		at_exit "sysctl -q net.ipv6.conf.$where.accept_ra=$(sysctl -n net.ipv6.conf.$where.accept_ra)"
		sysctl -q net.ipv6.conf.$where.accept_ra=0
	done
}

# Some links have no partner, and never come.
remember_host() {
	wait_for 10 links_settled || true
	host_listing >before
}

# Asked first and again, as it costs little: are all devices there again?
devices_back() {
	local wanted
	read -r wanted <before || return
	[ "$(list_devices)" = "$wanted" ] && links_settled
}

host_as_before() {
	host_listing >after
	cmp -s before after
}

# Everything is as it was when remember_host was called, and nothing is carved. What a driver finds
# out after it was bound takes a moment, a link some seconds.
host_restored() {
	[ -z "$(ls -A --ignore=vmm /run/bypass)" ] || return 1
	wait_for 10 devices_back || true
	wait_for 20 host_as_before || diff before after
}

# Every scenario that carves leaves the host as it found it, however it ends.
# shellcheck disable=SC2154 # exit_status: see at_exit
at_end() {
	[ "$exit_status" = 0 ] || return 0
	cd "$carving_start" || exit
	mv at-begin before
	[ "$(bypass status)" = "Nothing is carved." ] && host_restored || {
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
