#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Broken hosts, one after the other: bypass doctor names what is wrong, and what it says to
# do about it, done as it is printed, works. Two more are in doctor-no-*.sh.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/doctor.sh"

interface=$(ls "/sys/bus/pci/devices/$igb/net")

modprobe -r vfio-pci vfio_iommu_type1 kvm-amd 2>/dev/null || true
finds kvm "no /dev/kvm"
fixes kvm
finds vfio "vfio-pci, .* is not loaded"
fixes vfio
rm /dev/vfio/vfio
finds vfio "there is no /dev/vfio/vfio"
fixes vfio
# The kernel removes only a node of its own making, with the module; another would load the module again.
rm /dev/vfio/vfio
modprobe -r vfio-pci vfio_iommu_type1
modprobe vfio-pci

bridged=$(bypass list --json | jq -r --argjson edu $((0x11e8)) \
	'.functions[] | select(.device_id == $edu and .group_size > 1).address')
# A virtio device that takes addresses as physical ones.
virtio=$(bypass list --json | jq -r '[.functions[] |
	select(.vendor_id == 6900 and .driver == "virtio-pci" and .group_size > 1).address][0]')
finds virtio-dma "does not offer VIRTIO_F_ACCESS_PLATFORM" "$virtio"
finds group "shares IOMMU group .* which the host's driver virtio-pci has" "$bridged"
fixes group "$bridged"
# The fix has carved the virtio device. No guest gets it.
check_error "no VMM opens it" "$virtio is no device for a guest: .* VIRTIO_F_ACCESS_PLATFORM" \
	slice "$virtio"
check "and given back" bypass release --all
warned() { bypass carve "$virtio" 2>&1 | tr -s ' \n' ' ' | grep "no guest will get $virtio: .* VIRTIO_F_ACCESS"; }
check "carving it warns" warned
check "and given back" bypass release "$virtio"

# An ISA bridge is no bridge between PCI buses: with a driver it does DMA like any device.
isa=$(bypass list --all --json | jq -r '[.functions[] |
	select((.class_code / 256 | floor) == 1537 and .group_size > 1 and .driver != null).address][0]')
if [ "$isa" != null ]; then
	finds group "shares IOMMU group .* with $isa, which the host's driver" "${isa%.*}.2"
fi

# The limit of a control group counts, of whichever group above.
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/small
echo +memory >/sys/fs/cgroup/small/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/small/inner
echo 256M >/sys/fs/cgroup/small/memory.max
# shellcheck disable=SC2016 # for that shell
grouped() { sh -c 'echo $$ >/sys/fs/cgroup/small/inner/cgroup.procs; exec "$@"' - "$@"; }
check_error "memory: a control group's limit" "leaves it 2.. MiB .*small/memory.max says 256" \
	grouped bypass doctor --mem 512M
command=$({ grouped bypass doctor --mem 512M --json || true; } |
	jq -r '.findings[] | select(.about == "memory").command')
bash -c "$command"
check "memory: fixed by '$command'" grouped bypass doctor --mem 512M
rmdir /sys/fs/cgroup/small/inner /sys/fs/cgroup/small
echo -memory >/sys/fs/cgroup/cgroup.subtree_control

# Names that make no sense are no names; the rest is as ever.
cp /usr/share/misc/pci.ids good.ids
printf '8086  Intel\nnonsense\n' >bad.ids
mount --bind bad.ids /usr/share/misc/pci.ids
at_exit "umount -q /usr/share/misc/pci.ids || true"
nameless() { bypass list | grep "^$igb .* igb "; }
check "a pci.ids that makes no sense" nameless
umount /usr/share/misc/pci.ids

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
check "memlock: named and fixed" memlock
[ "$(verdict memlock --mem 1G)" = ok ] || fail "memlock: root may lock what it likes"

ip link set "$interface" down
finds link "$interface, the interface of $igb, is down" "$igb"
fixes link "$igb"

check "a function for a guest" bypass carve "$edu"
group=$(basename "$(readlink "/sys/bus/pci/devices/$edu/iommu_group")")
sleep 1000 9<>"/dev/vfio/$group" &
check "a process has it open" wait_for 10 grep -qsx sleep "/proc/$!/comm"
finds driver "in use by process $! \(sleep\)" "$edu"
listed() { bypass list | grep "$edu is in use by sleep ($!)"; }
check "list says so too" listed
check_error "and release" "in use by process $! \(sleep\)" bypass release "$edu"
fixes driver "$edu"
check "given back" bypass release "$edu"

check "all VFs of an NVMe controller" bypass carve "$nvme" --vfs 4
finds sr-iov "all 4 VFs of $nvme are made" "$nvme"
fixes sr-iov "$nvme"

echo 4 >"/sys/bus/pci/devices/$nvme/sriov_numvfs"
finds sr-iov "all 4 VFs of $nvme are made" "$nvme"
foreign() { remedy sr-iov "$nvme" | grep -x "echo 0 >/sys/bus/pci/devices/$nvme/sriov_numvfs"; }
check "sr-iov: VFs that bypass did not make are not for it to release" foreign
fixes sr-iov "$nvme"

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
