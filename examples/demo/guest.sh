#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The demo's guest: one I/O phase on its network interface, one on its disk. Where a phase begins
# and ends, it writes a number to port 0x80, which the host finds in its trace of exits. Nothing is
# printed in between. Last, a line of results for each phase.
#
# shellcheck shell=dash

ping_target=10.0.2.2 pings=200 mib=16

fail() {
	echo "demo: $*"
	exit 1
}

mark() { # NUMBER
	printf "%b" "\\0$1" | dd of=/dev/port bs=1 seek=128 conv=notrunc 2>/dev/null
}

interrupts() {
	awk '/PCI-MSI/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

packets() {
	echo $(($(cat "$nic/statistics/rx_packets") + $(cat "$nic/statistics/tx_packets")))
}

blocks() {
	awk '{ print $1 + $5 }' "/sys/block/$disk/stat"
}

# phase MARK COUNTER COMMAND...: leaves `ios` and `irqs`
phase() {
	local first="$1" counter="$2" ios_before irqs_before status
	shift 2
	sleep 1
	ios_before=$($counter) irqs_before=$(interrupts)
	mark "$first"
	"$@" >/tmp/phase.log 2>&1
	status=$?
	mark $((first + 1))
	ios=$(($($counter) - ios_before)) irqs=$(($(interrupts) - irqs_before))
	[ $status = 0 ] || { cat /tmp/phase.log; fail "'$*' failed with status $status"; }
}

network_io() {
	ping -q -c $pings -i 0.01 -W 5 $ping_target
}

disk_io() {
	dd if=/tmp/data of="/dev/$disk" bs=64k oflag=direct &&
		dd if="/dev/$disk" of=/tmp/back bs=64k count=$((mib * 16)) iflag=direct
}

echo 1 >/proc/sys/kernel/printk
for nic in /sys/class/net/*; do
	[ ! -e "$nic/device" ] || break
done
[ -e "$nic/device" ] || fail "the guest has no network interface"
disk='' tries=0
while [ -z "$disk" ] && [ $((tries += 1)) -lt 100 ]; do
	sleep 0.1
	for path in /dev/nvme?n? /dev/vd?; do
		[ -n "$disk" ] || [ ! -b "$path" ] || disk=${path#/dev/}
	done
done
case $disk in
nvme*) disk_driver=nvme ;;
vd*) disk_driver=virtio_blk ;;
*) fail "the guest has no disk" ;;
esac

# The address comes from the network, by DHCP.
cat >/tmp/dhcp <<'END'
#!/bin/sh
[ "$1" != bound ] || ip address add "$ip/${mask:-24}" dev "$interface"
END
chmod +x /tmp/dhcp
ip link set "${nic##*/}" up
udhcpc -q -n -f -t 10 -T 1 -i "${nic##*/}" -s /tmp/dhcp >/tmp/dhcp.log 2>&1 ||
	{ cat /tmp/dhcp.log; fail "${nic##*/} gets no address"; }
address=$(ip -o -4 address show dev "${nic##*/}" | awk '{ print $4 }')
[ -n "$address" ] || fail "${nic##*/} has no address"
ping -q -c 1 -W 5 $ping_target >/dev/null # the neighbour's address is known from here on
net_driver=$(basename "$(readlink "$nic/device/driver")")
echo "demo: ${nic##*/} ($net_driver) has $address; disk $disk ($disk_driver)"

phase 1 packets network_io
grep -q ' 0% packet loss' /tmp/phase.log || { cat /tmp/phase.log; fail "pings were lost"; }
echo "demo: $pings pings, none lost"
echo "result net $net_driver $ios $irqs"

dd if=/dev/urandom of=/tmp/data bs=1M count=$mib 2>/dev/null
phase 3 blocks disk_io
[ "$(sha256sum </tmp/data)" = "$(sha256sum </tmp/back)" ] || fail "what was read is not what was written"
echo "demo: $mib MiB written, read back and found equal"
echo "result disk $disk_driver $ios $irqs"
