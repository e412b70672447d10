#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An edu device in a guest: MMIO, DMA both ways, MSI and INTx (with resample) with exact counts, and the
# device's own expansion ROM.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

# read_rom DEVICE: what the kernel reads there.
read_rom() {
	local device=/sys/bus/pci/devices/$1
	echo 1 >"$device/enable"
	echo 1 >"$device/rom"
	sha256sum <"$device/rom"
	echo 0 >"$device/rom"
	echo 0 >"$device/enable"
}
rom=$(read_rom "$edu")
check "the device has a ROM" test "$rom" != "$(sha256sum </dev/null)"
carve_edu
check "the guest of examples/integrate.c finds it" sh -c \
	"integrate $edu | grep -qx 'the guest found 1234:11e8'"

make_guest edu --with guest_edu <<'END'
guest_edu 0000:00:01.0 mmio dma msi level=17 || exit
modprobe uio_pci_generic
guest_edu 0000:00:01.0 intx mmio
END
run_guest edu --append "quiet iomem=relaxed" --cpus 2 --mem 192M --slice "$edu"
for line in "mmio: ok" "dma: ok" "msi: ok, 100" "level: ok" "intx: ok, 100"; do
	check "$line" printed edu "$line"
done
check "MMIO made no exits" test \
	"$(slice_stat edu "$edu" mmio_reads) $(slice_stat edu "$edu" mmio_writes)" = "0 0"
# 3 by the test of the level: what the line asks for again is not the device's.
check "the device's interrupts" test "$(slice_stat edu "$edu" interrupts)" = 203

guest_functions+=(read_rom)
make_guest rom <<'END'
echo "ROM: $(read_rom 0000:00:01.0)"
END
run_guest rom --mem 192M --slice "$edu,rom=on"
check "a guest reads the device's ROM" printed rom "ROM: $rom"
