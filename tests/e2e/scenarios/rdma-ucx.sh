#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# UCX in a guest, over reliable connections of its slice, and Open MPI over UCX: what HPC programs
# are linked with, as Debian has it.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

options=rxe0
messages=200
make_guest guest --with ucx_perftest --with ucx_info --with mpirun --with prterun <<END
set -e
ln -s /usr/local/bin /usr/bin # where mpirun looks for its parts
# Two processes find each other by TCP; that is all it is for.
export UCX_TLS=rc_verbs,tcp:aux,self UCX_NET_DEVICES=rxe0:1,lo
ucx_info -d >/tmp/devices
grep -A1 'Transport: rc_verbs' /tmp/devices | grep 'Device: rxe0:1'
perftest="ucx_perftest -n $messages -w 20 -s 4096"
final() {
	echo "== \$1"
	grep '^Final: *$messages ' /tmp/client || { cat /tmp/server /tmp/client; exit 1; }
}
for test in tag_lat tag_bw ucp_put_lat ucp_get; do
	# Where its input is a terminal it does without MPI.
	\$perftest >/tmp/server 2>&1 </dev/console &
	retry \$perftest -t \$test 127.0.0.1 >/tmp/client 2>&1 </dev/console
	wait \$!
	final \$test
done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun -n 2 --oversubscribe --mca pml ucx \$perftest -t tag_lat </dev/null >/tmp/client 2>&1 || true
final "Open MPI"
END
vmm_guest guest
check "UCX and Open MPI over the slice" ended guest 1000
grep -A1 '^==' guest.console | sed 's/^\(Final: *[0-9]*\).*/\1 messages/' # times mean nothing here
sends=$(jq '.slices[0].rdma.post_sends' guest.json)
check "the messages went through it ($sends doorbells)" test "$sends" -ge $((2 * messages))
check "nothing is left on the host" nothing_left
