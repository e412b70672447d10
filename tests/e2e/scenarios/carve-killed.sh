#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 1500
#
# SIGKILL at each point of carving and releasing in turn: afterwards the host can be put back.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

fault=/usr/local/lib/testbed/bypass-fault
modprobe vfio-pci
remember_host

# Runs COMMAND with each fault point in turn until it gets through. Before each, PREPARE.
kill_at_each_point() { # WHAT PREPARE COMMAND...
	local what=$1 prepare=$2 point status state
	shift 2
	for ((point = 1; ; point++)); do
		$prepare >/dev/null
		status=$({ BYPASS_FAULT_POINT=$point "$fault" "$@" >&2; echo $?; } 2>/dev/null)
		[ "$status" != 0 ] || break
		[ "$status" = 137 ] || fail "$what: point $point: status $status, not killed"
		state=$(bypass status --json | jq -r '.carvings[].state')
		bypass release --all >/dev/null || fail "$what: point $point: cannot release ($state)"
		rm -f /run/bypass/*.lock /run/bypass/*.new
		host_restored || fail "$what: point $point: the host is not as it was ($state)"
		states="$states ${state:-nothing}"
	done
	bypass release --all >/dev/null
	[ $point -gt 8 ] || fail "$what: only $point points"
	echo "ok: $what: killed at $((point - 1)) points, each time put back"
}

states=
kill_at_each_point "carving an NVMe VF" : carve "$nvme" --vfs 1
kill_at_each_point "carving an igb VF" : carve "$igb" --vfs 1 --mac 02:00:00:00:00:01
kill_at_each_point "carving a whole function" : carve "$nvme"
check "status called them half carved" grep -q "half carved" <<<"$states"

states=
carve_nvme() { bypass carve "$nvme" --vfs 1; }
carve_igb() { bypass carve "$igb" --vfs 1 --mac 02:00:00:00:00:01 2>/dev/null; }
carve_whole() { bypass carve "$igb"; }
kill_at_each_point "releasing an NVMe VF" carve_nvme release "$nvme"
kill_at_each_point "releasing an igb VF" carve_igb release "$igb"
interface=$(ls "/sys/bus/pci/devices/$igb/net")
ip link set "$interface" mtu 1400 up
remember_host
kill_at_each_point "releasing a whole adapter" carve_whole release "$igb"
ip link set "$interface" mtu 1500 down
check "status called them half released" grep -q "half released" <<<"$states"

honours_nothing() {
	BYPASS_FAULT_POINT=1 bypass carve "$nvme" --vfs 1 && bypass release "$nvme"
}
check "the command that is installed has no fault points" honours_nothing
