#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Registrations of a guest: a thousand at a time, and more than 256 MiB of scattered memory. Thousands
# one after the other do not let the guest's host process grow. What set-up costs stands beside the host's.
# `rounds`, `many` and `scattered` (MiB) are for a scenario that goes another way.
#
# timeout: 600
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/exits.sh"

echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled # as the README says
options=$options,mrs=2000
rounds=${rounds:-$(repetitions 1000 10000)} many=${many:-1000} scattered=${scattered:-288}
counted=20
counts=1
[ "$way" = vmm ] || counts=''
# The debug kernel takes more than an hour for all of it, and so long that the module asks for its host in between.
[ "$slow" = 1 ] || scattered=16 counts=''
make_guest guest --with rdma-memory <<END
set -e
rdma-memory $hca loop 200
mark first; wait_line
rdma-memory $hca loop $rounds
mark second; wait_line
rdma-memory $hca many $many
rdma-memory $hca scatter $scattered 16
rdma-memory $hca cost $counted
[ -z "$counts" ] || rdma-memory $hca count $counted
END
memory=1536M
rdma_guest guest

# What may grow: memory, mappings, open files.
holds() {
	local pid=${pids[guest.serve]:-${pids[guest]}} # whose descriptor the slice is
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
	wc -l <"/proc/$pid/maps"
	find "/proc/$pid/fd" -mindepth 1 | wc -l
}
check "the guest registers" wait_mark guest 240 first
mapfile -t before < <(holds)
send_line guest go
check "$rounds registrations" wait_mark guest 800 second
mapfile -t after < <(holds)
send_line guest go
echo "before: ${before[*]}, after: ${after[*]} (KiB, mappings, files)"
check "no growth of memory" test $((after[0] - before[0])) -lt 512
check "no growth of mappings" test $((after[1] - before[1])) -lt 8
check "no growth of files" test "${after[2]}" = "${before[2]}"

# What a command costs: writes of two bytes are kicks of a queue. Exits to user space are those for memory: a
# module whose command takes long asks whether the device is still there.
interrupts() { tr -d '\r' <guest.console | sed -n "s/^mark: $1 //p"; }
count_verb() { # VERB COMMANDS, which the verb and its undoing take
	local total=$((counted * $2)) kicks exits irqs woken
	check "$1 counted" wait_mark guest 600 "$1-ready"
	echo >$tracing/trace
	woken=$(wake_ups guest)
	send_line guest go
	check "$counted times $1" wait_mark guest 600 "$1-finished"
	woken=$(($(wake_ups guest) - woken - 1)) # the line that was typed
	kicks=$(grep -c 'kvm_mmio: mmio write len 2 ' $tracing/trace || true)
	exits=$(traced_exits | wc -l)
	irqs=$(($(interrupts "$1-finished") - $(interrupts "$1-ready")))
	send_line guest go
	awk "BEGIN { printf \"%-18s %8d %8.2f %8.2f %10.2f %8.2f\n\", \"$1\", $2, $exits / $total, $kicks / $total,
		$irqs / $total, $woken / $total }" >>counts
	check "$1: at most one kick and one interrupt a command" test $kicks -le $total -a $irqs -le $total
}
# A queue pair of rxe has two queues mapped, each of which is released by a command of its own.
if [ -n "$counts" ]; then
	trace_exits
	for verb in question:1 "create-qp:$([ "$hca" = rxe0 ] && echo 4 || echo 2)" connect-qp:4 \
		register-64K:2 register-64M:2; do
		count_verb "${verb%:*}" "${verb#*:}"
	done
	echo "                   commands  of which each: exits  kicks interrupts wake-ups"
	cat counts
fi
check "large, scattered and many" ended guest 600
grep -E '^(many|scatter|cost):' guest.console

# What exceeds twice the host's cost has its cause in the next column: a control command goes to
# the host and back, which the question alone costs; a QP takes one to be created, three to connect.
rdma-memory $hca cost $counted >host.cost
tr -d '\r' <guest.console | grep '^cost:' >guest.cost
echo "set-up, microseconds    guest     host   ratio   of which round trips"
paste -d ' ' guest.cost host.cost | awk '
	BEGIN { trips["question"] = trips["create-qp"] = trips["register-64K"] = 1
		trips["register-64M"] = 1; trips["connect-qp"] = 3 }
	$2 == "question" { trip = $3 - $6 }
	{ printf "%-18s %10d %8d %7.1f   %d, %d\n", $2, $3, $6, $3 / $6, trips[$2],
		trips[$2] * trip }'
check "all was measured on both" test "$(wc -l <guest.cost) $(wc -l <host.cost)" = "5 5"
leaves_nothing guest
