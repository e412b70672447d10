#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The oldest kernel that the guest's module is for: stock programs, registrations, network devices of GIDs, and the
# device taken away under traffic.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"
. "${0%/*}/../lib/rdma-netdevs.sh"

kernel=/guest-6.1
programs=$pingpongs
{
	echo "$functions"
	echo "address=$host"
	cat <<-'END'
		set -e
		ip link set lo up
		uname -r | grep '^6\.1\.'
		run_programs >/tmp/servers &
		run_programs 127.0.0.1
		wait $!
		rdma-memory rxe0 many 200
		rdma-memory rxe0 scatter 32 16
		device=$(basename /sys/bus/virtio/drivers/bypass_rdma/virtio*)
		traffic -e
		kill -STOP $server $client # their queue pairs stay
		netdevs_come_and_go $address
		kill -CONT $server $client
		echo "$device" >/sys/bus/virtio/drivers/bypass_rdma/unbind
		both_end
		echo "$device" >/sys/bus/virtio/drivers/bypass_rdma/bind
		short_run
		rmmod bypass_rdma
	END
} | make_guest guest --with rdma-memory --with rdma-gids
vmm_guest guest
check "a guest with Linux 6.1" ended guest 500
grep -E '^(==|many|scatter)' guest.console
check "nothing is left on the host" nothing_left
