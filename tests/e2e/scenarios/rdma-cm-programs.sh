#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Programs that connect by rdma_cm, and first find each other by TCP: cmtime, qperf, and libfabric's fi_pingpong
# with connected and with unconnected endpoints; and mckey, whose messages go to a multicast group. Between the host
# and a guest under bypass-vmm, both ways, and between that guest and one under QEMU. Each guest has an address of its
# own, and a VF of the adapter for TCP. The short form leaves out the guest under QEMU as a server, and with the host;
# and connected endpoints, but for the first time: unconnected ones connect, too.
#
# timeout: 900
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

modprobe rdma_ucm
at_exit "wait_for 20 rmmod rdma_ucm || true" # other scenarios find the host without
declare -A address=([host]=$host [one]=10.7.0.5 [two]=10.7.0.6)
ip addr add "${address[one]}/24" dev "$netdev"
ip addr add "${address[two]}/24" dev "$netdev"
ip addr add 10.8.0.3/24 dev "$netdev"
carve_networks 2

# For how many peers libfabric's completion queue has room. On rxe there is none for as many as usual: docs/mpi.md.
# It looks for no other kind of HCA: that takes seconds in a guest.
fabric="FI_UNIVERSE_SIZE=16 FI_PROVIDER=verbs,ofi_rxm"
export ${fabric?}

# Guests: libfabric asks for the address of localhost.
names() {
	echo 'hosts: files' >/etc/nsswitch.conf
	echo '127.0.0.1 localhost' >/etc/hosts
}
# Each line of the console is a command, until the guest ends.
obey() {
	stty -echo
	mark up
	while wait_line && [ "$word" != end ]; do
		eval "$word"
	done
}
listens() { grep -q ":$(printf %04X "$1") [0-9A-F]*:0000 0A " /proc/net/tcp /proc/net/tcp6; }
guest_functions+=(names obey listens)
programs="cmtime
qperf
fi_pingpong
mckey"
make_guest one <<-END
	network 10.8.0.1
	slice_interface ${address[one]} ${address[two]} 10.8.0.2 ${address[host]} 10.8.0.3
	names
	export $fabric
	obey
END
make_guest two <<-END
	rmmod virtio_net # QEMU's own network is not used
	network 10.8.0.2
	slice_interface ${address[two]} ${address[one]} 10.8.0.1 ${address[host]} 10.8.0.3
	names
	export $fabric
	obey
END
options=rxe0,addr=${address[one]}
vmm_guest one --slice "${vfs[0]}"
options=rxe0,addr=${address[two]}
qemu_guest two -device "vfio-pci,host=${vfs[1]}"

# start SIDE COMMAND: the program runs there. said SIDE: what it has said so far.
declare -A from
start() {
	from[$1]=1
	if [ "$1" = host ]; then
		eval "timeout 90 stdbuf -oL $2 >host.console 2>&1 </dev/null &"
		job=$!
		at_exit "kill $job 2>/dev/null || true"
	else
		from[$1]=$(($(stat -c %s "$1.console") + 1))
		send_line "$1" "timeout 90 $2 </dev/null & job=\$!"
	fi
}
said() { tail -c "+${from[$1]}" "$1.console" | tr -d '\r'; }
says() { said "$1" | grep "$2" >/dev/null; }

# ready SIDE HOW: the server is there: it listens on a TCP port, or has said a word. ended_with SIDE: its status.
# Guests answer with a number of their own each time.
n=0
ready() {
	if [[ $2 != [0-9]* ]]; then
		wait_for 60 says "$1" "$2"
	elif [ "$1" = host ]; then
		wait_for 60 listens "$2"
	else
		send_line "$1" "retry listens $2; mark ready-$((n += 1))"
		wait_mark "$1" 60 "ready-$n"
	fi
}
status_of() {
	status=0
	if [ "$1" = host ]; then
		wait $job || status=$?
		return 0
	fi
	send_line "$1" "wait \$job; mark ended-$((n += 1)) \$?"
	wait_mark "$1" 100 "ended-$n " || return
	status=$(said "$1" | sed -n "s/^mark: ended-$n //p")
}
stop() {
	if [ "$1" = host ]; then
		kill $job
	else
		send_line "$1" "kill \$job"
	fi
}

# pair SERVER CLIENT HOW SERVERS-COMMAND CLIENTS-COMMAND [stop]: they run; their statuses are in `client` and
# `server`. With `stop` the server does not end by itself.
pair() {
	echo "== $1: $4 / $2: $5 [$SECONDS s]"
	start "$1" "$4"
	ready "$1" "$3" || fail "the server does not come up"
	start "$2" "$5"
	status_of "$2" || fail "the client does not end"
	client=$status
	[ "${6:-}" != stop ] || stop "$1"
	status_of "$1" || fail "the server does not end"
	server=$status
}
# expect WHAT PATTERN [PATTERN]: both ended well. The client said what it says then; with the second one, the server.
expect() {
	local what="$1: $s serves $c"
	if [ "$server" != 0 ] || [ "$client" != 0 ] || ! says "$c" "$2" || { [ -n "${3:-}" ] && ! says "$s" "$3"; }; then
		show
		fail "$what: statuses $server and $client"
	fi
	echo "ok: $what [$SECONDS s]"
}
show() { said "$s" && said "$c"; }

# cmtime makes 2 connections with queue pairs, then 2 with numbers of queue pairs that do not exist. A guest may name
# its own queue pairs alone. On the host, too, rdma_cm rejects the second part: both ends name the same numbers.
cmtime_refused() {
	local says_no='rdma_connect: Invalid argument' who=$c
	[ "$c" != host ] || says_no='failure accepting: Invalid argument' who=$s
	pair "$s" "$c" 7471 "cmtime -c 2" "cmtime -s $at -c 2" "$([ "$c" = host ] || echo stop)"
	says "$s" 'Accept (2) test - no QPs' && says "$c" '^full connect  *[1-9]' && says "$who" "$says_no"
}

# mckey. A sender does not wait until its messages are sent: with its queue pair rxe drops those that still wait, on a
# busy host all 100 of them. So more senders come until the receiver has its message.
multicast() {
	echo "== $s: $1 / $c: $2 [$SECONDS s]"
	start "$s" "$1"
	ready "$s" '^mckey: joined' || fail "the receiver does not join"
	for _ in 1 2 3 4 5; do
		start "$c" "$2"
		status_of "$c" || fail "the sender does not end"
		client=$status
		if [ "$client" != 0 ] || wait_for 5 says "$s" '^return status'; then
			break
		fi
	done
	status_of "$s" || fail "the receiver does not end"
	server=$status
}

# all SERVER CLIENT: each program, with fi_pingpong's endpoints.
connected="verbs -e msg"
unconnected="'verbs;ofi_rxm' -e rdm"
endpoints=("$connected" "$unconnected")
all() {
	local s=$1 c=$2 at=${address[$1]} other=${address[$2]} kind pingpong
	multicast "mckey -b $at -m 239.1.2.3 -C 1" "mckey -b $other -m 239.1.2.3 -s -C 100"
	expect mckey '^return status 0' '^return status 0'
	cmtime_refused || { show && fail "cmtime: $s serves $c"; }
	echo "ok: cmtime: $s serves $c [$SECONDS s]"
	pair "$s" "$c" 19765 qperf "qperf -cm 1 -t 1 $at rc_lat quit"
	expect qperf '^    latency *= '
	for kind in "${endpoints[@]}"; do
		pingpong="fi_pingpong -c -I 10 -S 1024 -p $kind"
		pair "$s" "$c" 47592 "$pingpong" "$pingpong $at"
		expect "fi_pingpong -p $kind" '^1k *10 *=10 ' '^1k *10 *=10 '
	done
}

check "the guest under bypass-vmm" wait_mark one 240 up
all host one
[ -n "${LONG:-}" ] || endpoints=("$unconnected")
check "the guest under QEMU" wait_mark two 240 up
all one two
if [ -n "${LONG:-}" ]; then
	all two one
	all host two
fi

# The address of a slice is the host's own: what the host sends there by TCP stays on the host.
relayed() { ss -Hltn "src $1" | grep -q .; }
relays() { # GUEST ITS-ADDRESS-FOR-TCP
	local port
	for port in 7471 19765 47592; do
		systemd-socket-activate -l "${address[$1]}:$port" /usr/lib/systemd/systemd-socket-proxyd "$2:$port" \
			2>"relay.$1.$port" &
		at_exit "kill $! 2>/dev/null || true"
		check "a relay to port $port of guest $1" wait_for 20 relayed "${address[$1]}:$port"
	done
}
relays one 10.8.0.1
all one host
if [ -n "${LONG:-}" ]; then
	relays two 10.8.0.2
	all two host
fi

send_line one end
send_line two end
check "the guest under bypass-vmm ends" ended one 60
check "the guest under QEMU ends" ended two 60
leaves_nothing two
