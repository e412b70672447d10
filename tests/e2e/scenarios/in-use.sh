#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 500
#
# The table of bypass(7), a row after the other: what the host uses is not taken, and the doctor
# says so too. When the use has ended, the function is free.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/doctor.sh"

modprobe vfio-pci
modprobe -a bridge 8021q bonding team macvlan ipvlan vrf openvswitch macsec ip_gre vxlan
modprobe -a loop dm-mod md_mod crc32_generic rdma_rxe
interface=$(ls "/sys/bus/pci/devices/$igb/net")
disk=/dev/nvme0n1
free() { [ -z "$(verdict host-needs "$1")" ]; }
at_exit "bypass release --all >/dev/null 2>&1 || true"

# row FUNCTION PATTERN SETUP TEARDOWN: what SETUP makes is use, until TEARDOWN.
row() {
	local function=$1 pattern=$2 setup=$3 teardown=$4
	eval "$setup" || fail "cannot set up: $setup"
	check_error "carve: $pattern" "$pattern" bypass carve "$function"
	check_error "run: $pattern" "$pattern" bypass run "$function" -- true
	[ "$(verdict host-needs "$function")" = warn ] || fail "doctor: verdict $(verdict host-needs "$function")"
	check "doctor: $pattern" grep -Eq -- "$pattern" <(bypass doctor "$function" | tr -s ' \n' ' ')
	eval "$teardown" || fail "cannot take down: $teardown"
	wait_for 10 free "$function" || { bypass doctor "$function"; fail "still in use after: $teardown"; }
}

check "nobody uses the adapter" free "$igb"
check "nobody uses the controller" free "$nvme"
ip link set "$interface" up

row "$igb" "address 192.0.2.1/24, on interface $interface:" \
	"ip addr add 192.0.2.1/24 dev $interface" "ip addr flush dev $interface"
row "$igb" "default route, on interface $interface" \
	"ip route add default dev $interface" "ip route del default dev $interface"
row "$igb" "interface $interface, a port of br0: 'ip link set $interface nomaster'" \
	"ip link add br0 type bridge; ip link set $interface master br0" "ip link del br0"
row "$igb" "address 192.0.2.2/24, on interface br0, which is built on $interface:" \
	"ip link add br0 type bridge; ip link set $interface master br0; ip addr add 192.0.2.2/24 dev br0" \
	"ip link del br0"
row "$igb" "interface $interface.7, which is built on $interface: 'ip link delete $interface.7'" \
	"ip link add link $interface name $interface.7 type vlan id 7" "ip link del $interface.7"
row "$igb" "address 192.0.2.3/24, on interface br0, which is built on $interface.7, which is built on $interface:" \
	"ip link add link $interface name $interface.7 type vlan id 7; ip link add br0 type bridge
	ip link set $interface.7 master br0; ip addr add 192.0.2.3/24 dev br0" \
	"ip link del br0; ip link del $interface.7"
row "$igb" "interface $interface, a port of bond9" \
	"ip link add bond9 type bond; ip link set $interface down; ip link set $interface master bond9" \
	"ip link del bond9; ip link set $interface up"
row "$igb" "interface $interface, a port of team9" \
	"ip link add team9 type team; ip link set $interface down; ip link set $interface master team9" \
	"ip link del team9; ip link set $interface up"
row "$igb" "interface $interface, a port of blue" \
	"ip link add blue type vrf table 10; ip link set $interface master blue" "ip link del blue"
row "$igb" "interface $interface, a port of ovs9: .ovs-vsctl del-port $interface. first" \
	"ovs_port add ovs9 $interface" "ovs_port delete ovs9"
row "$igb" "interface mac9, which is built on $interface" \
	"ip link add link $interface name mac9 type macvlan mode bridge" "ip link del mac9"
row "$igb" "interface ip9, which is built on $interface" \
	"ip link add link $interface name ip9 type ipvlan mode l2" "ip link del ip9"
row "$igb" "interface sec9, which is built on $interface" \
	"ip link add link $interface name sec9 type macsec" "ip link del sec9"
row "$igb" "interface gre9, which is built on $interface" \
	"ip link add gre9 type gre local 192.0.2.1 remote 192.0.2.2 dev $interface" "ip link del gre9"
row "$igb" "interface vx9, which is built on $interface" \
	"ip link add vx9 type vxlan id 9 remote 192.0.2.2 dstport 4789 dev $interface" "ip link del vx9"
row "$igb" "interface vx9, which is built on $interface, which is in the network namespace blue" \
	"ip netns add blue; ip link add vx9 type vxlan id 9 remote 192.0.2.2 dstport 4789 dev $interface
	ip link set vx9 netns blue" \
	"ip -n blue link del vx9; ip netns del blue"
row "$igb" "interface $interface, which is in the network namespace blue: take it back" \
	"ip netns add blue; ip link set $interface netns blue" \
	"ip -n blue link set $interface netns 1; ip netns del blue; ip link set $interface up"
row "$igb" "interface mac9, which is built on $interface, which is in the network namespace blue" \
	"ip netns add blue; ip link add link $interface name mac9 netns blue type macvlan" \
	"ip -n blue link del mac9; ip netns del blue"
row "$igb" "interface $interface, which is in the network namespace of process [0-9]+ \(sleep\)" \
	"unshare -n sleep 1000 & holder=\$!; wait_for 10 grep -qsx sleep /proc/\$holder/comm
	ip link set $interface netns \$holder" \
	"nsenter -t \$holder -n ip link set $interface netns 1; kill \$holder; ip link set $interface up"
# An RDMA device of the interface, without an address of the host: a program may have it open.
row "$igb" "RDMA device rxe9, which is built on $interface: 'rdma link delete rxe9'" \
	"rdma link add rxe9 type rxe netdev $interface" "rdma link delete rxe9"
ip link set "$interface" down

mkdir -p mnt
mkfs.ext4 -q "$disk"
row "$nvme" "disk nvme0n1, which is mounted on .*/mnt" "mount $disk mnt" "umount mnt"
# shellcheck disable=SC2016 # for those shells
row "$nvme" "disk nvme0n1, which somebody has open exclusively" \
	'unshare -m sh -c "mount $disk mnt; exec sleep 1000" & holder=$!
	wait_for 10 grep -qs "$disk" /proc/$holder/mounts' 'kill $holder; wait $holder || true'
row "$nvme" "disk nvme0n1, which loop7 is built on: 'losetup -d /dev/loop7'" \
	"losetup -r /dev/loop7 $disk" "losetup -d /dev/loop7"
row "$nvme" "disk nvme0n1, which dm-0 is built on" \
	"dmsetup create -n stack9 >/dev/null; dmsetup load stack9 --table '0 2048 linear $disk 0'; dmsetup resume stack9" \
	"dmsetup remove stack9"
# An array claims a disk when the disk is added. This array has no superblock and needs no mdadm.
array() { # on|off
	local md=/sys/block/md9/md
	if [ "$1" = off ]; then
		echo clear >$md/array_state
		return
	fi
	echo md9 >/sys/module/md_mod/parameters/new_array
	echo none >$md/metadata_version
	cat "/sys/class/block/${disk#/dev/}/dev" >$md/new_dev
}
row "$nvme" "disk nvme0n1, which md9 is built on" "array on" "array off"
# shellcheck disable=SC2016 # for row
row "$nvme" "disk nvme0n1, which process [0-9]+ \(sleep\) has open" \
	'sleep 1000 9<>"$disk" & holder=$!; wait_for 10 grep -qsx sleep "/proc/$holder/comm"' \
	'kill $holder; wait $holder || true'
# shellcheck disable=SC2016
row "$nvme" "disk nvme0n1, which somebody has open exclusively" \
	'python3 -c "import os, time
os.open(\"$disk\", os.O_RDONLY | os.O_EXCL)
open(\"claimed\", \"w\")
time.sleep(1000)" & holder=$!; wait_for 20 test -e claimed' 'kill $holder; wait $holder || true'
row "$nvme" "which it swaps to: 'swapoff $disk'" "mkswap -q $disk; swapon $disk" "swapoff $disk"
# shellcheck disable=SC2016
row "$nvme" "in use by process [0-9]+ \(sleep\): end that" \
	'sleep 1000 9</dev/nvme0 & holder=$!; wait_for 10 grep -qsx sleep "/proc/$holder/comm"' \
	'kill $holder; wait $holder || true'

# A program that only reads a disk, as those do that look at new ones, does not stand in the way.
sleep 1000 9<"$disk" &
holder=$!
check "a reader does not count" free "$nvme"
kill $holder
check "and is free" bypass carve "$nvme"
check "given back" bypass release "$nvme"
check "the adapter too" bypass carve "$igb"
check "given back" bypass release "$igb"
# A bond and a team have set the adapter's MAC address. The driver gives a fresh interface.
echo "$igb" >/sys/bus/pci/drivers/igb/unbind
echo "$igb" >/sys/bus/pci/drivers/igb/bind
check "a fresh interface" wait_for 10 test -e "/sys/bus/pci/devices/$igb/net/$interface"
modprobe -r vxlan ip_gre macsec 2>/dev/null || true
modprobe -r openvswitch vrf ipvlan macvlan team bonding 8021q bridge 2>/dev/null || true
