#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# HCAs with addresses of their own, by `bypass carve --rdma`: what is refused, what is made, who reaches whom, what
# somebody else has changed, and SIGKILL at fault points. The long form tries each of them, the short form each fourth.
#
# timeout: 900
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/kill-points.sh"
hca=''
. "${0%/*}/../lib/rdma.sh"

arp() { cat "/proc/sys/net/ipv4/conf/$netdev"/arp_{ignore,announce} | xargs; }
addresses="--addr 10.7.0.5 --addr fd00:7::5/64"
# shellcheck disable=SC2086
carve_first() { bypass carve --rdma "$netdev" $addresses; }
carve_all() {
	carve_first
	bypass carve --rdma "$netdev" --addr 10.7.0.6/24
	bypass carve --rdma "$netdev" --addr 10.7.0.9 --name host0
}

if modprobe -r rdma_rxe; then
	check_error "without rdma_rxe" "modprobe rdma_rxe" carve_first
fi
modprobe -a crc32_generic rdma_rxe
check_error "no such network device" "no network device 'eth77'" bypass carve --rdma eth77 --addr 10.7.0.5/24
check_error "no Ethernet" "lo is no Ethernet" bypass carve --rdma lo --addr 10.7.0.5/24
check_error "no address" "'10.7.0' is no address" bypass carve --rdma "$netdev" --addr 10.7.0
check_error "a group's address" "'224.0.0.1/24' is no address" bypass carve --rdma "$netdev" --addr 224.0.0.1/24
check_error "a network unknown" "say how long the prefix is" bypass carve --rdma "$netdev" --addr 10.9.0.5
check_error "the host's own address" "10.7.0.1 is an address of $netdev already" bypass carve --rdma "$netdev" --addr 10.7.0.1
check_error "twice the same" "10.7.0.5 is named twice" bypass carve --rdma "$netdev" --addr 10.7.0.5 --addr 10.7.0.5/16
check_error "a name that exists" "taken by a network device" bypass carve --rdma "$netdev" --addr 10.7.0.5 --name lo
check_error "a name that cannot be" "cannot be the name" bypass carve --rdma "$netdev" --addr 10.7.0.5 --name all
check_error "no root" "need root" setpriv --reuid 65534 --regid 65534 --clear-groups bypass carve --rdma "$netdev" --addr 10.7.0.5
check "nothing was made" test "$(ls /sys/class/infiniband)$(arp)" = "0 0"
remember_host

carve_all >carved
cat carved
check "it says what a guest takes" grep -qx 'For a guest: --rdma bypass0,addr=10.7.0.5+fd00:7::5' carved
listed() { bypass status | grep -E '^bypass0 +10\.7\.0\.5\+fd00:7::5 +'"$netdev"' .* carved'; }
check "status lists it" listed
check "so does list" grep -q '^bypass1/1 *ACTIVE *bypass1 ' <(bypass list --rdma)
check_error "an address that a slice has" "10.7.0.6 is an address of bypass1" bypass carve --rdma "$netdev" --addr 10.7.0.6
check_error "a slice's name" "'bypass1' is taken" bypass carve --rdma "$netdev" --addr 10.7.0.7 --name bypass1
check "the host's device leaves ARP for them alone" test "$(arp)" = "1 2"

# gid DEVICE GID: the index of the GID with RoCE v2.
gid() {
	local index
	for index in $(seq 0 15); do
		grep -qx "$2" "/sys/class/infiniband/$1/ports/1/gids/$index" &&
			grep -q v2 "/sys/class/infiniband/$1/ports/1/gid_attrs/types/$index" || continue
		echo "$index"
		return
	done
}
v4() { gid "$1" "0000:0000:0000:0000:0000:ffff:0a07:000$2"; }
pingpong() { # SERVER GID CLIENT GID
	timeout 60 ibv_rc_pingpong -d "$1" -g "$2" -n 100 >/dev/null &
	wait_for 20 timeout 30 ibv_rc_pingpong -d "$3" -g "$4" -n 100 localhost && wait $!
}
check "the first reaches the second" pingpong bypass1 "$(v4 bypass1 6)" bypass0 "$(v4 bypass0 5)"
check "the host's reaches the first" pingpong bypass0 "$(v4 bypass0 5)" host0 "$(v4 host0 9)"

# An HCA on the device itself has the slices' GIDs as well.
rdma link add rxe0 type rxe netdev "$netdev"
bypass carve --rdma "$netdev" --addr 10.7.0.8 --name beside 2>warned
check "a warning" grep -q "$netdev has the HCA rxe0, which rdma_cm takes" warned
check "it has their GIDs" wait_for 10 grep -qrx 0000:0000:0000:0000:0000:ffff:0a07:0008 /sys/class/infiniband/rxe0/ports/1/gids/
bypass release beside
rdma link delete rxe0

# Guests: between the two, and to the host's HCA. TCP, by which the programs meet, goes by VFs.
ip addr add 10.8.0.1/24 dev "$netdev"
modprobe vfio-pci
check "2 VFs for the guests' TCP" bypass carve "$adapter" --vfs 2 --name net
at_exit "bypass release $adapter 2>/dev/null || true"
mapfile -t vfs < <(bypass status --json | jq -r '.carvings[] | select(.netdev == null).slices[].address')
programs=ibv_rc_pingpong
make_guest first <<-'END'
	network 10.8.0.2
	cd /sys/class/infiniband/rxe0/ports/1/gids || exit
	grep . * | grep -v 0000:0000:0000:0000:0000:0000:0000:0000 >/tmp/gids
	cat /tmp/gids
	[ "$(wc -l </tmp/gids)" = 2 ] || exit # rxe knows RoCE v2 alone
	grep -qx 0000:0000:0000:0000:0000:ffff:0a07:0005 0 || exit
	grep -qx fd00:0007:0000:0000:0000:0000:0000:0005 2 || exit
	timeout 400 ibv_rc_pingpong -c -g 0 -n 100 || exit
	timeout 400 ibv_rc_pingpong -c -g 0 -n 100 || exit
	sleep 1
	(cd /sys/class/infiniband/rxe0/ports/1/hw_counters && grep . sent_pkts rcvd_pkts)
END
make_guest second <<-END
	network 10.8.0.3
	retry timeout 60 ibv_rc_pingpong -c -g 0 -n 100 10.8.0.2 || exit
END
options=bypass0,hca-counters,addr=10.7.0.5+fd00:7::5
vmm_guest first --slice "${vfs[0]}"
in_use() { bypass status | grep "^bypass0 .*in use by bypass-vmm (${pids[first]})"; }
check "status tells who uses it" wait_for 20 in_use
check_error "which is not released" "bypass0 is in use by process ${pids[first]}" bypass release bypass0
options=bypass1,trust-guest,addr=10.7.0.6
vmm_guest second --slice "${vfs[1]}"
check "a guest to a guest" ended second 240
from_host() { timeout 60 ibv_rc_pingpong -d host0 -g "$(v4 host0 9)" -c -n 100 10.8.0.2; }
check "the host to a guest" wait_for 240 from_host
check "the first guest" ended first 120
tail -n 20 first.console
check "the VFs are released" bypass release "$adapter"
ip addr del 10.8.0.1/24 dev "$netdev"

# The last one puts ARP back.
check "one is released" bypass release host0
check "ARP stays apart" test "$(arp)" = "1 2"
check "all are released" bypass release --all
check "the host is as it was" host_restored
check "ARP too" test "$(arp)" = "0 0"

# What somebody else has done since.
carve_first >/dev/null
ip link del bypass0
check "a device that somebody removed" bypass release bypass0
carve_first >/dev/null
ip link del bypass0
ip link add bypass0 type dummy
foreign() { bypass release bypass0 2>&1 | tr -s ' \n' ' ' | grep "did not undo .make the network device bypass0.* to 'dummy'"; }
check "another device of the name" foreign
check "stays" ip link show bypass0
ip link del bypass0
carve_first >/dev/null
rdma link delete bypass0
ip addr del 10.7.0.5/24 dev bypass0
check "half of it is gone" bypass release bypass0
check "the host is as it was" host_restored

# shellcheck disable=SC2086
kill_at_points "carving" : carve --rdma "$netdev" $addresses
kill_at_points "releasing" carve_first release bypass0
check "ARP is as it was" test "$(arp)" = "0 0"
modprobe -r rdma_rxe || true
