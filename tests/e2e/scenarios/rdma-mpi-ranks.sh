#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Many ranks in one guest that nobody trusts, under bypass-vmm and under QEMU: each pair of ranks gets a connection of
# the slice, within the quotas that a slice has when nobody asks for others. All-to-all and allreduce, each number
# checked. By vhost-user QEMU maps too few queues for 32 ranks (docs/rdma.md): these go by vfio-user.
#
# timeout: 600
# long: 2400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"

ranks=$(repetitions 8 32)
options=rxe0
memory=2G
programs="mpi-check-openmpi"
make_guest many "${openmpi[@]}" <<END
cluster one # alone
mark up
mpirun -n $ranks --map-by node:OVERSUBSCRIBE ${ucx//eth0/lo} mpi-check-openmpi 2>&1 </dev/null
END
for way in $(repetitions qemu "vmm vfio"); do
	rdma_guest many
	check "a guest ($way)" wait_mark many 240 up
	check "$ranks ranks" ended many 1800
	tr -d '\r' <many.console | tail -n 45
	check "every number was right" printed many "mpi-check: $ranks ranks: all numbers are right"
done
