#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 300
#
# A whole adapter comes back as it was: up, with its MTU, queues and rings, in its bridge, with its
# addresses and routes; what cannot be put back is said with the command that does it.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
interface=$(ls "/sys/bus/pci/devices/$igb/net")
ignore_routers
round() {
	check "the link is up" wait_for 20 links_settled
	remember_host
	check "carve $igb" bypass carve "$igb" --force
	check "release" bypass release "$igb"
	check "the host is as it was" host_restored
}
fresh() { # what an interface is like that a driver has just made
	echo "$igb" >/sys/bus/pci/drivers/igb/unbind
	echo "$igb" >/sys/bus/pci/drivers/igb/bind
	wait_for 10 test -e "/sys/bus/pci/devices/$igb/net/$interface"
}
at_exit fresh
at_exit "bypass release --all || true"

check "a fresh interface" fresh
ip link set "$interface" mtu 1400 txqueuelen 500 up
round

ip link set "$interface" down
ip link set "$interface" address 02:00:00:00:00:77
ethtool -G "$interface" rx 512 tx 128
ethtool -L "$interface" combined 1
ip link add br7 type bridge
at_exit "ip link del br7 2>/dev/null || true"
ip link set "$interface" master br7 up
ip link set br7 up
round
ip link del br7

check "a fresh interface" fresh
ip link set "$interface" name lan7 mtu 1300 up
ip address add 192.0.2.1/24 brd 192.0.2.255 dev lan7
ip address add 192.0.2.2/24 dev lan7
ip address add 2001:db8::1/64 dev lan7 nodad
ip route add 198.51.100.0/24 via 192.0.2.3 metric 7 src 192.0.2.2
ip route add default via 192.0.2.254 table 77
ip route add 2001:db8:1::/48 via 2001:db8::2
sysctl -q net.ipv4.conf.lan7.rp_filter=2 net.ipv6.conf.lan7.hop_limit=33 net.ipv4.neigh.lan7.app_solicit=5
# Routes over two interfaces, of which the other one stays.
ip link add dummy7 type dummy
at_exit "ip link del dummy7 2>/dev/null || true"
ip link set dummy7 up
ip address add 203.0.113.1/24 dev dummy7
ip address add 2001:db8:f::1/64 dev dummy7 nodad
ip route add 203.0.113.128/25 metric 9 nexthop via 192.0.2.3 dev lan7 weight 2 \
	nexthop via 203.0.113.2 dev dummy7 weight 1
ip route add 2001:db8:2::/48 nexthop via 2001:db8::2 dev lan7 nexthop via 2001:db8:f::2 dev dummy7
round
ip link del dummy7

# Somebody else's interface.
check "carve $igb" bypass carve "$igb" --force
echo "$igb" >/sys/bus/pci/drivers/vfio-pci/unbind
echo >"/sys/bus/pci/devices/$igb/driver_override"
echo "$igb" >/sys/bus/pci/drivers/igb/bind
check "the interface is there" wait_for 10 test -e "/sys/bus/pci/devices/$igb/net/$interface"
ip link set "$interface" mtu 1234
remember_host
said() { bypass release "$igb" 2>&1 | grep "settings of its interface stay"; }
check "release leaves it alone" said
check "it is as its owner has set it up" host_restored

# A VLAN goes away with the interface.
ip link add link "$interface" name vlan7 type vlan id 7
lost() { bypass carve "$igb" --force && bypass release "$igb" 2>&1 | grep "'ip link add link $interface name vlan7"; }
check "what cannot be put back is said" lost
