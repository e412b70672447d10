#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest has its device write where it has no memory: the IOMMU refuses and the host says so, the
# device goes on, and so does the other slice.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

carve_edu
carve_vfs "$nvme" 1

make_guest stray --with guest_edu <<'END'
disk=$(namespace 1) || fail "no disk"
dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
(
	for round in 1 2 3 4; do
		dd if=/tmp/data of=$disk bs=64k oflag=direct 2>/dev/null || exit 1
		dd if=$disk of=/tmp/back bs=64k count=128 iflag=direct 2>/dev/null || exit 1
		cmp /tmp/data /tmp/back || exit 1
	done
) &
traffic=$!
guest_edu 0000:00:01.0 dma stray=0x0d000000 stray=0x0e345000 stray=0x0ffff000 dma mmio ||
	fail "edu does not go on"
wait $traffic || fail "the NVMe VF was disturbed"
END
lines=$(dmesg | wc -l)
run_guest stray --cpus 1 --mem 192M --slice "$edu" --slice "${vfs[0]}"
dmesg | tail -n "+$((lines + 1))" >messages
check "the host reports the fault" grep -E "DMAR:.*DMA Write.*${edu#0000:}.*fault addr 0x?e345" messages
check "no fault of the other slice" sh -c "! grep -q 'DMAR:.*DMA.*${vfs[0]#0000:}' messages"
check "the host is well" bypass list
