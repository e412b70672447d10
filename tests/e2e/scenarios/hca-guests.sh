#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The ConnectX model as the HCA of guests on a host that has none: two under bypass-vmm and two under QEMU,
# of two kernels, with the kernel's own mlx5_ib. Programs between them, data checked; what the data path
# costs in exits; and what the model costs while nothing happens. In the short form one pair of guests has two of
# the five programs.
#
# timeout: 2400
# long: 3600

hca=''
. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/exits.sh"

operations=$(repetitions 1000 20000)
memory=384M
carve_networks 2
check "the host has no HCA" test -z "$(ls /sys/class/infiniband 2>/dev/null)"

# A guest does what it is told, a line at a time.
follow() {
	local n=0 line
	while read -r line && [ "$line" != over ]; do
		n=$((n + 1))
		eval "$line" && mark "answer $n yes" || mark "answer $n no"
	done
}
guest_functions+=(follow)
declare -A asked
ask() { # GUEST COMMAND...
	asked[$1]=$((${asked[$1]:-0} + 1))
	send_line "$1" "${*:2}"
}
answered() { # GUEST SECONDS
	check "$1 answers" wait_mark "$1" "$2" "answer ${asked[$1]} "
	marked "$1" "answer ${asked[$1]} yes" || { tail -n 40 "$1.console"; fail "$1 fails"; }
}

programs="ibv_rc_pingpong -c -g 1 -n 50
ibv_rc_pingpong -e -c -g 1 -n 50
ib_write_lat -F -x 1 -n 50
ib_send_bw -F -x 1 -n 50 -s 65536
ib_atomic_lat -F -x 1 -n 50"
few=$(repetitions "$(sed -n '2p;4p' <<<"$programs")" "$programs")
guest() { # NAME ADDRESS ROUTE
	make_guest "$1" --hca --with rdma-operations --with rdma-pairs <<-END
		network $2
		${3:-true}
		grep -q ACTIVE /sys/class/infiniband/mlx5_0/ports/1/state || exit
		mark_bars mlx5_0
		mark up
		follow
	END
}
route="ip route add default via 10.0.2.2" # QEMU's network shows the others' own addresses
guest one 10.7.0.2
programs=$few guest three 10.0.2.15 "$route"
kernel=/guest-6.1
programs=$few guest two 10.7.0.3
guest four 10.0.2.15 "$route"

bypass-hca --socket "$PWD"/one.sock --socket "$PWD"/two.sock --socket "$PWD"/three.sock \
	--socket "$PWD"/four.sock 2>model.serve &
model=$!
at_exit "kill $model 2>/dev/null || true"
check "the model" wait_for 10 test -S four.sock
hca_qemu() {
	start_qemu "$1" -no-reboot -device pcie-root-port,id=slot1,chassis=1,slot=1 \
		-device "$(vfio_device "$1")"
}
start_guest two --cpus 1 --mem $memory --slice "vfio-user:$PWD/two.sock" --slice "${vfs[1]}"
hca_qemu four
kernel=/guest
start_guest one --cpus 1 --mem $memory --slice "vfio-user:$PWD/one.sock" --slice "${vfs[0]}"
hca_qemu three
for name in one two three four; do
	check "$name is up" wait_mark $name 480 up
done

between() { # SERVER CLIENT ADDRESS
	ask "$1" "run_programs && rdma-pairs mlx5_0 16 20"
	ask "$2" "run_programs $3 && rdma-pairs mlx5_0 16 20 $3"
}
between one four 10.7.0.2
answered four 1000
answered one 400
between two three 10.7.0.3
answered three 1000
answered two 400

# The model's CPU time, in microseconds
cpu() { awk '{ print int($1 / 1000) }' "/proc/$model/schedstat"; }
for name in one two three four; do
	ask $name "rdma-operations mlx5_0 $operations poll"
done
for name in one two three four; do
	check "$name has queues" wait_mark $name 480 poll-ready
done
# What others take of the machine counts as the model's time, so that the least of several is nearest to the truth.
for try in {1..8}; do
	before=$(cpu)
	sleep 10
	idle=$(($(cpu) - before))
	echo "idle for 10 s, with queues: $idle us of CPU"
	[ $idle -ge 100000 ] || break
done
check "an idle model takes less than 1 % of a CPU" test $idle -lt 100000

# What is trapped on the data path: writes. What mlx5_core's health check does meanwhile: reads.
trace_exits
for name in one two three four; do
	echo >$tracing/trace
	send_line $name go
	check "$operations sends and receives in $name" wait_mark $name 600 poll-finished
	echo "$name: $(exits_at $name write) exits to user space for writes, $(exits_at $name read) for reads of registers"
	traced_exits | sort | uniq -c
	check "no exit by the data path" test "$(exits_at $name write)" = 0
	send_line $name go
	answered $name 120
	send_line $name over
	check "$name ends" ended $name 400
done
kill $model
wait $model || fail "the model ends with status $?"
cat model.serve
