#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What programs look for in the guest's sysfs: the PCI function behind the device, its NUMA node and CPUs, and counters.
# hwloc finds the device at that function. Each GID has the host's type, and the network device of the guest that has its
# address: while queue pairs use the GID, and interfaces, the host's address and the module come and go. Verbs agree with sysfs.
# An address also goes when the guest's rdma_rxe has taken the device along: nobody fills the tables of such a device.
# Where the guest may read the HCA's counters, they are those that the host reads. A guest that may not has
# those of its own slice alone.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"
. "${0%/*}/../lib/rdma-netdevs.sh"

programs="ibv_devinfo
ibv_rc_pingpong
rdma
rdma-gids
readlink
lstopo-no-graphics"
# Each GID of rxe0 with its type.
gid_types() {
	local port=/sys/class/infiniband/rxe0/ports/1 index type
	grep . $port/gid_attrs/types/* 2>/dev/null | while IFS=: read -r index type; do # but for empty entries
		echo "gid: $(cat "$port/gids/${index##*/}") $type"
	done
}
# The host's events so far: interrupts, on any CPU. Another one comes only when the module has read what was there.
events() { awk '/virtio.*-events/ { for (i = 2; $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum }' /proc/interrupts; }
more_events() { [ "$(events)" -gt "$1" ]; }
guest_functions+=(gid_types traffic events more_events)
make_guest guest <<-'END'
	ip link set lo up
	device=/sys/class/infiniband/rxe0/device
	[ "$(readlink -f "$device/subsystem")" = /sys/bus/pci ] || { readlink -f "$device" && exit 1; }
	grep -q . "$device/vendor" && grep -q . "$device/local_cpus" || exit
	[ ! -e /sys/devices/system/node ] || grep -q . "$device/numa_node" || exit
	[ -e "$device/infiniband/rxe0/ports/1" ] || exit # where device plugins look
	lstopo-no-graphics >/tmp/topology || exit
	grep -A 1 '^ *PCI' /tmp/topology | grep 'OpenFabrics "rxe0"' || { cat /tmp/topology && exit 1; }
	gid_types
	ibv_devinfo -v | grep 'GID\['
	ibv_rc_pingpong -g 1 -n 50 >/dev/null &
	retry ibv_rc_pingpong -g 1 -n 50 127.0.0.1 >/dev/null && wait $! || exit
	sleep 1
	cd /sys/class/infiniband/rxe0/ports/1/hw_counters || exit
	for name in *; do
		value=$(cat "$name") || exit
		[ "$name" = lifespan ] || echo "counter: $name $value"
	done
	rdma statistic show link rxe0/1 || exit
	rdma statistic show link rxe0/1 | grep -q ' slice_commands [0-9]' || exit
	mark counted
	wait_line
	[ "$word" != go ] || exit 0

	traffic -e || exit
	kill -STOP $server $client # their queue pairs stay
	netdevs_come_and_go "$word" || exit
	mark named; wait_line
	named "0 -" || exit
	mark gone; wait_line
	named "0 -" "1 dummy2" || exit
	kill -KILL $server $client
	rmmod bypass_rdma && timeout 60 ip link del dummy2 || exit
	ip link add dummy3 type dummy && ip addr add "$word/32" dev dummy3 || exit
	modprobe bypass_rdma && named "0 -" "1 dummy3" || exit
	modprobe -a crc32_generic rdma_rxe && rmmod rdma_rxe && [ ! -e /sys/class/infiniband/rxe0 ] || exit
	for step in unregistered heard; do
		before=$(events)
		mark $step; wait_line
		retry more_events "$before" || { cat /proc/interrupts && exit 1; }
	done
	rmmod bypass_rdma || exit
	! dmesg | grep -E 'waiting for dummy|ref leak'
END

counters() { tr -d '\r' <guest.console | sed -n 's/^counter: //p'; }
value() { counters | sed -n "s/^$1 //p"; }
hosts() { (cd /sys/class/infiniband/rxe0/ports/1/hw_counters && grep -r . | tr ':' ' ' | grep -v '^lifespan'); }
run() {
	vmm_guest guest
	check "a guest of $options" wait_mark guest 240 counted
	hosts | sort >host
	"$@"
	check "it ends" ended guest 120
	check "nothing is left on the host" nothing_left
}

options=rxe0,hca-counters
run send_line guest go
counters | grep -v '^slice_' | sort >guest.counters
check "the HCA's counters are those that the host reads" diff host guest.counters
check "they have counted" test "$(value sent_pkts)" -gt 100
check "the slice has counted its requests" test "$(value slice_requests)" -ge 200

# Those of the link-local address and of the first other one.
said_gids() { tr -d '\r' <guest.console | grep '^gid: '; }
check "the guest has two GIDs" test "$(said_gids | wc -l)" = 2
check "they have the host's types" test -z "$(said_gids | grep -vxF "$(gid_types)")"
check "verbs say so, too" test "$(grep -c 'GID.*RoCE v2' guest.console)" = "$(said_gids | grep -c 'RoCE v2$')"

address_goes() { # and comes
	ip addr del $host/24 dev "$netdev"
	ip addr add $host/24 dev "$netdev"
	send_line guest $host
}
netdevs() {
	send_line guest $host
	check "network devices of GIDs come and go" wait_mark guest 240 named
	ip addr del $host/24 dev "$netdev"
	send_line guest $host
	check "the host's address goes: its GID has none" wait_mark guest 60 gone
	ip addr add $host/24 dev "$netdev"
	send_line guest $host
	check "the guest's own rdma_rxe goes, and the device" wait_mark guest 60 unregistered
	address_goes
	check "an event comes for the device that is gone" wait_mark guest 60 heard
	address_goes
}
options=rxe0,trust-guest
run netdevs
check "no counter is the HCA's" test -z "$(counters | grep -v '^slice_')"
check "the slice has counted its doorbells" test "$(value slice_doorbells)" -ge 50
