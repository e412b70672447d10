#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What breaks while connections by rdma_cm are open: the peer, the guest's device, the guest's address, a
# guest's VMM, the HCA. The programs hear of it and end. A hostile process sends commands of its own
# making; nothing is left on the host.
#
# timeout: 900
# long: 1500

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

modprobe rdma_ucm
at_exit "wait_for 20 rmmod rdma_ucm || true" # other scenarios find the host without
own=10.7.0.5
ip addr add $own/24 dev "$netdev"
seconds=$(repetitions 8 300)

# In the guest: it ends within two minutes. Else its output and where it waits are shown.
ends() { # PID OUTPUT
	local tries=0
	while [ -e "/proc/$1/exe" ]; do
		[ $((tries += 1)) -lt 600 ] || { cat "$2" "/proc/$1/task"/*/stack && return 1; }
		sleep 0.2
	done
}
# A program is connected when it has printed so.
connected() { grep -q '^ESTABLISHED' "$1"; }
# The guest has its GID, with its type.
has_gid() { ibv_devinfo -v | grep ':10\.7\.0\.5, RoCE v2' >/dev/null; }
guest_functions+=(ends connected has_gid)
programs="rping
ucma-hostile
ibv_devinfo
ibv_asyncwatch"

make_guest guest <<-END
	set -e
	# rdma_ucm has the device, for adapters of the guest's own: the module says so.
	modprobe rdma_ucm
	modprobe bypass_rdma_cm || true # busybox's says 0
	dmesg | grep 'rdma_ucm is loaded'
	if grep -q bypass_rdma_cm /proc/modules; then exit 1; fi
	rmmod rdma_ucm
	modprobe bypass_rdma_cm
	has_gid

	mark up; wait_line
	round=0
	until [ "\$word" = told ]; do
		rping -c -a $host -d >/tmp/client 2>&1 &
		client=\$!
		retry connected /tmp/client
		mark connected\$((round += 1)); wait_line
		[ "\$word" = told ] || kill -9 \$client || true
	done
	ends \$client /tmp/client
	grep 'DISCONNECT EVENT' /tmp/client

	rping -s -a $own >/tmp/server 2>&1 &
	server=\$!
	rping -c -a $host -d >/tmp/client 2>&1 &
	client=\$!
	retry connected /tmp/client
	rmmod bypass_rdma_cm 2>/dev/null || true
	grep bypass_rdma_cm /proc/modules
	device=\$(basename /sys/bus/virtio/drivers/bypass_rdma/virtio*)
	echo "\$device" >/sys/bus/virtio/drivers/bypass_rdma/unbind
	ends \$server /tmp/server && ends \$client /tmp/client
	grep 'device removal' /tmp/server /tmp/client
	echo "\$device" >/sys/bus/virtio/drivers/bypass_rdma/bind

	ucma-hostile $own $seconds >/tmp/hostile
	cat /tmp/hostile
	if grep -E 'command (0|1|5|7|14|18) accepted 0 ' /tmp/hostile; then exit 1; fi
	ucma-hostile $own 100 >/dev/null &
	sleep 2
	kill -9 \$!
	wait
	ibv_asyncwatch -d rxe0 & # says each event at once, as the console is a terminal
	watcher=\$!
	mark attacked; wait_line

	timeout 20 rping -s -a $own 2>&1 | grep 'bind_addr: Cannot assign requested address'
	if has_gid; then exit 1; fi
	mark gone; wait_line
	retry has_gid
	kill \$watcher

	rping -s -a $own >/tmp/server 2>&1 &
	server=\$!
	mark listens; wait_line
	ends \$server /tmp/server
	grep 'device removal' /tmp/server
END

make_guest other <<-END
	modprobe bypass_rdma_cm
	rping -c -a $host -d >/tmp/client 2>&1 &
	retry connected /tmp/client
	mark connected
	wait_line
END

# ids N: the host's rdma_cm has N ids on the HCA.
ids() { [ "$(rdma resource show cm_id | grep -c 'link rxe0')" = "$1" ] || { rdma resource show cm_id && return 1; }; }
serve() {
	rping -s -a $host -d >server.out 2>&1 &
	server=$!
	at_exit "kill $server 2>/dev/null || true"
}

options=rxe0,trust-guest,addr=$own
serve
vmm_guest guest
check "the guest" wait_mark guest 180 up
send_line guest go
# The kernel's CM tells the peer of a killed program once, by a datagram that nobody repeats (DREQ). When the host's id of
# the guest is connected no longer, the datagram has come, and the slice has to tell the guest.
told() { ! rdma resource show cm_id | grep 'link rxe0.*state CONNECT' >/dev/null; }
for try in 1 2 3; do
	check "it connects" wait_mark guest 60 connected$try
	kill -KILL $server
	wait $server || true
	word=told
	wait_for 20 told || word=again
	serve
	send_line guest $word
	[ $word = again ] || break
	echo "the host's CM has not heard of the killed program"
	rdma resource show cm_id
done
check "the host's CM has heard that the peer is killed" test $word = told
check "the peer is killed, the device removed, a hostile process killed" wait_mark guest 240 attacked
kill $server 2>/dev/null || true
check "nothing is left of them" wait_for 60 ids 0

check "a program of the guest waits for events" wait_for 60 grep -q 'async event FD' guest.console
check "the guest's address is taken away" ip addr del $own/24 dev "$netdev"
send_line guest go
check "it can listen no more, and has one GID less" wait_mark guest 120 gone
check "the program hears of it" wait_for 60 grep -q 'event.*GID' guest.console
ip addr add $own/24 dev "$netdev"
send_line guest go
check "the address is back: it listens" wait_mark guest 120 listens
check "the host has its listener" wait_for 60 ids 1

serve
vmm_guest other
check "another guest connects" wait_mark other 180 connected
kill -KILL "${pids[other]}"
check "its VMM is killed: the server hears of it" wait_for 60 grep -q 'DISCONNECT EVENT' server.out
kill $server 2>/dev/null || true
check "nothing is left of the other guest" wait_for 60 ids 1

vmm=${pids[guest]}
remove_hca
send_line guest go
check "the HCA is removed: the listener hears of it" ended guest 120
check "nothing is left on the host" test -z "$(rdma resource show cm_id | grep 'link rxe0')"
