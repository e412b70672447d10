#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `bypass serve` is killed under the traffic of a guest in QEMU, which does not tell the guest: verbs
# fail within 5 seconds and do not hang.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"

{
	echo "$functions"
	cat <<-'END'
		set -e
		mark up; wait_line
		traffic -e
		mark talking; wait_line
		since=$(cut -d. -f1 /proc/uptime)
		both_end
		[ $(($(cut -d. -f1 /proc/uptime) - since)) -le 5 ]
		dmesg | grep bypass_rdma | tail -n 5
	END
} | make_guest guest

qemu_guest guest
check "the guest" wait_mark guest 360 up
send_line guest go
check "traffic" wait_mark guest 360 talking
kill -KILL "${pids[guest.serve]}"
send_line guest go
check "bypass serve killed: verbs fail and do not hang" ended guest 240
grep bypass_rdma guest.console
check "nothing is left on the host" nothing_left
