#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Six broken hosts, one after the other: bypass doctor names what is wrong, and what it says to
# do about it, done as it is printed, works. Two more are in doctor-no-*.sh.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/doctor.sh"

interface=$(ls "/sys/bus/pci/devices/$igb/net")

modprobe -r vfio-pci vfio_iommu_type1 kvm-amd 2>/dev/null || true
ails kvm "no /dev/kvm"
mends kvm
ails vfio "vfio-pci, .* is not loaded"
mends vfio

bridged=$(bypass list --json | jq -r --argjson edu $((0x11e8)) \
	'.functions[] | select(.device_id == $edu and .group_size > 1).address')
ails group "shares IOMMU group .* which the host's driver virtio-pci has" "$bridged"
mends group "$bridged"
check "and given back" bypass release --all

# Root may lock what it likes; who may not is told.
poor="setpriv --inh-caps -ipc_lock --bounding-set -ipc_lock"
memlock() {
	# shellcheck disable=SC2016 # for that shell
	$poor bash -c 'ulimit -l 64
		bypass doctor --mem 1G --json >before.json
		command=$(jq -r ".findings[] | select(.about == \"memlock\").command" before.json)
		eval "$command"
		bypass doctor --mem 1G --json >after.json'
	[ "$(jq -r '.findings[] | select(.about == "memlock").verdict' before.json)" = fail ]
	[ "$(jq -r '.findings[] | select(.about == "memlock").verdict' after.json)" = ok ]
}
check "memlock: named and mended" memlock
[ "$(verdict memlock --mem 1G)" = ok ] || fail "memlock: root may lock what it likes"

ip link set "$interface" down
ails link "$interface, the interface of $igb, is down" "$igb"
mends link "$igb"

check "a function for a guest" bypass carve "$edu"
group=$(basename "$(readlink "/sys/bus/pci/devices/$edu/iommu_group")")
sleep 1000 9<>"/dev/vfio/$group" &
check "a process has it open" wait_for 10 grep -qsx sleep "/proc/$!/comm"
ails driver "in use by process $! \(sleep\)" "$edu"
listed() { bypass list | grep "$edu is in use by sleep ($!)"; }
check "list says so too" listed
check_error "and release" "in use by process $! \(sleep\)" bypass release "$edu"
mends driver "$edu"
check "given back" bypass release "$edu"

check "all VFs of an NVMe controller" bypass carve "$nvme" --vfs 4
ails sr-iov "all 4 VFs of $nvme are made" "$nvme"
mends sr-iov "$nvme"

healthy() { bypass doctor --mem 1G "$igb"; }
check "nothing is left that stands in the way" healthy
check "nor for an NVMe controller" bypass doctor "$nvme"
narrow() { [ "$(COLUMNS=80 bypass doctor "$igb" | grep -v '[$] ' | wc -L)" -le 80 ]; }
check "it fits 80 columns" narrow
check_error "a function that is not there" "no PCI function 0000:7f:00.0" bypass doctor 7f:00.0
check_error "a device that is not there" "neither .* nor an RDMA device" bypass doctor wlan7
check_error "a size that is none" "takes a size" bypass doctor --mem lots

ip link set "$interface" down
modprobe -r kvm-amd
