#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `bypass serve` is killed under the traffic of a guest in QEMU, which does not tell the guest: verbs
# fail and do not hang.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"

{
	echo "$functions"
	cat <<-'END'
		set -e
		rmmod bypass_rdma 2>/dev/null || true
		modprobe bypass_rdma timeout=5
		mark up; wait_line
		traffic -e
		mark talking; wait_line
		both_end
		dmesg | grep bypass_rdma | tail -n 5
	END
} | make_guest guest

qemu_guest guest
check "the guest" wait_mark guest 180 up
send_line guest go
check "traffic" wait_mark guest 180 talking
kill -KILL "${pids[guest.serve]}"
send_line guest go
check "bypass serve killed: verbs fail and do not hang" ended guest 120
grep bypass_rdma guest.console
check "nothing is left on the host" nothing_left
