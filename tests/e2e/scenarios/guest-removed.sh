#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The host destroys a VF under a guest, and unbinds the driver of the VF's PF. The VMM is asked and
# gives the VF back, and the host's command returns. The guest sees a surprise removal and goes on.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

make_guest removed --with setpci <<'END'
device=/sys/bus/pci/devices/0000:00:01.0
nic=$(ls $device/net)
ip link set "$nic" up
echo "guest: ready"
for i in $(seq 300); do
	[ "$(setpci -s 00:01.0 VENDOR_ID.l)" = ffffffff ] && break
	sleep 0.2
done
[ $i -lt 300 ] || fail "config space is still there"
echo "guest: gone"
timeout 60 ip link set "$nic" down
echo 1 >$device/remove
[ ! -e $device ] || fail "the device is still there"
END

# By hand, not by carving: what the host does to a VF that is in use is the matter.
pf=/sys/bus/pci/devices/$igb
autoprobe=$(cat "$pf/sriov_drivers_autoprobe")
at_exit "echo 0 >$pf/sriov_numvfs; echo $autoprobe >$pf/sriov_drivers_autoprobe"
make_vf() {
	echo 0 >"$pf/sriov_drivers_autoprobe"
	echo 1 >"$pf/sriov_numvfs"
	vf=$(basename "$(readlink "$pf/virtfn0")")
	echo vfio-pci >"/sys/bus/pci/devices/$vf/driver_override"
	echo "$vf" >/sys/bus/pci/drivers_probe
}

# round WHAT COMMAND: the host's COMMAND returns while the guest runs.
round() {
	local started
	make_vf
	start_guest removed --mem 256M --slice "$vf"
	wait_printed removed 100 "guest: ready"
	started=$SECONDS
	check "$1" timeout 60 sh -c "$2"
	check "it returns within 10 s" test $((SECONDS - started)) -le 10
	check "the VMM printed why" grep -q "^bypass-vmm: the host wants $vf back.*this process ($vmm)" \
		removed.stderr
	check "the VMM printed that the guest has lost it" grep -q "$vf is given back" removed.stderr
	wait_printed removed 60 "guest: gone"
	guest_ends removed $vmm
}
round "the host destroys the VF" "echo 0 >$pf/sriov_numvfs"
check "the VF is gone" test ! -e "/sys/bus/pci/devices/$vf"
at_exit "[ -e $pf/driver ] || echo $igb >/sys/bus/pci/drivers/igb/bind"
round "the host unbinds the PF's driver" "echo $igb >/sys/bus/pci/drivers/igb/unbind"
echo "$igb" >/sys/bus/pci/drivers/igb/bind
check "the PF has its driver again" test -e "$pf/driver"
