# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# What scenarios with guests on an HCA share: the HCA, networks for the guests' TCP, guests under bypass-vmm and
# under QEMU. The HCA is rxe on the igb adapter, or the one that the host already has and `hca` names. An empty
# `hca` means none. Sourced after checks.sh.
#
# The host is 10.7.0.1, unless `host` says otherwise. Guests under bypass-vmm have a VF of the adapter and an
# address beside it, guests under QEMU have QEMU's own network, where the host is 10.0.2.2.

hca=${hca-rxe0}
options=$hca
host=${host:-10.7.0.1}
serve_id=21	# QEMU has no name for 42

. "${BASH_SOURCE[0]%/*}/guests.sh"
adapter=$(basename "$(dirname "$(dirname "$(ls -d /sys/bus/pci/drivers/igb/*/net/*)")")")
netdev=$(ls "/sys/bus/pci/devices/$adapter/net")
at_exit "ip addr flush dev $netdev; ip link set $netdev down; sysctl -q net.ipv6.conf.$netdev.disable_ipv6=0"
at_exit "tail -n 25 ./*.console ./*.stderr ./*.serve 2>/dev/null || true" # seen if the scenario fails
sysctl -q "net.ipv6.conf.$netdev.disable_ipv6=1" # so that GID 1 is the IPv4 address
ip link set "$netdev" up
ip addr add $host/24 dev "$netdev"
check "the link is up" wait_for 20 grep -qx 1 "/sys/class/net/$netdev/carrier"
active() { ibv_devinfo -d "$hca" | grep PORT_ACTIVE; }
# The driver of mlx5 makes objects of its own with the first queue of anybody.
first_queue() {
	timeout 60 ibv_rc_pingpong -d "$hca" -n 1 &
	wait_for 30 ibv_rc_pingpong -d "$hca" -n 1 localhost && wait $!
}
if [ "$hca" = rxe0 ]; then
	options+=,trust-guest
	modprobe -a crc32_generic rdma_rxe
	at_exit "rdma link delete rxe0 2>/dev/null || true"
	rdma link add rxe0 type rxe netdev "$netdev"
	check "its HCA" wait_for 10 ibv_devinfo -d rxe0
elif [ -n "$hca" ]; then
	check "its HCA" wait_for 30 active
	check "its first queue" first_queue
fi

# What the host holds, to compare; without the index, which a device of the same name has anew.
resources() { rdma resource show "$hca" | sed "s/^[0-9]*: //"; }
untouched=$([ -z "$hca" ] || resources)
nothing_left() { [ "$(resources)" = "$untouched" ] || { resources && return 1; }; }

# The HCA is taken away; an adapter comes back with restore_hca.
remove_hca() {
	local driver=/sys/bus/pci/drivers/mlx5_core
	if [ "$hca" = rxe0 ]; then
		check "the HCA is removed" timeout 60 rdma link delete rxe0
		return
	fi
	function=$(basename "$(readlink -f "/sys/class/infiniband/$hca/device")")
	at_exit "[ -e $driver/$function ] || echo $function >$driver/bind"
	check "the HCA's driver is unbound" timeout 120 sh -c "echo $function >$driver/unbind"
}
restore_hca() {
	[ "$hca" != rxe0 ] || return 0
	check "the HCA's driver is bound again" timeout 120 sh -c "echo $function >/sys/bus/pci/drivers/mlx5_core/bind"
	check "the HCA is there again" wait_for 240 active
	check "its first queue" first_queue
	check "nothing is left on the host" nothing_left
}

# carve_networks N: VFs for N guests; their addresses in `vfs`.
carve_networks() {
	modprobe vfio-pci
	check "$1 VFs for the guests' TCP" bypass carve "$adapter" --vfs "$1" --name net
	at_exit "bypass release $adapter"
	mapfile -t vfs < <(bypass status --json | jq -r '.carvings[].slices[].address')
}

# What scripts of guests may use too.
# retry COMMAND...: until it works, for two minutes at the least.
retry() {
	for try in $(seq 400); do
		! "$@" || return 0
		sleep 0.3
	done
	return 1
}

# run_programs [SERVER]: those in $programs, one a line, in turn; as servers, or as clients that
# are given SERVER on top.
run_programs() {
	echo "$programs" | while read -r program; do
		echo "== $program"
		if [ $# -gt 0 ]; then
			retry timeout 60 $program "$1"
		else
			timeout 400 $program
		fi >"/tmp/out.$#" 2>&1 </dev/null || { cat "/tmp/out.$#" && exit 1; }
		! grep '^invalid data' "/tmp/out.$#" || exit 1 # of which -c only speaks
		tail -n 2 "/tmp/out.$#"
	done
}

# network ADDRESS: a guest's own.
network() {
	for net in /sys/class/net/e*; do
		ip link set "${net##*/}" up
		ip addr add "$1/24" dev "${net##*/}"
	done
	until grep -qx 1 /sys/class/net/e*/carrier; do
		sleep 0.2
	done
}

# slice_interface ADDRESS [OTHER VIA]...: in a guest. libfabric wants an interface with the slice's address. The way
# to another slice's address leads over the guests' network.
slice_interface() {
	modprobe -a bypass_rdma_cm dummy
	ip link set dummy0 up
	ip addr add "$1/32" dev dummy0
	shift
	while [ $# -gt 0 ]; do
		ip route add "$1" via "$2"
		shift 2
	done
}

# mark WORD: see wait_mark. wait_line: see send_line.
mark() { printf "\nmark: %s\n" "$*"; }
wait_line() { read -r word; }

pingpongs="ibv_rc_pingpong -c -g 1 -n 100
ibv_uc_pingpong -c -g 1 -n 100
ibv_ud_pingpong -c -g 1 -n 100
ibv_srq_pingpong -c -g 1 -n 100
ibv_rc_pingpong -e -c -g 1 -n 100"
programs=$pingpongs
guest_functions+=(retry run_programs network slice_interface mark wait_line)

memory=512M # of a guest
# Its CPUs. The emulated host has one, on which a guest with two takes twice as long or more until it is up. Scenarios
# about what happens at the same time ask for two, and get them but on the debug kernel.
vcpus=${vcpus:-1}
[ "$slow" = 1 ] || vcpus=1

# vmm_guest NAME [OPTION of bypass-vmm]...: with a slice of the HCA.
vmm_guest() {
	local name=$1
	shift
	start_guest "$name" --cpus "$vcpus" --mem "$memory" --rdma "$options" "$@"
}

# by_vfio_user NAME: the service of a slice for a guest of this name, unless there is one.
by_vfio_user() {
	[ "$hca" = rxe0 ] || opened=2 # the doorbell pages have a context of their own
	[ -n "${pids[$1.serve]:-}" ] || start_service "$1" --vfio-user --rdma "$options,vectors=2"
}

# socket_guest NAME [OPTION of bypass-vmm]...: with a slice of `bypass serve --vfio-user`.
socket_guest() {
	local name=$1
	shift
	by_vfio_user "$name"
	start_guest "$name" --cpus "$vcpus" --mem "$memory" --slice "vfio-user:$PWD/$name.sock" "$@"
}

# start_qemu NAME OPTION...: a guest under QEMU, whose monitor is at NAME.monitor. PORTS has the TCP
# ports at which the host's address leads to the guest.
start_qemu() {
	local name=$1 forward='' port
	shift
	for port in ${PORTS:-}; do
		forward+=",hostfwd=tcp:$host:$port-:$port"
	done
	in_background "$name" env LD_PRELOAD=$no_pv_eoi qemu-system-x86_64 -M q35,memory-backend=ram -accel kvm -cpu host -smp "$vcpus" \
		-m "$memory" -object "memory-backend-memfd,id=ram,size=$memory,share=on" -nodefaults \
		-nographic -serial stdio -monitor "unix:$name.monitor,server=on,wait=off" \
		-kernel "$kernel/vmlinuz" -initrd "$name.initrd" \
		-append "console=ttyS0 panic=-1 $arguments" \
		-netdev "user,id=net$forward" -device virtio-net-pci,netdev=net,romfile= \
		"$@"
}

# qemu_guest NAME [OPTION of QEMU]...: with a slice of `bypass serve` by vhost-user, which may have
# served a guest of that name before.
qemu_guest() {
	local name=$1
	shift
	[ -n "${pids[$name.serve]:-}" ] ||
		start_service "$name" --rdma "$options,id=$serve_id,vectors=2"
	start_qemu "$name" -no-reboot -chardev "socket,id=rdma,path=$PWD/$name.sock" \
		-device vhost-user-test-device-pci,chardev=rdma,virtio-id=$serve_id,num_vqs=5,config_size=96 \
		"$@"
}

# vfio_guest NAME [OPTION of QEMU]...: likewise, by vfio-user.
vfio_guest() {
	local name=$1
	shift
	by_vfio_user "$name"
	start_qemu "$name" -device pcie-root-port,id=slot1,chassis=1,slot=1 \
		-device "$(vfio_device "$name")" "$@"
}

vfio_device() { # NAME
	printf '{"driver":"vfio-user-pci","id":"slice","bus":"slot1",'
	printf '"socket":{"type":"unix","path":"%s"}}' "$PWD/$1.sock"
}

# rdma_guest NAME [OPTION]...: one of these, for scenarios that go through several ways.
way=${way:-vmm}
rdma_guest() { "${way}_guest" "$@"; }

# start_service NAME OPTION...: a slice at NAME.sock.
start_service() {
	local name=$1
	shift
	rm -f "$name.sock"
	bypass serve "$@" --socket "$PWD/$name.sock" >>"$name.serve" 2>&1 &
	pids[$name.serve]=$!
	at_exit "kill $! 2>/dev/null || true"
	check "the service for $name" wait_for 10 test -S "$name.sock"
}

# leaves_nothing NAME: what a service keeps for its next guest is its open HCA, and nothing else.
leaves_nothing() {
	if [ -n "${pids[$1.serve]:-}" ]; then
		check "the service holds nothing of its guest" wait_for 10 only_open
		kill "${pids[$1.serve]}"
		wait "${pids[$1.serve]}" || fail "the service ends with status $?"
	fi
	check "nothing is left on the host" nothing_left
}
opened=1 # contexts of one slice that nobody uses
only_open() { [ "$(resources)" = "${untouched/ctx 0/ctx $opened}" ]; }

# wake_ups NAME: how often the threads of the guest's slice, and the main thread of the slice's process, have slept
# so far.
wake_ups() {
	local task sum=0
	for task in /proc/"${pids[$1.serve]:-${pids[$1]}}"/task/*; do
		[[ $(<"$task/comm") != bypass* ]] ||
			sum=$((sum + $(sed -n 's/^voluntary_ctxt_switches:\t//p' "$task/status")))
	done
	echo $sum
}

marked() { printed "$1" "mark: $2" begins; }

# wait_mark NAME SECONDS WORD: until the guest says so; fails when it ends before that.
wait_mark() {
	local end=$((SECONDS + slow * $2))
	until marked "$1" "$3"; do
		kill -0 "${pids[$1]}" 2>/dev/null || return 1
		[ $SECONDS -lt $end ] || { stuck "$1"; return 1; }
		pause
	done
}

# how_ended NAME: a guest that reset itself leaves its VMM's status 0.
how_ended() {
	local status=0
	kill -0 "${pids[$1]}" 2>/dev/null && return
	wait "${pids[$1]}" || status=$?
	echo "its VMM ended with status $status"
}

# ended NAME SECONDS: it powered off, and its script had succeeded.
ended() {
	local end=$((SECONDS + slow * $2))
	while kill -0 "${pids[$1]}" 2>/dev/null && [ $SECONDS -lt $end ]; do
		pause
	done
	[ $SECONDS -lt $end ] || stuck "$1"
	tr -d '\r' <"$1.console" | grep -x 'guest: exit 0' >/dev/null || {
		tail -n 40 "$1.console"
		how_ended "$1"
		return 1
	}
	! tr -d '\r' <"$1.console" | grep -E "WARNING: |$kernel_trouble"
}
