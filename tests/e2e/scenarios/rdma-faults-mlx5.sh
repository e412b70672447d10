#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-faults, on a ConnectX: the driver of its function is unbound under traffic, and bound again. Then the adapter
# itself dies under the traffic of another guest, which has its slice by vfio-user, and its driver starts it anew.
#
# testbed: --hca 2
# timeout: 900

hca=mlx5_0
lines=$(dmesg | wc -l)
# Other drivers warn when a machine is slow.
no_warning() { ! dmesg | tail -n "+$((lines + 1))" | grep -E -A 20 "WARNING: .*(infiniband|mlx5)"; }
. "${0%/*}/rdma-faults.sh"
. "${0%/*}/../lib/hca-control.sh"

{
	echo "$functions"
	cat <<-'END'
		set -e
		traffic -e
		mark talking; wait_line
		both_end
		if ibv_devinfo >/dev/null 2>&1; then exit 1; fi
		dmesg | grep bypass_rdma | tail -n 2
	END
} | make_guest three --with ibv_devinfo
socket_guest three
check "traffic in guest three" wait_mark three 360 talking
check "the adapter dies" control "function 0 fail"
send_line three go
check "verbs of guest three fail and do not hang" ended three 480
grep bypass_rdma three.console
check "the service ends too" wait_for 30 grep -q 'mlx5_0 was removed' three.serve
check "the HCA is there again" wait_for 240 active
check "its first queue" first_queue
check "nothing is left on the host" wait_for 30 nothing_left
check "no warning of the host's drivers" no_warning
