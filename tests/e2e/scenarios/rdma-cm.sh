#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Connections by rdma_cm: stock programs of librdmacm between a guest under bypass-vmm and the host, both
# ways, then between two guests; then between a guest under QEMU and the host, both ways, and a guest under bypass-vmm
# connects to it. Each guest has an address of its own. What processes leave behind that were killed goes away.
#
# timeout: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

modprobe rdma_ucm
at_exit "wait_for 20 rmmod rdma_ucm || true" # other scenarios find the host without
for address in 10.7.0.5 10.7.0.6 10.7.0.7; do
	ip addr add $address/24 dev "$netdev"
done
check "the host's ids" test -c /dev/infiniband/rdma_cm

# A row of programs, the server's side and the client's; SERVER stands for the server's address.
servers="rping -s -a SERVER -v -V -C 5
ucmatose -b SERVER -C 2 -S 1000
udaddy -b SERVER -C 2
rstream -b SERVER -S 1000 -C 20
riostream -b SERVER -S 1000 -C 20
ib_send_lat -R -F -n 20 -s 64"
clients="rping -c -a SERVER -v -V -C 5
ucmatose -s SERVER -C 2 -S 1000
udaddy -s SERVER -C 2
rstream -s SERVER -S 1000 -C 20
riostream -s SERVER -S 1000 -C 20
ib_send_lat -R -F -n 20 -s 64 SERVER"

# in_turn ROLE ADDRESS LIST: each program of the list once; a client until its server is there.
in_turn() {
	echo "$3" | sed "s/SERVER/$2/" | while read -r program; do
		echo "== $1: $program"
		tries=0
		limit=60
		[ "$1" = client ] || limit=500 # the other side boots meanwhile
		until attempt timeout $limit $program >/tmp/out 2>&1 </dev/null; do
			# Its server is not there yet, or it was and the program says why it failed.
			[ $((tries += 1)) != 9 ] || tail -n 5 /tmp/out
			[ "$1" = client ] && partner_lives && [ $tries -lt 300 ] && sleep 0.3 && continue
			tail -n 20 /tmp/out
			exit 1
		done
		tail -n 2 /tmp/out
	done
}
# On the host: nobody waits for a guest that has ended.
partner_lives() { kill -0 "${pids[$partner]}" 2>/dev/null; }
attempt() {
	local job
	"$@" &
	job=$!
	while kill -0 $job 2>/dev/null; do
		partner_lives || kill $job
		sleep 0.2
	done
	wait $job
}
guest_functions+=(in_turn)
programs="rping
ucmatose
udaddy
rstream
riostream
ib_send_lat"

# A client of ib_send_lat that is faster than its server is rejected and crashes: docs/rdma-cm.md.
to_guest() { grep -v ib_send_lat <<<"$1"; }

in_guest="attempt() { \"\$@\"; }
partner_lives() { true; }
servers='$(to_guest "$servers")'
clients='$clients'
to_guest='$(to_guest "$clients")'"

make_guest first <<-END
	$in_guest
	modprobe bypass_rdma_cm || exit
	ls -l /dev/infiniband/rdma_cm || exit
	# An address that is not the guest's, a port for which it has no right.
	timeout 20 rping -s -a $host -C 1 2>&1 | grep 'bind_addr: Cannot assign requested address' || exit
	timeout 20 rping -s -a 10.7.0.5 -p 80 -C 1 2>&1 | grep 'bind_addr: Operation not permitted' || exit
	in_turn client $host "\$clients" || exit
	mark serves
	in_turn server 10.7.0.5 "\$servers" || exit
	# Killed in the middle of an attempt, and as a listener.
	rping -c -a 10.7.0.99 -C 1 &
	connecting=\$!
	rping -s -a 10.7.0.5 -C 1 &
	listening=\$!
	sleep 1
	kill -9 \$connecting \$listening
	wait
	mark killed
	wait_line
	in_turn server 10.7.0.5 "\$servers" || exit
	rmmod bypass_rdma_cm || exit
	! ls /dev/infiniband/rdma_cm || exit
END
make_guest second <<-END
	$in_guest
	modprobe bypass_rdma_cm || exit
	in_turn client 10.7.0.5 "\$to_guest" || exit
	mark next
	wait_line
	in_turn client 10.7.0.7 "\$to_guest" || exit
END

make_guest third <<-END
	$in_guest
	modprobe bypass_rdma_cm || exit
	in_turn client $host "\$clients" || exit
	mark serves
	in_turn server 10.7.0.7 "\$servers" || exit
	mark again
	in_turn server 10.7.0.7 "\$servers" || exit
END

ids() { rdma resource show cm_id | grep -c 'link rxe0' || true; }

options=rxe0,trust-guest,addr=10.7.0.5
vmm_guest first
partner=first
in_turn server $host "$servers" || fail "the host serves"
check "the guest serves" wait_mark first 240 serves
in_turn client 10.7.0.5 "$(to_guest "$clients")" || fail "the host connects"
check "processes of the guest are killed" wait_mark first 240 killed
no_ids() { [ "$(ids)" = 0 ] || { rdma resource show cm_id && return 1; }; }
check "nothing is left of them" wait_for 60 no_ids

options=rxe0,addr=10.7.0.6 # guarded
vmm_guest second
send_line first go
next_or_ended() { printed second "mark: next" || ! kill -0 "${pids[second]}" || ! kill -0 "${pids[first]}"; }
wait_for 240 next_or_ended 2>/dev/null || true
check "the second guest, to the first" wait_mark second 60 next
check "the first guest" ended first 240

options=rxe0,addr=10.7.0.7
qemu_guest third
partner=third
in_turn server $host "$servers" || fail "the host serves a guest under QEMU"
check "the guest under QEMU serves" wait_mark third 240 serves
in_turn client 10.7.0.7 "$(to_guest "$clients")" || fail "the host connects to a guest under QEMU"
check "it serves again" wait_mark third 60 again
send_line second go
check "the second guest, to the guest under QEMU" ended second 240
check "a guest under QEMU, by bypass serve" ended third 120
leaves_nothing third
grep -a '^== ' first.console second.console third.console
