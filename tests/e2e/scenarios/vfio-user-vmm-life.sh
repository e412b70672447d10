#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As vfio-user-qemu-life, with bypass-vmm as the client. In the end the service is killed under traffic: verbs
# of the guest fail within seconds, and the VMM goes on.
#
# timeout: 900
# long: 3600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"
. "${0%/*}/../lib/vfio-user-life.sh"

make_living_guest 'seconds() { cut -d. -f1 /proc/uptime; }
traffic -e
mark kill
wait_line
since=$(seconds)
both_end
mark "lost within $(($(seconds) - since)) s"
! dmesg | grep -E "WARNING: |BUG: |blocked for more"'
socket_guest guest --append "quiet panic=-1"
reset_guest

check "traffic" wait_mark guest 600 kill
kill -KILL "${pids[guest.serve]}"
send_line guest go
check "the service is killed: verbs fail, do not hang, and the VMM goes on" ended guest 240
lost=$(tr -d '\r' <guest.console | sed -n 's/^mark: lost within \([0-9]*\) s/\1/p')
check "within 5 seconds ($lost)" test "$lost" -le 5
check "nothing of the service is left on the host" wait_for 10 nothing_left
