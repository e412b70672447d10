#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest is killed in the middle of an MPI job over two guests: the job fails within its time limit, the slice of the
# dead guest is free at once, the other guest's slice carries the next job, and nothing is left on the host.
#
# timeout: 900

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"

mpi_networks one two
programs="NPopenmpi
mpi-check-openmpi"
make_guest two "${mpi_base[@]}" "${openmpi[@]}" <<END
cluster two ${net_address[two]}
mark up; wait_line
END
make_guest one "${mpi_base[@]}" "${openmpi[@]}" <<END
cluster one ${net_address[one]}
mark up; wait_line
retry reachable two || exit
timeout -k 10 120 $pair NPopenmpi -l 64 -u 64 -n 10000000 -p 0 </dev/null
mark failed
mpirun -n 2 --map-by node:OVERSUBSCRIBE ${ucx//eth0/lo} mpi-check-openmpi </dev/null || exit
mark next
wait_line
END
mpi_guests
send_line one go
check "the job runs" wait_for 240 grep -q 'Now starting the main loop' one.console
sleep 5
kill -KILL "${pids[two]}"
wait "${pids[two]}" || true
check "the job ends within its time limit" wait_mark one 100 failed
tr -d '\r' <one.console | tail -n 30
mpi_guest two # whose slice is free
# mpirun, whose status is 0 all the same (5.0.7), or UCX, when a message was on its way.
check "somebody says why" grep -qE 'node-died|[Tt]ransport retry count' one.console
check "the next job, in the guest that lives" wait_mark one 240 next
check "the dead guest's successor" wait_mark two 240 up
send_line one go
check "the first guest ends" ended one 60
send_line two go
check "the second guest ends" ended two 60
check "nothing is left on the host" nothing_left
