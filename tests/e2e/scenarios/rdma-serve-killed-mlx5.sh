#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `bypass serve` of a ConnectX is killed under the traffic of a guest of bypass-vmm, which has the doorbell pages by
# vfio-user, and another one under that of a guest of QEMU, which has them by vhost-user: verbs of both guests fail
# within 5 seconds and do not hang, and both VMMs go on. The service of the first is started again, and its guest finds the
# new device by a scan of its bus.
#
# testbed: --hca 2
# timeout: 900

hca=mlx5_0
. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"

steps=$(
	echo "$functions"
	cat <<-'END'
		set -e
		seconds() { cut -d. -f1 /proc/uptime; }
		traffic -e
		mark talking; wait_line
		since=$(seconds)
		both_end
		mark "lost within $(($(seconds) - since)) s"
	END
)
{
	echo "$steps"
	cat <<-'END'
		wait_line
		old=$(dirname $(grep -l 0x1af4 /sys/bus/pci/devices/*/vendor))
		echo 1 >$old/remove
		echo 1 >/sys/bus/pci/rescan
		retry test -e /sys/class/infiniband/mlx5_0 || { dmesg | tail -n 20 && exit 1; }
		short_run
		! dmesg | grep -E "WARNING: |BUG: |blocked for more"
	END
} | make_guest guest
echo "$steps" | make_guest other

# killed NAME: as a guest's service is.
killed() {
	check "$1: traffic" wait_mark "$1" 300 talking
	kill -KILL "${pids[$1.serve]}"
	send_line "$1" go
	check "its service is killed: verbs fail, do not hang, and the VMM goes on" wait_mark "$1" 120 lost
	lost=$(tr -d '\r' <"$1.console" | sed -n 's/^mark: lost within \([0-9]*\) s/\1/p')
	check "within 5 seconds ($lost)" test "$lost" -le 5
}

qemu_guest other
killed other
check "it ends" ended other 120
check "nothing of the service is left on the host" wait_for 10 nothing_left

socket_guest guest --append "quiet panic=-1"
killed guest
check "nothing of the service is left on the host" wait_for 10 nothing_left
start_service guest --vfio-user --rdma "$options,vectors=2"
check "bypass-vmm plugs the device of the new service" wait_for 60 grep -q 'is back: ' guest.stderr
send_line guest go
check "the guest has a device that works, and ends" ended guest 240
leaves_nothing guest
