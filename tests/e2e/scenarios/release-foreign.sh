#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 400
#
# What others have set up since the carving stays: bypass release takes back only its own settings, and
# takes no device that the host uses again.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
devices=/sys/bus/pci/devices
driver_of() { [ ! -e "$devices/$1/driver" ] || basename "$(readlink "$devices/$1/driver")"; }
# A namespace of a function's controller: nvme0c1n1 is a path of the controller nvme1 to nvme0n1.
disk_of() { # ADDRESS
	find "$devices/$1"/nvme/nvme*/ -maxdepth 1 -name 'nvme*n[0-9]*' -printf '/dev/%f\n' 2>/dev/null |
		sed 's/c[0-9]*n/n/' | sort | head -n 1
}
has_disk() { [ -b "$(disk_of "$1")" ]; }
remember_host
at_exit "bypass release --all || true"
mkdir mnt

# The host has the disk again, with a file system that is mounted.
mount_disk() { # ADDRESS
	local disk
	wait_for 20 has_disk "$1"
	disk=$(disk_of "$1")
	mkfs.ext4 -qF "$disk"
	mount "$disk" mnt
	echo precious >mnt/file
	sync
}
disk_is_whole() {
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(cat mnt/file)" = precious ] && touch mnt/other && sync mnt/other && [ "$(driver_of "$nvme")" = nvme ]
}
at_exit "umount mnt 2>/dev/null || true"
leaves_disk() { # PATTERN: what release says
	bypass release --all 2>said || { cat said; return 1; }
	cat said
	tr '\n' ' ' <said | grep -E "$1"
	disk_is_whole
	umount mnt
	host_restored
}

check "carve the NVMe controller whole" bypass carve "$nvme"
rebind() {
	echo "$nvme" >/sys/bus/pci/drivers/vfio-pci/unbind
	echo >"$devices/$nvme/driver_override"
	echo "$nvme" >/sys/bus/pci/drivers/nvme/bind
}
rebind
check "bound again by hand and mounted" mount_disk "$nvme"
check "release leaves the disk to the host" leaves_disk "did not undo 'bind $nvme to vfio-pci'.* 'nvme'"

check "carve the NVMe controller whole" bypass carve "$nvme"
port=$(dirname "$(readlink -f "$devices/$nvme")")
echo 1 >"$devices/$nvme/remove"
echo 1 >"$port/rescan"
check "removed, found again, and mounted" mount_disk "$nvme"
check "release leaves the disk to the host" leaves_disk "$nvme was removed since"

# The same values, set by somebody else in the device that came back.
check "carve it once more" bypass carve "$nvme"
echo 1 >"$devices/$nvme/remove"
echo 1 >"$port/rescan"
check "the disk is there" wait_for 20 has_disk "$nvme"
echo "$nvme" >/sys/bus/pci/drivers/nvme/unbind
echo vfio-pci >"$devices/$nvme/driver_override"
echo "$nvme" >/sys/bus/pci/drivers/vfio-pci/bind
check "release" bypass release --all
check "another one's vfio-pci stays" test "$(driver_of "$nvme")" = vfio-pci
check "and its driver_override" grep -x vfio-pci "$devices/$nvme/driver_override"
rebind
check "the host is as it was" host_restored

check "carve $edu" bypass carve "$edu"
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/unbind
echo another >"$devices/$edu/driver_override"
check "release" bypass release "$edu"
check "another one's driver_override stays" grep -x another "$devices/$edu/driver_override"
echo >"$devices/$edu/driver_override"
check "the host is as it was" host_restored

check "carve a VF" bypass carve "$nvme" --vfs 1
for count in 0 2; do
	echo $count >"$devices/$nvme/sriov_numvfs"
done
check "release" bypass release "$nvme"
check "VFs that another one has made stay" grep -x 2 "$devices/$nvme/sriov_numvfs"
echo 0 >"$devices/$nvme/sriov_numvfs"
check "the host is as it was" host_restored

check "carve two VFs" bypass carve "$nvme" --vfs 2
echo 0 >"$devices/$nvme/sriov_numvfs"
echo 2 >"$devices/$nvme/sriov_numvfs"
check "release" bypass release "$nvme"
check "as many VFs, but another one's, stay" grep -x 2 "$devices/$nvme/sriov_numvfs"
echo 0 >"$devices/$nvme/sriov_numvfs"
check "the host is as it was" host_restored

# A VF of ours that the host's driver got by hand, with its disk mounted.
check "carve a VF with a disk" bypass carve "$nvme" --vfs 1
vf=$(basename "$(readlink "$devices/$nvme/virtfn0")")
echo "$vf" >/sys/bus/pci/drivers/vfio-pci/unbind
echo nvme >"$devices/$vf/driver_override"
echo "$vf" >/sys/bus/pci/drivers/nvme/bind
check "the disk of the VF is mounted" mount_disk "$vf"
check_error "release does not destroy the VF under its file system" "mounted on .*mnt" bypass release "$nvme"
check "the disk is whole" test "$(cat mnt/file)" = precious
umount mnt
check "it does when the disk is not used any more" bypass release "$nvme"
check "the host is as it was" host_restored

interface=$(ls "$devices/$igb/net")
check "carve two VFs of the adapter" \
	bypass carve "$igb" --vfs 2 --mac 02:00:00:00:00:01,02:00:00:00:00:02 --vlan 7
vf=$(basename "$(readlink "$devices/$igb/virtfn0")")
ip link set "$interface" vf 0 mac 02:00:00:00:00:99
ip link set "$interface" vf 0 vlan 9
check "release one" bypass release "$vf"
settings() { ip link show dev "$interface" | grep 'vf 0 .*02:00:00:00:00:99.*vlan 9'; }
check "what another one has set in the VF stays" settings
check "release the other" bypass release "$igb"
check "the host is as it was" host_restored

# As if /run had outlived a reboot: the host is as it booted, and the ledger tells of earlier days.
check "carve $edu" bypass carve "$edu" --name old
cp "/run/bypass/$edu.json" old
check "release" bypass release old
echo vfio-pci >"$devices/$edu/driver_override"
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/bind
jq '.boot = "00000000-0000-0000-0000-000000000000"' old >"/run/bypass/$edu.json"
chmod 600 "/run/bypass/$edu.json"
told() { bypass status | tr '\n' ' ' | grep "earlier boot.*bypass release $edu"; }
check "status tells a ledger of an earlier boot" told
check "release removes it" bypass release old
check "and nothing else" test "$(driver_of "$edu")" = vfio-pci
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/unbind
echo >"$devices/$edu/driver_override"
check "the host is as it was" host_restored
