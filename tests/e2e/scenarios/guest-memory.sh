#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest of 3.5 GiB has RAM below and above the hole under 4 GiB; an NVMe VF reaches both.
#
# testbed: --mem 6G
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

carve_vfs "$nvme" 1

# The kernel gives out memory above 4 GiB first; the second round comes when that is full.
make_guest memory <<'END'
grep 'System RAM' /proc/iomem
awk '/MemTotal/ { exit !($2 > 3400000) }' /proc/meminfo || fail "too little memory"
grep -q '^ *100000000-11fffffff : System RAM' /proc/iomem || fail "no second range"
disk=$(namespace 1) || fail "no disk"
mount -o remount,size=2G /tmp
dd if=/dev/urandom of=/tmp/data bs=1M count=16 2>/dev/null
for round in high low; do
	dd if=/tmp/data of="$disk" bs=256k oflag=direct 2>/dev/null || fail "write, $round"
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$disk" of=/tmp/back bs=256k count=64 2>/dev/null || fail "read, $round"
	cmp /tmp/data /tmp/back || fail "$round: not what was written"
	dd if=/dev/zero of=/tmp/fill bs=1M count=640 2>/dev/null
done
END
run_guest memory --cpus 1 --mem 3584M --slice "${vfs[0]}"
check "all of it is mapped for DMA" test \
	"$(slice_stat memory "${vfs[0]}" dma_bytes)" = $((3584 << 20))
