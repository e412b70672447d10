#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest reboots twice, the second time with I/O under way. Its slices are reset, it boots again
# in the same VMM, and finds on its namespace what it wrote before. One with a VF that nothing can
# reset reboots too.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

export LD_PRELOAD=$no_pv_eoi # for a VMM that start_guest does not start

carve_vfs "$igb" 1
net=${vfs[0]}
carve_vfs "$nvme" 1
vf=${vfs[0]}
disk=$(namespace 1)
dd if=/dev/zero of="$disk" bs=4k count=1 oflag=direct 2>/dev/null

make_guest reboot <<'END'
disk=$(namespace 1) || fail "no disk"
[ -e /sys/bus/pci/drivers/igbvf/0000:00:02.0 ] || fail "the network VF has no driver"
ip link set "$(ls /sys/bus/pci/drivers/igbvf/0000:00:02.0/net)" up
boots=$(($(dd if=$disk bs=4k count=1 iflag=direct 2>/dev/null | tr -d '\0') + 1))
echo "boot $boots"
[ $boots -lt 3 ] || exit 0
dd if=/dev/zero of=/tmp/block bs=4k count=1 2>/dev/null
echo $boots | dd of=/tmp/block conv=notrunc 2>/dev/null
dd if=/tmp/block of=$disk bs=4k oflag=direct 2>/dev/null || fail write
if [ $boots = 2 ]; then
	dd if=/dev/zero of=$disk bs=64k seek=16 count=1024 oflag=direct 2>/dev/null &
	sleep 1
fi
reboot -f
sleep 60
END
run_guest reboot --cpus 2 --mem 512M --slice "$vf" --slice "$net"
for boot in 1 2 3; do
	check "boot $boot" printed reboot "boot $boot"
done

dd if=/dev/zero of="$disk" bs=4k count=1 oflag=direct 2>/dev/null
run_once() {
	bypass-vmm --kernel /guest/vmlinuz --initrd reboot.initrd --append quiet --mem 512M --no-reboot \
		--slice "$vf" --slice "$net" </dev/null >once.console
}
check "--no-reboot ends with status 0" run_once
check "after one boot" printed once "boot 1"
check "and no other" test "$(grep -c '^boot' once.console)" = 1

# Its PF has a driver of the host, so its bus cannot be reset either.
methods=/sys/bus/pci/devices/$net/reset_method
at_exit "echo default >$methods"
echo >"$methods"
make_guest unreset <<'END'
ip link set "$(ls /sys/bus/pci/drivers/igbvf/0*/net)" up || fail "the VF does not come up"
echo "up"
reboot -f
sleep 60
END
start_guest unreset --mem 256M --slice "$net"
twice() { [ "$(grep -c "^up" unreset.console)" -ge 2 ]; }
check "it boots again, with the VF" wait_for 100 twice
check "and the VMM printed that the VF was not reset" grep -q "$net .*: it cannot be reset" unreset.stderr
kill $vmm
