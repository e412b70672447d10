# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# For scenarios on functions of the ConnectX model: programs between mlx5_0 and mlx5_1.

. "${BASH_SOURCE[0]%/*}/hca-control.sh"

port=18515
listening() { ss -Hltn "sport = :$port" | grep -q .; }

# between ARG1 ARG2 PROGRAM ARG...: PROGRAM's server with ARG1, its client with ARG2, and nothing wrong
between() {
	local server status=0
	# shellcheck disable=SC2086 # several words, or none
	timeout 300 "$3" $1 "${@:4}" >server.log 2>&1 </dev/null &
	server=$!
	wait_for 120 listening || { cat server.log; fail "${*:3}: the server does not listen"; }
	# shellcheck disable=SC2086
	timeout 300 "$3" $2 "${@:4}" localhost >client.log 2>&1 </dev/null || status=$?
	wait $server || status=$?
	# Of wrong data -c only speaks.
	! grep '^invalid data' server.log client.log || status=1
	[ $status = 0 ] || { cat server.log client.log; fail "${*:3}: status $status"; }
	echo "ok: ${*:3}"
}

# pair PROGRAM ARG...: a pingpong, or a program of perftest
pair() { between "-d mlx5_0" "-d mlx5_1" "$@"; }

# begin_pair PROGRAM ARG...: the same, not waited for; %1 is the server, %2 the client
begin_pair() {
	"$1" -d mlx5_0 "${@:2}" >server.log 2>&1 &
	wait_for 120 listening || { cat server.log; fail "$*: the server does not listen"; }
	"$1" -d mlx5_1 "${@:2}" localhost >client.log 2>&1 &
	sleep 2
	[ "$(jobs -r | wc -l)" = 2 ] || { cat server.log client.log; fail "$* has ended"; }
}

# They have had their error, or end now.
end_pair() {
	kill -KILL %1 2>/dev/null || true
	kill -KILL %2 2>/dev/null || true
	wait || true
}

# A driver that goes away takes its programs' queues with it. They end, and the driver comes back.
rebind_under_traffic() {
	local function driver=/sys/bus/pci/drivers/mlx5_core
	function=$(basename "$(readlink -f /sys/class/infiniband/mlx5_1/device)")
	begin_pair ib_write_bw -F -D 60
	check "a driver is unbound under traffic" timeout 240 sh -c "echo $function >$driver/unbind"
	end_pair
	check "and bound again" timeout 240 sh -c "echo $function >$driver/bind"
	check "mlx5_1 is there again" wait_for 120 active mlx5_1
}

# A program can use it: its port is in sysfs before its file in /dev/infiniband is there.
active() { ibv_devinfo -d "$1" | grep PORT_ACTIVE; }
down() { grep -q DOWN "/sys/class/infiniband/$1/ports/1/state"; }

no_complaints() {
	! dmesg | grep -E "$kernel_trouble|WARNING: CPU" || fail "the kernel complains"
}

check "mlx5_0 is there" wait_for 120 active mlx5_0
check "mlx5_1 is there" wait_for 120 active mlx5_1

# use_release_12: from here on, the RDMA libraries and programs of Debian 12 stand in for this release's.
use_release_12() {
	local from=/guest-6.1/rdma-core lib=/usr/lib/x86_64-linux-gnu provider
	# Some providers are links to libraries beside their folder.
	mkdir providers
	for provider in $from$lib/libibverbs/*; do
		ln -s "$(readlink -f "$provider")" "providers/${provider##*/}"
	done
	mount --bind providers $lib/libibverbs
	at_exit "umount $lib/libibverbs"
	mount --bind $from/etc/libibverbs.d /etc/libibverbs.d
	at_exit "umount /etc/libibverbs.d"
	export PATH=$from/usr/bin:$PATH LD_LIBRARY_PATH=$from$lib
	check "libibverbs is Debian 12's" grep -q "$from" <(ldd "$(command -v ibv_rc_pingpong)")
}

# What each kernel and each rdma-core is tried with
short_list() {
	local options
	check "the functions are described" ibv_devinfo -v
	for options in "" "-e"; do
		# shellcheck disable=SC2086 # none, or one
		for program in "ibv_rc_pingpong -c" "ibv_uc_pingpong -c" "ibv_ud_pingpong -c -s 1024" \
			"ibv_srq_pingpong -c"; do
			pair $program -n 100 $options
		done
	done
	pair ibv_xsrq_pingpong -n 100
	pair ib_send_lat -F -n 50 -c UD -s 1024
	pair ib_write_lat -F -n 50 -I 64 -s 64
	pair ib_read_bw -F -n 50 -q 16
	pair ib_send_bw -F -n 50 -e --use-srq -q 4
	pair ib_write_bw -F -n 5 -s 8388608 -c UC
	pair ib_atomic_bw -F -n 50 -A CMP_AND_SWAP
}
