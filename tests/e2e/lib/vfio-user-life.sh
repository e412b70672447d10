# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# What a guest with a slice of `bypass serve --vfio-user` lives through: panic and reboot with queues
# open, and 600 queue pairs. Sourced after rdma.sh and rdma-traffic.sh. `resets` and `pairs`, those of each of
# two processes, say how many of them.

options=rxe0,qps=640,cqs=640,mrs=1000
memory=1G
resets=${resets:-$(repetitions 2 10)} pairs=${pairs:-300}

# make_living_guest STEPS: what the guest does in the end.
make_living_guest() {
	{
		echo "$functions"
		echo "pairs=$pairs"
		cat <<-'END'
			set -e
			mark up
			read -r word
			case $word in
			panic | reboot)
				traffic -e
				mark talking
				wait_line
				[ "$word" = reboot ] || echo c >/proc/sysrq-trigger
				reboot -f
				sleep 60
				;;
			esac
			rdma-pairs rxe0 $pairs 5 >/tmp/pairs &
			retry rdma-pairs rxe0 $pairs 5 127.0.0.1
			wait $!
			mark pairs
		END
		echo "$1"
	} | make_guest guest --with rdma-pairs
}

# times WORD N: the guest has marked WORD N times or more.
times() { [ "$(grep -c "^mark: $1" guest.console)" -ge "$2" ]; }

reset_guest() {
	local kind
	for i in $(seq "$resets"); do
		kind=reboot
		[ $((i % 2)) = 0 ] || kind=panic
		wait_for 400 times up "$i" || fail "boot $i"
		send_line guest $kind
		wait_for 400 times talking "$i" || fail "traffic in boot $i"
		send_line guest go
	done
	check "resets with queues open, the first by panic, the second by reboot: $resets" wait_for 400 times up $((resets + 1))
	send_line guest live
	check "$((2 * pairs)) queue pairs in one guest" wait_mark guest 800 pairs
}
