# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# What a guest with a slice of `bypass serve --vfio-user` lives through: panic and reboot with queues
# open, with `kexec` another kernel likewise, and 600 queue pairs. Sourced after rdma.sh and rdma-traffic.sh. `resets` and
# `pairs`, those of each of two processes, say how many of them.

options=rxe0,qps=640,cqs=640,mrs=1000
memory=1G
resets=${resets:-$(repetitions 2 10)} pairs=${pairs:-300}

. "${BASH_SOURCE[0]%/*}/kexec.sh"

# make_living_guest STEPS: what the guest does in the end.
make_living_guest() {
	{
		echo "$functions"
		echo "pairs=$pairs"
		cat <<-'END'
			set -e
			mark up
			read -r kind
			if [ "$kind" != live ]; then
				traffic -e
				mark talking
				wait_line
				case $kind in
				panic) echo c >/proc/sysrq-trigger ;;
				reboot) reboot -f ;;
				kexec) second_kernel ;;
				esac
				sleep 60
			fi
			rdma-pairs rxe0 $pairs 5 >/tmp/pairs &
			retry rdma-pairs rxe0 $pairs 5 127.0.0.1
			wait $!
			mark pairs
		END
		echo "$1"
	} | make_guest guest --with rdma-pairs --with kexec
	[ -z "${kexec:-}" ] || carry_kernel guest
}

# The host has what it had when a guest was up that did nothing.
idle='' # that
held_as_idle() { [ "$(resources)" = "$idle" ] || { resources && return 1; }; }

# times WORD N: the guest has marked WORD N times or more.
times() { [ "$(grep -c "^mark: $1" guest.console)" -ge "$2" ]; }

reset_guest() {
	local kind last=$((resets + 1))
	[ -z "${kexec:-}" ] || last=$((last + 1))
	for i in $(seq $((last - 1))); do
		kind=reboot
		[ $((i % 2)) = 0 ] || kind=panic
		[ "$i" -le "$resets" ] || kind=kexec # not a reset
		wait_for 400 times up "$i" || fail "boot $i"
		idle=$(resources)
		send_line guest $kind
		wait_for 400 times talking "$i" || fail "traffic in boot $i"
		! held_as_idle >/dev/null || fail "traffic in boot $i holds nothing"
		send_line guest go
	done
	check "boots, with queues open before, first by panic, then by reboot${kexec:+, in the end by kexec}: $last" \
		wait_for 400 times up "$last"
	[ -z "${kexec:-}" ] || check "what the first kernel had is gone" held_as_idle
	send_line guest live
	check "$((2 * pairs)) queue pairs in one guest" wait_mark guest 800 pairs
}
