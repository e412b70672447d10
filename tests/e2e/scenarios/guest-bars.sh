#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest that moves its BARs: edu's (one window) and an NVMe VF's (windows around the MSI-X table).
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

carve_edu
carve_vfs "$nvme" 1

# What lies at an address is seen through /dev/mem: Linux has an opinion of its own on where BARs
# belong, and moves them back when it finds the devices anew.
make_guest bars --with guest_edu --with setpci <<'END'
first_bar() { sed -n '1s/ .*//p' "/sys/bus/pci/devices/$1/resource"; }
rescan() {
	echo 1 >"/sys/bus/pci/devices/$1/remove"
	echo 1 >/sys/bus/pci/rescan
}

edu=0000:00:01.0 nvme=0000:00:02.0
home=$(first_bar $edu)
guest_edu $edu mmio dma || fail "edu at its first place"
for place in 0xd0000000 0xc8000000 0xd7f00000; do
	setpci -s $edu COMMAND=0
	setpci -s $edu BASE_ADDRESS_0=${place#0x}
	guest_edu $edu at=$place mmio dma || fail "edu at $place"
	[ "$(devmem $home 32)" = 0xFFFFFFFF ] || fail "edu is still at $home"
done
rescan $edu
[ "$(first_bar $edu)" = "$home" ] || fail "Linux did not move edu back to $home"
guest_edu $edu mmio dma || fail "edu moved back"

io() {
	disk=$(namespace 1) || fail "no disk, NVMe $1"
	dd if=/dev/urandom of=/tmp/data bs=1M count=2 2>/dev/null
	dd if=/tmp/data of="$disk" bs=64k oflag=direct 2>/dev/null || fail "write, NVMe $1"
	dd if="$disk" of=/tmp/back bs=64k count=32 iflag=direct 2>/dev/null || fail "read, NVMe $1"
	cmp /tmp/data /tmp/back || fail "not what was written, NVMe $1"
}
io "at its first place"
home=$(first_bar $nvme)
echo $nvme >/sys/bus/pci/drivers/nvme/unbind
setpci -s $nvme COMMAND=2
version=$(devmem $((home + 8)) 32)
[ "$version" != 0xFFFFFFFF ] || fail "no NVMe registers at $home"
table=$((0x$(setpci -s $nvme CAP_MSIX+4.l) & ~7))
for place in 0x840000000 0x9c0000000; do
	setpci -s $nvme COMMAND=0
	setpci -s $nvme BASE_ADDRESS_0=${place#0x?} BASE_ADDRESS_1=${place%????????}
	setpci -s $nvme COMMAND=2
	[ "$(devmem $((place + 8)) 32)" = "$version" ] || fail "no NVMe registers at $place"
	[ "$(devmem $((home + 8)) 32)" = 0xFFFFFFFF ] || fail "NVMe is still at $home"
	devmem $((place + table + 8)) 32 0x1234
	[ "$(devmem $((place + table + 8)) 32)" = 0x00001234 ] || fail "no MSI-X table at $place"
done
rescan $nvme
io "moved back"
echo "guest: moved"
END
run_guest bars --cpus 1 --mem 192M --slice "$edu" --slice "${vfs[0]}"
check "both BARs were moved and work there" printed bars "guest: moved"
check "edu's windows are mapped once" test "$(slice_stat bars "$edu" window_bytes)" -le $((1 << 20))
