#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Two hosts, joined by a wire between their adapters, with HCAs that bypass carve has made: programs between the hosts,
# between a guest of one and a guest of the other, and between a guest and the other host. The wire is cut for 5 s under
# traffic: who retries for long enough goes on, who does not gets the error that verbs promise. A guest is killed under
# traffic, and the other one gets that error. Nothing is left on either host.
#
# testbed: --hosts 2
# timeout: 900

. "${0%/*}/../lib/checks.sh"
hca=''
. "${0%/*}/../lib/hosts.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

# hcas GUEST HOST: an HCA with the one address for a guest, one for the host itself, a VF for the guest's TCP.
hcas() {
	modprobe -a crc32_generic rdma_rxe rdma_ucm
	at_exit "wait_for 20 modprobe -r rdma_ucm rdma_rxe || true" # other scenarios find the host without
	carve_networks 1
	at_exit "bypass release bypass0 host0 2>/dev/null || true"
	check "an HCA for a guest" bypass carve --rdma "$netdev" --addr "$1"
	check "an HCA for the host" bypass carve --rdma "$netdev" --addr "$2" --name host0
	options=bypass0,addr=$1
	# Programs of the host, which want the index of its GID.
	gid=$(printf '0000:0000:0000:0000:0000:ffff:%02x%02x:%02x%02x' ${2//./ })
	gid=$(cd /sys/class/infiniband/host0/ports/1/gids && grep -lx "$gid" ./*)
	programs="ibv_rc_pingpong -d host0 -c -g ${gid#./} -n 100
ibv_ud_pingpong -d host0 -c -g ${gid#./} -n 100"
}
answer || fail "the second host's adapter"
ask "$(declare -f hcas); hcas 10.7.0.6 10.7.0.12"
hcas 10.7.0.5 10.7.0.11
answer || fail "the second host's HCAs"

# The second host by itself.
like_here() {
	local status=0
	printf 'a  b\nc' | on 2 sh -c 'printf "<%s>" "$@"; cat; echo "to its errors" >&2; exit 7' sh \
		'two  words' '' $'two\nlines' '*' >on.out 2>on.err || status=$?
	[ $status = 7 ] && [ "$(<on.err)" = "to its errors" ] &&
		[ "$(<on.out)" = $'<two  words><><two\nlines><*>a  b\nc' ] || { cat on.out on.err && return 1; }
}
check "a command there has arguments, input, output, errors and status as here" like_here
check "it is another host" test "$(on 2 hostname)" = testbed2
check "the hosts see each other" wait_for 30 ping -q -c 1 -W 1 10.7.0.2

# answers_itself ADDRESS MAC: every time somebody asks who has the address, the slice's interface does.
answers_itself() {
	for _ in 1 2 3 4 5; do
		ip neigh flush dev "$netdev"
		ping -q -c 1 -W 5 "$1" >/dev/null
		ip neigh show "$1" dev "$netdev" | grep -q "lladdr $2" || { ip neigh && return 1; }
	done
}
second "$(declare -f answers_itself)
	check 'the slice answers ARP for its address, and no other does' answers_itself 10.7.0.5 $(</sys/class/net/bypass0/address)"

ask 'run_programs >programs.log 2>&1 || { cat programs.log; false; }'
run_programs 10.7.0.2 || fail "programs between the hosts"
answer || fail "the other side of them"

# each_told FILE: the first bad completion of each queue pair says why.
each_told() {
	cat "$1"
	[ "$(grep -a '^pairs: [0-3] of' "$1" | sort -s -u -k 2,2 | grep -c 'transport retry counter exceeded')" = 4 ]
}
guest_functions+=(each_told)
make_one() {
	make_guest one --with rping --with rdma-pairs <<-'END'
		modprobe bypass_rdma_cm || exit
		network 10.8.0.1
		run_programs || exit
		timeout 100 rping -s -a 10.7.0.5 -v -V -C 5 || exit
		rdma-pairs --timeout 19 --retries 6 --seconds 10 rxe0 4 20 || exit
		mark whole
		rdma-pairs --timeout 17 --retries 6 rxe0 4 100000000
	END
}
make_two() {
	make_guest two --with rping --with rdma-pairs <<-'END'
		modprobe bypass_rdma_cm || exit
		network 10.8.0.2
		run_programs 10.8.0.1 || exit
		retry timeout 60 rping -c -a 10.7.0.5 -v -V -C 5 || exit
		mark to-host
		run_programs 10.8.0.3 || exit
		mark up; wait_line
		rdma-pairs --timeout 19 --retries 6 --seconds 10 rxe0 4 20 10.8.0.1 || exit
		mark whole
		rdma-pairs --timeout 17 --retries 6 rxe0 4 100000000 10.8.0.1 >/tmp/pairs 2>&1 &
		pairs=$!
		retry grep 'pairs: connected' /tmp/pairs || exit
		sleep 3
		kill -0 $pairs || exit
		mark talks
		wait $pairs
		each_told /tmp/pairs
	END
}
host_programs=$programs
programs="ibv_rc_pingpong -c -g 0 -n 100
ibv_ud_pingpong -c -g 0 -n 100"
ask "programs='$programs'; $(declare -f each_told make_two); guest_functions+=(each_told); make_two; vmm_guest two --slice \$vfs"
make_one
vmm_guest one --slice "${vfs[0]}"
ip addr add 10.8.0.3/24 dev "$netdev"
answer || fail "the second host's guest"
second 'check "programs of the second guest with the first" wait_mark two 240 to-host'
programs=$host_programs
run_programs || fail "programs of the second guest with this host"
second 'check "the other side of them" wait_mark two 60 up'

# The wire is cut for 5 s. A message between the hosts is tried for 3.8 s, one between the guests for 15 s.
pairs="timeout 200 rdma-pairs --timeout 17 --retries 6 host0 4 100000000"
second "$pairs >pairs.log 2>&1 & pairs=\$!"
$pairs 10.7.0.2 >pairs.log 2>&1 &
pairs=$!
second 'send_line two go
	check "the guests talk" wait_for 60 printed two "pairs: connected"'
check "the hosts talk" wait_for 60 grep 'pairs: connected' pairs.log
sleep 2 # of traffic
check "they still do" kill -0 $pairs
reaches() { ping -q -c 1 -W 1 10.7.0.2 >/dev/null; }
cut() { ! reaches; }
wire down
check "the wire is cut" wait_for 10 cut
sleep 5
wire up
check "the wire is whole again" wait_for 20 reaches
gave_up() {
	local status=0
	wait "$pairs" || status=$?
	[ $status = 1 ] && each_told pairs.log
}

gave_up || fail "a host that gets no answer is not told so"
second "$(declare -f gave_up); gave_up || fail 'nor is the other'"
second 'check "the traffic of the guests went on" wait_mark two 120 whole'
check "the other side of it" wait_mark one 20 whole
check "every byte was right" grep -a '^pairs: 4 queue pairs' one.console

second 'check "the guests talk again" wait_mark two 120 talks'
kill -KILL "${pids[one]}"
second 'check "one is killed, and the other told so by its completion" ended two 60'
idle() { [ -z "$(rdma resource show qp link bypass0 | grep -v 'lqpn 1 ')" ]; }
check "nothing is left of it" wait_for 20 idle

none_left() {
	bypass release bypass0 host0 || return
	[ -z "$(rdma link; ip link show type macvlan)" ] || { rdma link && ip link && return 1; }
}
check "the slices can be released, and nothing is left" none_left
second "$(declare -f none_left); check 'so on the second host' none_left"
second_leaves || fail "the second host does not clean up"
