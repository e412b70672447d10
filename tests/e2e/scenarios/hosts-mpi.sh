#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# MPI between a guest of one host and a guest of another: Open MPI over UCX, four ranks, all-to-all and allreduce with each
# number checked. The wire between the hosts is cut for 5 s under messages, and the job goes on. The long form runs
# NetPIPE and MPICH too, and kills a guest in the middle of a job: the job ends.
#
# testbed: --hosts 2
# timeout: 900
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/hosts.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"
answer || fail "the second host's HCA"
second ". '${0%/*}/../lib/mpi.sh'"

four+=" -x UCX_RC_TIMEOUT=2s" # a message is tried for 15 s
with=("${mpi_base[@]}" "${openmpi[@]}" "${mpich[@]}")
programs="NPopenmpi
mpi-check-openmpi
mpi-check-mpich"
make_two() {
	make_guest two "${with[@]}" <<-END
		cluster two ${net_address[two]}
		mark up; wait_line
	END
}
make_one() {
	make_guest one "${with[@]}" <<-END
		cluster one ${net_address[one]}
		mark up
		retry reachable two || exit
		# mpirun reads no terminal that it does not control.
		{ wait_line; echo; wait_line; echo; } | $four mpi-check-openmpi 1000 || exit
		mark checked
		if [ -n "${LONG:-}" ]; then
			timeout 400 $pair NPopenmpi -i -l 1 -u 1048576 -n 2 </dev/null || exit
			export $ucx_ways
			timeout 400 mpiexec.mpich -hosts one:2,two:2 mpi-check-mpich </dev/null || exit
			mark last
			{ wait_line; echo; } | timeout -k 10 100 $four mpi-check-openmpi 1000000
		fi
	END
}
ask "with=(${with[*]}); programs='$programs'; $(declare -f make_two); mpi_networks two; make_two; mpi_guest two"
mpi_networks one
make_one
mpi_guest one
answer || fail "the second host's guest"
second 'check "the second guest" wait_mark two 240 up'
check "the first guest" wait_mark one 240 up
check "Open MPI over UCX: four ranks, all-to-all, allreduce" wait_mark one 240 connected
cut() { ! ping -q -c 1 -W 1 10.7.0.2 >/dev/null; }
send_line one go
sleep 2 # of messages
marked one exchanged && fail "the job ends before the wire is cut"
wire down
check "the wire is cut" wait_for 10 cut
sleep 5
wire up
check "the job goes on: 1,000 messages each way" wait_mark one 240 exchanged
send_line one go
check "every number was right" wait_mark one 60 checked
tr -d '\r' <one.console | grep -e '^rank' -e '^mpi-check'
check "the last rank is in the second guest" grep -aq 'rank 3 of 4 on two' one.console
passed() { tr -d '\r' <one.console | grep -c "$1"; }
if [ -n "${LONG:-}" ]; then
	check "NetPIPE's integrity check, and MPICH" wait_mark one 900 last
	tr -d '\r' <one.console | grep -a -A 50 '^mark: checked'
	check "each size was right" test "$(passed 'bytes .*Integrity check passed')" = 40
	check "so was every number with MPICH" test "$(passed 'mpi-check: 4 ranks: all numbers are right')" = 2
	again() { [ "$(passed '^mark: connected')" = 2 ]; }
	check "another job" wait_for 240 again
	send_line one go
	sleep 2 # of messages
	second 'kill -KILL ${pids[two]}'
fi
check "the first guest ends" ended one 200
if [ -n "${LONG:-}" ]; then
	check "mpirun or UCX says why" grep -qE 'node-died|[Tt]ransport retry count' one.console
else
	second 'send_line two go; check "the second guest ends" ended two 60'
fi
check "nothing is left on the host" nothing_left
second 'check "nothing is left on the second host" nothing_left'
second_leaves || fail "the second host does not clean up"
