#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 300
#
# Carving and releasing: VFs of a network adapter, of an NVMe controller, whole functions; and
# the host as it was after each.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
interface=$(ls "/sys/bus/pci/devices/$igb/net")

modprobe -r vfio-pci 2>/dev/null || true
check_error "without vfio-pci it says what to load" "modprobe vfio-pci" bypass carve "$edu"
modprobe vfio-pci

# A driver that gets its function back makes a new interface: one that was up and down again
# before looks different.
echo "$igb" >"/sys/bus/pci/devices/$igb/driver/unbind"
echo "$igb" >/sys/bus/pci/drivers/igb/bind
check "the interface is there" wait_for 10 test -e "/sys/bus/pci/devices/$igb/net/$interface"
remember_host

carve_igb() {
	bypass carve "$igb" --vfs 2 --mac 02:00:00:00:00:0a,02:00:00:00:00:0B --vlan 7 \
		--trust on,off --name net
	[ "$(cat "/sys/bus/pci/devices/$igb/sriov_numvfs")" = 2 ]
	ip link show dev "$interface" | grep 'vf 0 .*02:00:00:00:00:0a.*vlan 7.*trust on'
	ip link show dev "$interface" | grep 'vf 1 .*02:00:00:00:00:0b.*vlan 7.*trust off'
}
check "two VFs of an igb, with MAC addresses, a VLAN and trust" carve_igb
slices=$(bypass status --json | jq -r '.carvings[].slices[] | .address + " " + .name')
bound() {
	[ "$(wc -l <<<"$slices")" = 2 ]
	grep ' net-0$' <<<"$slices"
	while read -r address name; do
		[ "$(driver_of "$address")" = vfio-pci ] || fail "$name has $(driver_of "$address")"
	done <<<"$slices"
}
check "both are bound to vfio-pci and have names" bound
check_error "not twice" "carved already, into 2 slices.*bypass release $igb" \
	bypass carve "$igb" --vfs 1
check_error "not a slice once more" "carved already, as a slice of $igb" \
	bypass carve "$(head -n 1 <<<"$slices" | cut -d' ' -f1)"
check_error "no name twice" "name 'net' is taken" bypass carve "$edu" --name net

check_error "an empty name means nothing" "name .* is empty" bypass release ""

modprobe igbvf
at_exit "modprobe -r igbvf"
alone=$(awk '$2 == "net-1" { print $1 }' <<<"$slices")
released_alone() { bypass release net-1 2>&1 | grep "$alone .*no driver.*drivers_probe"; }
check "one slice by its name, and what to do with it" released_alone
one_left() { [ "$(bypass status --json | jq -r '.carvings[].slices[].name')" = net-0 ]; }
check "the other stays" one_left
check_error "what was given back alone is no function of its own" "made when $igb was carved" \
	bypass carve "$alone"
echo "$alone" >/sys/bus/pci/drivers_probe
check "the host's driver takes it" wait_for 20 test "$(driver_of "$alone")" = igbvf
check "the last slice" bypass release net-0
check "the host is as it was" host_restored

address_of_vf() { ip link show dev "$interface" | sed -n 's/.*vf 0 .*link\/ether \([0-9a-f:]*\).*/\1/p'; }
stable() {
	local first second
	bypass carve "$igb" --vfs 1
	first=$(address_of_vf)
	bypass release "$igb"
	bypass carve "$igb" --vfs 1
	second=$(address_of_vf)
	bypass release "$igb"
	echo "$first, then $second"
	[ "$first" = "$second" ] && [[ $first =~ ^.[26ae]: ]] && [ "$first" != 00:00:00:00:00:00 ]
}
check "without --mac a VF has the same address at each carving" stable
check "the host is as it was" host_restored

carve_nvme() {
	bypass carve "$nvme" --vfs 2 --name disk
	nvme list-secondary /dev/nvme0 | grep -c Online | grep -x 2
}
check "two VFs of an NVMe controller, online" carve_nvme
check "all of them by the PF's address, without its domain" bypass release "${nvme#0000:}"
check "the host is as it was" host_restored
vanish() {
	bypass carve "$nvme" --vfs 2
	echo 0 >"/sys/bus/pci/devices/$nvme/sriov_numvfs"
	bypass release "$nvme"
}
check "VFs that vanish before they are released" vanish
check "their controllers give back what they had" host_restored
check_error "more VFs than there are" "can have 4 VFs, not 5" bypass carve "$nvme" --vfs 5

# As an administrator before us might have left it.
nvme virt-mgmt /dev/nvme0 -c 4 -r 0 -a 8 -n 2 >/dev/null
check_error "more VFs than the controller has queues for" "too few queues for 4 VFs" \
	bypass carve "$nvme" --vfs 4
nvme virt-mgmt /dev/nvme0 -c 4 -r 0 -a 8 -n 0 >/dev/null
check "the host is as it was" host_restored

for function in "$edu" "$nvme" "$igb"; do
	check "$function whole" bypass carve "$function" --name whole
	check "bound to vfio-pci" test "$(driver_of "$function")" = vfio-pci
	check "given back" bypass release whole
	check "the host is as it was" host_restored
done

# What the host depends on is not taken without a word.
mkfs.ext4 -q /dev/nvme0n1
mkdir mnt
mount /dev/nvme0n1 mnt
at_exit "umount mnt 2>/dev/null || true"
check_error "a mounted file system" "mounted on .*mnt" bypass carve "$nvme"
check "its VFs all the same" bypass carve "$nvme" --vfs 1
check "and back" bypass release "$nvme"
umount mnt
ip link set "$interface" up
ip addr add 192.0.2.1/24 dev "$interface"
check_error "an address in use" "host's address 192.0.2.1/24, on interface $interface" \
	bypass carve "$igb"
forced() { bypass carve "$igb" --force && bypass release "$igb"; }
check "by force" forced
ip addr del 192.0.2.1/24 dev "$interface"
ip link set "$interface" down
check "the host is as it was" host_restored

check_error "a function with VFs of somebody else" "2 VFs that bypass did not make" \
	sh -c "echo 2 >/sys/bus/pci/devices/$nvme/sriov_numvfs && bypass carve $nvme --vfs 1"
vf=$(basename "$(readlink "/sys/bus/pci/devices/$nvme/virtfn0")")
check "but each of them whole" bypass carve "$vf" --name vf
check "and back" bypass release vf
echo 0 >"/sys/bus/pci/devices/$nvme/sriov_numvfs"
check "the host is as it was" host_restored
