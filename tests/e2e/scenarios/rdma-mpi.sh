#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# MPI between two guests that nobody trusts, as Debian has it: Open MPI and MPICH over UCX. Four ranks, all-to-all and
# allreduce with each number checked; NetPIPE with its integrity check. Messages go by the slices, and none costs an
# exit to user space. The long form measures by NetPIPE, between the guests and between two processes of the host.
#
# timeout: 1200
# long: 3600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"
. "${0%/*}/../lib/exits.sh"

messages=$(repetitions 200 5000)
each=$(repetitions 2 20) # messages of each size
mpi_networks one two

programs="NPopenmpi
mpi-check-openmpi
mpi-check-mpich"
# The module does not ask now and then whether the host is there: that is an exit.
reload() { rmmod bypass_rdma && modprobe bypass_rdma timeout=86400; }
guest_functions+=(reload)
with=("${mpi_base[@]}" "${openmpi[@]}" "${mpich[@]}")
make_guest two "${with[@]}" <<END
cluster two ${net_address[two]}
reload
mark_bars $hca
mark up; wait_line
END
make_guest one "${with[@]}" <<END
cluster one ${net_address[one]}
reload
mark_bars $hca
mark up; wait_line
retry reachable two || exit
status=0
run() { # what comes next is tried all the same
	echo "== \$*"
	timeout 400 "\$@" >/tmp/out 2>&1 </dev/null || { status=1; echo FAILED; }
	grep -v -e '^\$' -e Caution -e '^mark' /tmp/out
}
# mpirun reads no terminal that it does not control.
{ wait_line; echo; wait_line; echo; } | $four mpi-check-openmpi $messages || exit
mark checked
run $pair NPopenmpi -i -l 1 -u 1048576 -n $each
if [ -n "${LONG:-}" ]; then
	run $pair NPopenmpi -l 1 -u 1048576 -n $each -p 0
fi
export $ucx_ways
run mpiexec.mpich -hosts one:2,two:2 mpi-check-mpich
exit \$status
END
mpi_guests
send_line one go
check "Open MPI over UCX: four ranks, all-to-all, allreduce" wait_mark one 240 connected
queue_pairs=$(resources | sed -n 's/.* qp \([0-9]*\) .*/\1/p')
trace_exits
send_line one go
check "$messages messages each way" wait_mark one 240 exchanged
traced_exits >exits
exits=$(exits_at one)
kicks=$(kicks_at one)
send_line one go
check "every number was right" wait_mark one 60 checked
check "NetPIPE's integrity check, and MPICH" ended one 600
send_line two go
check "the second guest ends" ended two 60

tr -d '\r' <one.console | grep -v -e '^mark' -e '^$'
passed() { tr -d '\r' <one.console | grep -c "$1"; }
check "four ranks, two in each guest, twice" test "$(passed 'rank 3 of 4 on two')" = 2
check "every number was right, twice" test "$(passed 'mpi-check: 4 ranks: all numbers are right')" = 2
check "each size was right" test "$(passed 'bytes .*Integrity check passed')" = 40
check "no size was wrong" test "$(passed 'Integrity check failed')" = 0
echo "64 bytes from rank 0 to rank 3, and back: $messages times; for each message"
awk "BEGIN {
	printf \"%-34s %9.3f\n\", \"exits to user space\", $exits / (2 * $messages)
	printf \"%-34s %9.3f\n\", \"kicks (ioeventfd)\", $kicks / (2 * $messages)
}"
check "no message cost an exit to user space" test "$exits" = 0
if [ "$hca" = rxe0 ]; then
	posts=$(jq -s 'map(.slices[] | select(.rdma).rdma.post_sends) | add' one.json two.json)
	check "the messages went through the slices ($posts doorbells)" test "$posts" -ge $((2 * messages))
	check "a kick or two for each message, at most" test "$kicks" -gt 0 -a "$kicks" -le $((4 * messages))
else
	check "no message cost a kick" test "$kicks" = 0
	check "the messages went through the slices ($queue_pairs queue pairs)" test "$queue_pairs" -ge 8
fi
if [ -n "${LONG:-}" ]; then
	OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 400 mpirun -n 2 --map-by :OVERSUBSCRIBE \
		${ucx/eth0/"$netdev"} NPopenmpi -l 1 -u 1048576 -n $each -p 0 >host.netpipe 2>&1 </dev/null ||
		{ cat host.netpipe && fail "NetPIPE on the host"; }
	measured() { tr -d '\r' | awk '$8 == "Mbps" { print $2, $7, $10 }'; }
	measured <one.console >guests.measured
	measured <host.netpipe >host.measured
	printf '%28s %27s\n%7s %9s %11s %15s %11s\n' "between the guests" "on the host" bytes Mbps usec Mbps usec
	paste -d ' ' guests.measured host.measured >both
	awk '{ printf "%7d %9.2f %11.0f %15.2f %11.0f\n", $1, $2, $3, $5, $6 }' both
	check "the same 40 sizes in both" test "$(awk '$1 == $4' both | wc -l)" = 40
fi
check "nothing is left on the host" nothing_left
