#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# SIGKILL at points of carving and releasing: afterwards the host can be put back. The long form tries each
# point in turn, the short form each fourth point, from one of the first four.
#
# timeout: 1500
# long: 3600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/kill-points.sh"

modprobe vfio-pci
interface=$(ls "/sys/bus/pci/devices/$igb/net")
ignore_routers
remember_host

states=
kill_at_points "carving a whole function" : carve "$nvme"
# A new ledger that is not in its place yet changes nothing: tried above, and always in the long form.
[ -n "${LONG:-}" ] || export BYPASS_FAULT_SKIP="new ledger written"
kill_at_points "carving an NVMe VF" : carve "$nvme" --vfs 1
kill_at_points "carving an igb VF" : carve "$igb" --vfs 1 --mac 02:00:00:00:00:01
grep -q carving <<<"$states" || fail "none was half carved"
carve_nvme() { bypass carve "$nvme" --vfs 1; }
killed_at() { # POINT COMMAND...
	local status=0
	BYPASS_FAULT_POINT=$1 "$fault" "${@:2}" || status=$?
	[ $status = 137 ]
}
check "killed in the middle" killed_at 6 carve "$nvme" --vfs 1
check "status calls it half carved" grep -q "half carved" <(bypass status)
bypass release --all >/dev/null

states=
carve_igb() { bypass carve "$igb" --vfs 1 --mac 02:00:00:00:00:01 2>/dev/null; }
kill_at_points "releasing an NVMe VF" carve_nvme release "$nvme"
kill_at_points "releasing an igb VF" carve_igb release "$igb"

# An adapter that the host has set up in every way: each setting is put back by a step of its own.
fresh() { # what an interface is like that a driver has just made
	echo "$igb" >/sys/bus/pci/drivers/igb/unbind
	echo "$igb" >/sys/bus/pci/drivers/igb/bind
	wait_for 10 test -e "/sys/bus/pci/devices/$igb/net/$interface"
}
at_exit fresh
ip link add br7 type bridge
at_exit "ip link del br7"
ip link set "$interface" mtu 1400 txqueuelen 500
ethtool -G "$interface" rx 512
ip link set "$interface" master br7 up
ip link set br7 up
ip address add 192.0.2.1/24 dev "$interface"
ip route add 198.51.100.0/24 via 192.0.2.3 dev "$interface"
sysctl -q "net.ipv4.conf.$interface.rp_filter=2"
check "the link is up" wait_for 20 links_settled
remember_host
carve_adapter() { bypass carve "$igb" --force 2>/dev/null; }
kill_at_points "carving an adapter" : carve "$igb" --force
kill_at_points "releasing an adapter" carve_adapter release "$igb"
grep -q releasing <<<"$states" || fail "none was half released"
carve_adapter >/dev/null
check "killed in the middle" killed_at 4 release "$igb"
check "status calls it half released" grep -q "half released" <(bypass status)
check "release" bypass release "$igb"
check "the host is as it was" host_restored

honours_nothing() {
	BYPASS_FAULT_POINT=1 bypass carve "$nvme" --vfs 1 && bypass release "$nvme"
}
check "the command that is installed has no fault points" honours_nothing
