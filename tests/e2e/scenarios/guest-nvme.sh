#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Two guests at once, each with an NVMe VF and a namespace of its own: what each wrote is what it
# reads back, and what the host then finds there.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

carve_vfs "$nvme" 2

for n in 1 2; do
	make_guest "disk$n" <<-END
		disk=\$(namespace $n) || fail "no disk"
		dd if=/dev/urandom of=/tmp/data bs=1M count=16 2>/dev/null
		for round in 1 2 3; do
			dd if=/tmp/data of=\$disk bs=64k oflag=direct 2>/dev/null || fail write
			dd if=\$disk of=/tmp/back bs=128k count=128 iflag=direct 2>/dev/null || fail read
			cmp /tmp/data /tmp/back || fail "round \$round: not what was written"
		done
		echo "sum \$(sha256sum </tmp/data)"
	END
done
start_guest disk1 --cpus 2 --mem 512M --slice "${vfs[0]}"
first=$vmm
start_guest disk2 --mem 512M --slice "${vfs[1]}"
second=$vmm
guest_ends disk1 $first
guest_ends disk2 $second

for n in 1 2; do
	sum=$(dd "if=$(namespace $n)" bs=1M count=16 iflag=direct 2>/dev/null | sha256sum)
	check "the host reads what guest $n wrote" printed "disk$n" "sum $sum"
	check "its VF interrupted" test "$(slice_stat "disk$n" "${vfs[n - 1]}" interrupts)" -gt 300
done
check "the two wrote different things" test "$(grep -h '^sum' disk?.console | sort -u | wc -l)" = 2
