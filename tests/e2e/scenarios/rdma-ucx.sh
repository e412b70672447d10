#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# UCX in a guest, over reliable connections of its slice, and Open MPI over UCX: what HPC programs
# are linked with, as Debian has it. A program of the host talks to one of the guest, too: UCX does so only where both
# say the same RoCE version.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

carve_networks 1
options=rxe0
messages=200
perftest="ucx_perftest -n $messages -w 20 -s 4096"
make_guest guest --with ucx_perftest --with ucx_info --with mpirun --with prterun <<END
set -e
ln -s /usr/local/bin /usr/bin # where mpirun looks for its parts
# Two processes find each other by TCP; that is all it is for.
export UCX_TLS=rc_verbs,tcp:aux,self UCX_NET_DEVICES=rxe0:1,lo
ucx_info -d >/tmp/devices
grep -A1 'Transport: rc_verbs' /tmp/devices | grep 'Device: rxe0:1'
perftest="$perftest"
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
network 10.8.0.1
ip route add 10.7.0.1 dev eth0 # which the host's UCX names as its address for TCP
export UCX_NET_DEVICES=rxe0:1,eth0
mark serves
\$perftest >/tmp/server 2>&1 </dev/console || { cat /tmp/server; exit 1; }
END
vmm_guest guest --slice "${vfs[0]}"
check "UCX and Open MPI in the guest" wait_mark guest 1000 serves
ip addr add 10.8.0.3/24 dev "$netdev"
by_ucx() {
	UCX_TLS=rc_verbs,tcp:aux,self UCX_RC_RETRY_COUNT=6 UCX_NET_DEVICES="rxe0:1,$netdev" \
		timeout 30 $perftest -t tag_lat 10.8.0.1 >client 2>&1 </dev/console
}
wait_for 20 by_ucx || cat client
check "a program of the host talks to it by UCX" grep "^Final: *$messages " client
check "the guest ends" ended guest 60
grep -A1 '^==' guest.console | sed 's/^\(Final: *[0-9]*\).*/\1 messages/' # times mean nothing here
sends=$(jq '.slices[] | select(.rdma).rdma.post_sends' guest.json)
check "the messages went through it ($sends doorbells)" test "$sends" -ge $((2 * messages))
check "nothing is left on the host" nothing_left
