#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Verbs beyond send, write and read: memory windows, address handles, multicast, regions and queues
# that change, shared receive queues, states, events, completion vectors. The same programs run on
# the host and in guests, and must say the same, but for what is listed here.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
vcpus=2
. "${0%/*}/../lib/rdma.sh"

steps() {
	rdma-verbs rxe0 windows-2 windows-1 datagrams multicast regions &&
		rdma-queues rxe0 flush completions unreliable shared states vectors port
}
{
	declare -f steps
	echo steps
} | make_guest guest --with rdma-verbs --with rdma-queues

# The host's port goes, and comes back, when NAME is ready for it.
move_port() {
	check "$1: steps up to the port" wait_mark "$1" 400 listens
	ip link set "$netdev" down
	check "$1: the port is down" wait_mark "$1" 120 down
	ip link set "$netdev" up
	check "$1: the link is up" wait_for 20 grep -qx 1 "/sys/class/net/$netdev/carrier"
}
said() { tr -d '\r' <"$1.console" | sed -n 's/^verbs: //p'; }

# differs_by NAME [LINES]: what the guest said differs from what the host said by these lines.
differs_by() {
	diff host.said <(said "$1") | grep '^[<>]' >"$1.differs" || true
	diff "$1.differs" <([ $# = 1 ] || echo "$2") || fail "$1 does not say what the host says"
	echo "ok: $1 says what the host says, but for $(wc -l <"$1.differs") lines"
	cat "$1.differs"
}

rdma-verbs join $host &
at_exit "kill $! 2>/dev/null || true"
steps >host.console 2>&1 &
pids[host]=$!
move_port host
wait "${pids[host]}" || fail "the host's own steps"
said host >host.said
cat host.said

vmm_guest guest
move_port guest
check "a trusted guest" ended guest 120
differs_by guest
check "nothing is left on the host" nothing_left

options=rxe0
vmm_guest guest
move_port guest
check "a guest that is not trusted" ended guest 120
differs_by guest "$(grep '^windows' host.said | sed 's/^/< /')
> windows-2: allocate: Operation not supported
> windows-1: allocate: Operation not supported"
check "nothing is left on the host" nothing_left
