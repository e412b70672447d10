#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As vfio-user-qemu-life, with bypass-vmm as the client. In the end the service is killed under traffic: verbs
# of the guest fail within seconds, and the VMM goes on. The service is started again, and the guest finds the new
# device by a scan of its bus.
#
# timeout: 900
# long: 3600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"
kexec=yes
. "${0%/*}/../lib/vfio-user-life.sh"

make_living_guest 'seconds() { cut -d. -f1 /proc/uptime; }
traffic -e
mark kill
wait_line
since=$(seconds)
both_end
mark "lost within $(($(seconds) - since)) s"
wait_line
old=$(dirname $(grep -l 0x1af4 /sys/bus/pci/devices/*/vendor))
echo 1 >$old/remove
echo 1 >/sys/bus/pci/rescan
retry test -e /sys/class/infiniband/rxe0 || { dmesg | tail -n 20 && exit 1; }
short_run
! dmesg | grep -E "WARNING: |BUG: |blocked for more"'
socket_guest guest --append "quiet panic=-1"
reset_guest

check "traffic" wait_mark guest 600 kill
kill -KILL "${pids[guest.serve]}"
send_line guest go
check "the service is killed: verbs fail, do not hang, and the VMM goes on" wait_mark guest 240 lost
lost=$(tr -d '\r' <guest.console | sed -n 's/^mark: lost within \([0-9]*\) s/\1/p')
check "within 5 seconds ($lost)" test "$lost" -le 5
check "nothing of the service is left on the host" wait_for 10 nothing_left

start_service guest --vfio-user --rdma "$options,vectors=2"
check "bypass-vmm plugs the device of the new service" wait_for 60 grep -q 'is back: ' guest.stderr
send_line guest go
check "the guest has a device that works, and ends" ended guest 240
leaves_nothing guest
