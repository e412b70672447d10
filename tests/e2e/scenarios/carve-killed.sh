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

fault=/usr/local/lib/testbed/bypass-fault
modprobe vfio-pci
interface=$(ls "/sys/bus/pci/devices/$igb/net")
# Routers tell addresses and routes at any time.
for where in all default; do
	at_exit "sysctl -q net.ipv6.conf.$where.accept_ra=$(sysctl -n net.ipv6.conf.$where.accept_ra)"
	sysctl -q net.ipv6.conf.$where.accept_ra=0
done
remember_host

stride=$(repetitions 4 1)

# Runs COMMAND with one fault point after the other until it gets through. Before each, PREPARE.
kill_at_points() { # WHAT PREPARE COMMAND...
	local what=$1 prepare=$2 point status state points=()
	shift 2
	for ((point = 1 + RANDOM % stride; ; point += stride)); do
		$prepare >/dev/null
		status=$({ BYPASS_FAULT_POINT=$point "$fault" "$@" >&2; echo $?; } 2>/dev/null)
		[ "$status" != 0 ] || break
		[ "$status" = 137 ] || fail "$what: point $point: status $status, not killed"
		state=$(state)
		bypass release --all >/dev/null || fail "$what: point $point: cannot release ($state)"
		rm -f /run/bypass/*.lock /run/bypass/*.new
		host_restored || fail "$what: point $point: the host is not as it was ($state)"
		states="$states ${state:-nothing}"
		points+=("$point")
	done
	bypass release --all >/dev/null
	[ $point -gt 8 ] || fail "$what: only $point points"
	echo "ok: $what: killed at points ${points[*]}, each time put back [$SECONDS s]"
}

# What the ledger says, without the time that the command takes.
state() { sed -n 's/^ *"state": *"\(.*\)",/\1/p' /run/bypass/*.json 2>/dev/null || true; }

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
