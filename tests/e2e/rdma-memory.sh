#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Registrations of a guest: a thousand at a time, ten thousand one after the other with no growth
# of the VMM, more than 256 MiB of scattered memory; and what set-up costs, beside the host.
#
# timeout: 600

. "${0%/*}/checks"
. "${0%/*}/rdma-lab"

options=$options,mrs=2000
make_guest guest --with rdma-memory <<'END'
set -e
rdma-memory rxe0 loop 200
mark first; hear
rdma-memory rxe0 loop 10000
mark second; hear
rdma-memory rxe0 many 1000
rdma-memory rxe0 scatter 288 16
rdma-memory rxe0 cost 20
END
vmm_guest guest --mem 1536M

# What may grow: memory, mappings, open files.
holds() {
	local pid=${pids[guest]}
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
	wc -l <"/proc/$pid/maps"
	find "/proc/$pid/fd" -mindepth 1 | wc -l
}
check "the guest registers" wait_mark guest 120 first
mapfile -t before < <(holds)
say guest go
check "10,000 registrations" wait_mark guest 400 second
mapfile -t after < <(holds)
say guest go
echo "before: ${before[*]}, after: ${after[*]} (KiB, mappings, files)"
check "no growth of memory" test $((after[0] - before[0])) -lt 512
check "no growth of mappings" test $((after[1] - before[1])) -lt 8
check "no growth of files" test "${after[2]}" = "${before[2]}"
check "large, scattered and many" ended guest 300
grep -E '^(many|scatter|cost):' guest.log
host_cost=$(rdma-memory rxe0 cost 20)
guest_cost=$(tr -d '\r' <guest.log | grep '^cost:')
{
	read -r _ _ gq _ g64k _ g64m <<<"$guest_cost"
	read -r _ _ hq _ h64k _ h64m <<<"$host_cost"
	echo "set-up, microseconds      guest     host    ratio"
	awk -v OFMT=%.1f "BEGIN {
		printf \"create and connect a QP %7d %8d %8.1f\n\", $gq, $hq, $gq / $hq
		printf \"register 64 KiB         %7d %8d %8.1f\n\", $g64k, $h64k, $g64k / $h64k
		printf \"register 64 MiB         %7d %8d %8.1f\n\", $g64m, $h64m, $g64m / $h64m
	}"
}
check "nothing is left on the host" nothing_left
