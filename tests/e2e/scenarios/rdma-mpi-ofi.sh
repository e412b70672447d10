#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Open MPI over libfabric between two guests that nobody trusts: unconnected endpoints of verbs (verbs;ofi_rxm), which
# connect by rdma_cm. Four ranks, all-to-all and allreduce with each number checked; NetPIPE with its integrity check.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"

modprobe rdma_ucm
at_exit "wait_for 20 rmmod rdma_ucm || true" # other scenarios find the host without
mpi_networks one two

ofi="--mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include verbs;ofi_rxm -x FI_UNIVERSE_SIZE=16"
programs="NPopenmpi
mpi-check-openmpi"
make_guest two "${mpi_base[@]}" "${openmpi[@]}" <<-END
	cluster two ${net_address[two]}
	slice_interface ${slice_address[two]} ${slice_address[one]} ${net_address[one]}
	mark up; wait_line
END
make_guest one "${mpi_base[@]}" "${openmpi[@]}" <<-END
	cluster one ${net_address[one]}
	slice_interface ${slice_address[one]} ${slice_address[two]} ${net_address[two]}
	mark up; wait_line
	retry reachable two || exit
	ofi='$ofi'
	timeout 200 mpirun --host one,two $alive -n 4 --map-by node:OVERSUBSCRIBE \$ofi mpi-check-openmpi </dev/null || exit
	mark checked
	timeout 200 mpirun --host one,two $alive \$ofi NPopenmpi -i -l 1 -u 65536 -n 2 </dev/null || exit
END
mpi_guests
send_line one go
check "Open MPI over libfabric: every number was right" wait_mark one 240 checked
check "NetPIPE's integrity check" ended one 240
send_line two go
check "the second guest ends" ended two 60
tr -d '\r' <one.console | grep -v -e '^mark' -e '^$'
passed() { tr -d '\r' <one.console | grep -c "$1"; }
check "four ranks, two in each guest" test "$(passed 'rank 3 of 4 on two')" = 1
check "each size was right" test "$(passed 'bytes .*Integrity check passed')" = 32
check "no size was wrong" test "$(passed 'Integrity check failed')" = 0
check "nothing is left on the host" nothing_left
