#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest's traffic over an igb VF: pings to and from the host's PF, and a file each way. The VF has
# an expansion ROM that the VMM gives it.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

pf=$(ls "/sys/bus/pci/devices/$igb/net")
at_exit "ip address flush dev $pf; ip link set dev $pf down"
ip link set dev "$pf" up
ip address add 192.168.77.1/24 dev "$pf"
carve_vfs "$igb" 1

# A ROM of 4 KiB with one image, as the PCI Firmware Specification has it: the guest's kernel looks.
poke() { printf '%b' "$2" | dd of=rom bs=1 seek="$1" conv=notrunc status=none; }
head -c 4096 /dev/urandom >rom
poke 0 '\x55\xaa'
poke 24 '\x1c\x00' # where the data structure is
poke 28 'PCIR'
poke 38 '\x18\x00' # its length
poke 44 '\x08\x00' # 512-byte units
poke 49 '\x80' # the last image

make_guest net <<'END'
rom=$(ls -d /sys/bus/pci/drivers/igbvf/0*)/rom
echo 1 >"$rom"
echo "ROM: $(sha256sum <"$rom")"
nic=$(basename "$(ls -d /sys/bus/pci/drivers/igbvf/0*/net/*)")
ip address add 192.168.77.2/24 dev "$nic"
ip link set "$nic" up
for i in $(seq 20); do ping -q -c 1 -W 1 192.168.77.1 >/dev/null && break; done
ping -q -c 200 -i 0.01 -W 5 192.168.77.1 | tee /tmp/pings
grep -q ' 0% packet loss' /tmp/pings || fail "pings were lost"
mkfifo /tmp/open
nc 192.168.77.1 7001 <>/tmp/open >/tmp/data || fail "nothing came"
nc 192.168.77.1 7002 </tmp/data || fail "nothing went"
grep "$nic" /proc/interrupts
echo "guest: ready"
read -r word
END

# Each connection ends when the sender has no more; the other side's input stays open.
head -c 4M /dev/urandom >data
mkfifo open
timeout 150 busybox nc -l -p 7001 <data >/dev/null &
timeout 150 busybox nc -l -p 7002 <>open >back &
check_error "a VF has no ROM of its own" "${vfs[0]} has no ROM: give it one with a file" \
	timeout 20 bypass-vmm --kernel /guest/vmlinuz --slice "${vfs[0]},rom=on"
check_error "a ROM that is not there" "cannot open the ROM none: No such file" \
	timeout 20 bypass-vmm --kernel /guest/vmlinuz --slice "${vfs[0]},rom=none"
start_guest net --cpus 2 --mem 512M --slice "${vfs[0]},rom=rom"
wait_printed net 100 'guest: ready'
check "the guest reads the ROM" printed net "ROM: $(sha256sum <rom)"
check "pings from the host" ping -q -c 20 -i 0.05 -W 5 192.168.77.2
send_line net over
guest_ends net $vmm
check "what the guest got and sent back is what we sent" cmp data back
check "interrupts came" test "$(slice_stat net "${vfs[0]}" interrupts)" -gt 200
check "memory is mapped for DMA" test "$(slice_stat net "${vfs[0]}" dma_bytes)" = $((512 << 20))
