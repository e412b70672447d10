#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What breaks while packets fly: a guest's process, its module, its VMM, the HCA itself. Who is not
# concerned goes on, who is gets an error and no hang, and nothing is left on the host. An empty `unbind` leaves
# out that the device is taken from its driver.
#
# timeout: 900

. "${0%/*}/../lib/checks.sh"
vcpus=${vcpus:-2}
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"

unbind=${unbind-yes}
{
	echo "$functions"
	echo "unbind=$unbind"
	cat <<-'END'
		set -e
		mark up; wait_line
		traffic
		killall -9 ibv_rc_pingpong; wait || true
		mark killed; wait_line
		short_run
		traffic -e
		rmmod bypass_rdma
		both_end
		mark unloaded; wait_line
		modprobe bypass_rdma
		short_run
		if [ -n "$unbind" ]; then
			device=$(basename /sys/bus/virtio/drivers/bypass_rdma/virtio*)
			traffic -e
			echo "$device" >/sys/bus/virtio/drivers/bypass_rdma/unbind
			both_end
			echo "$device" >/sys/bus/virtio/drivers/bypass_rdma/bind
			short_run
		fi
		mark idle; wait_line
		traffic -e
		mark talking; wait_line
		both_end
		if ibv_devinfo >/dev/null 2>&1; then exit 1; fi
		dmesg | grep bypass_rdma | tail -n 5
	END
} | make_guest one --with ibv_devinfo
{
	echo "$functions"
	cat <<-'END'
		mark up; wait_line
		traffic
		mark talking; wait_line
	END
} | make_guest two

rdma_guest one
check "guest one" wait_mark one 360 up
idle=$(resources)
is_idle() { [ "$(resources)" = "$idle" ] || { resources && return 1; }; }
send_line one go
check "processes killed with traffic in flight" wait_mark one 360 killed
check "the host holds what it held before" wait_for 30 is_idle
send_line one go
check "the module is unloaded under two processes" wait_mark one 360 unloaded
check "the host holds what it held before" wait_for 30 is_idle
send_line one go
check "${unbind:+the device is taken away under two processes, and }the module works again" wait_mark one 360 idle
# Before guest one has traffic again, which takes the one CPU of the emulated host.
rdma_guest two
check "guest two" wait_mark two 360 up
send_line one go
check "traffic again" wait_mark one 360 talking
send_line two go
check "traffic in guest two" wait_mark two 360 talking
before=$(resources) # with the queues of its two processes
kill -KILL "${pids[two]}"
one_alone() { [ "$(resources)" != "$before" ] && kill -0 "${pids[one]}"; }
check "its VMM killed, guest one goes on" wait_for 30 one_alone

send_line one go
remove_hca
check "verbs of guest one fail and do not hang" ended one 480
grep bypass_rdma one.console
restore_hca
