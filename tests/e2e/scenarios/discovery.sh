#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bypass list against what lspci and sysfs say.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

bypass list --all --json >list.json
devices=/sys/bus/pci/devices

addresses() { diff <(jq -r '.functions[].address' list.json) <(ls $devices); }
check "every function is listed, in order" addresses

names() {
	diff <(jq -r '.functions[] | .address + " " + .vendor + " | " + .device + " | " + .class' \
		list.json) \
		<(lspci -Dvmm | awk -F'\t' '$1 == "Slot:" { slot = $2 } $1 == "Class:" { class = $2 }
			$1 == "Vendor:" { vendor = $2 }
			$1 == "Device:" { print slot " " vendor " | " $2 " | " class }')
}
check "names are those of lspci" names

attributes() {
	local address driver numa group total vfs reset
	jq -r '.functions[] | [.address, .driver // "-", .numa_node, .iommu_group, .group_size,
		.vfs_total, .vfs, (.reset_methods | gsub(" "; ","))] | join(" ")' list.json |
		while read -r address driver numa group size total vfs reset; do
			local dir=$devices/$address link
			link=$(readlink "$dir/driver" || echo -)
			[ "$driver" = "${link##*/}" ] || fail "$address: driver $driver"
			[ "$numa" = "$(<"$dir/numa_node")" ] || fail "$address: NUMA node $numa"
			link=$(readlink "$dir/iommu_group")
			[ "$group" = "${link##*/}" ] || fail "$address: group $group"
			members=("$dir"/iommu_group/devices/*)
			[ "$size" = ${#members[@]} ] || fail "$address: $size in its group"
			[ -e "$dir/sriov_totalvfs" ] || [ "$total $vfs" = "0 0" ] ||
				fail "$address: $vfs VFs of $total, but no SR-IOV"
			[ ! -e "$dir/sriov_totalvfs" ] ||
				[ "$total $vfs" = "$(cat "$dir"/sriov_{total,num}vfs | xargs)" ] ||
				fail "$address: $vfs VFs of $total"
			[ "$reset" = "$(tr ' ' , <"$dir/reset_method" 2>/dev/null || true)" ] ||
				fail "$address: reset methods $reset"
		done
}
check "drivers, NUMA nodes, groups, SR-IOV and reset methods are those of sysfs" attributes

bars() {
	local address sizes
	jq -r '.functions[] | .address + " " + (.bar_sizes | map(tostring) | join(" "))' list.json |
		while read -r address sizes; do
			# shellcheck disable=SC2086
			set -- $sizes
			while read -r start end flags; do
				[ $# -gt 0 ] || break
				local size=$((end ? end - start + 1 : 0))
				[ "$1" = $size ] || fail "$address: BAR of $1 bytes, not $size ($flags)"
				shift
			done <"$devices/$address/resource"
		done
}
check "BAR sizes are those of sysfs" bars

narrow() { [ "$(COLUMNS=80 bypass list --all | wc -L)" -le 80 ]; }
check "the table fits 80 columns" narrow

check "no root is needed" setpriv --reuid 65534 --clear-groups bypass list
wrong() { # WHAT PATTERN ARGUMENT...: status 2, and nothing is done
	local what=$1 pattern=$2 status=0
	shift 2
	bypass "$@" >out 2>&1 || status=$?
	grep -qe "$pattern" out || status="$status, no '$pattern'"
	[ "$status" = 2 ] || fail "$what: status $status: $(cat out)"
	echo "ok: $what"
}
for mac in 01:00:00:00:00:01 02:00:00:00:00 02:00:00:00:00:01:02 "02:00:00:00:00: 1" \
	02:00:00:00:00:01,02:00:00:00:00:02 ''; do
	wrong "MAC address '$mac' for one VF" "--mac takes" carve "$igb" --vfs 1 --mac "$mac"
done
for vlan in 0 4095 x 5,6; do
	wrong "VLAN '$vlan' for one VF" "--vlan takes" carve "$igb" --vfs 1 --vlan "$vlan"
done
wrong "trust" "--trust takes" carve "$igb" --vfs 1 --trust maybe
wrong "no VFs" "--vfs takes" carve "$igb" --vfs 0
wrong "a MAC address without VFs" "go with --vfs" carve "$igb" --mac 02:00:00:00:00:01
wrong "nothing to carve" "which one function" carve
wrong "nothing to release" "what to release" release
wrong "all and one" "takes no names" release --all "$igb"
wrong "a size past all sizes" "takes a size" doctor --mem 99999999999T
wrong "a command that is not there" "no command 'crave'" crave
check "nothing was made" test "$(cat "/sys/bus/pci/devices/$igb/sriov_numvfs")" = 0
check_error "a wrong option" "unrecognized option" bypass list --wrong
check_error "a wrong address" "is not a PCI address.*bypass list" bypass carve 01:00
check_error "an address with nothing there" "no PCI function 0000:7f:00.0" bypass carve 7f:00.0
check_error "a bridge" "is a bridge" bypass carve "$(jq -r '[.functions[] |
	select(.class == "PCI bridge").address][0]' list.json)"
