# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# A guest that attacks the device of its slice, for both ways into a VM, and one beside it that
# must not notice. Sourced after rdma.sh.

# Nothing that a guest writes reaches the host's kernel unchecked; few objects and little shared memory,
# so that their limits are met.
options=rxe0,qps=64,mrs=64,shm=4M
programs='ibv_rc_pingpong -c -g 1 -n 100'

# How long the attack lasts.
seconds=$(repetitions 20 600)

# In a guest: one run of a program with itself, by events.
talk_to_self() {
	ibv_rc_pingpong -e -c -g 1 -n 100 >/tmp/server 2>&1 &
	retry ibv_rc_pingpong -e -c -g 1 -n 100 127.0.0.1 >/tmp/client 2>&1 && wait $! &&
		! grep '^invalid data' /tmp/server && return
	cat /tmp/server /tmp/client
	return 1
}

make_bystander() {
	{
		declare -f talk_to_self
		cat <<-'END'
			until read -r -t 1 word; do
				talk_to_self || { mark harmed; exit 1; }
				mark run
			done
		END
	} | make_guest bystander
}

# make_attacker [OPTION of rdma-hostile]: before the attack and after it, the driver does its work.
make_attacker() {
	{
		declare -f talk_to_self
		echo "attack() { rdma-hostile $* \"\$device\" \$1; }"
		echo "seconds=$seconds"
		cat <<-'END'
			set -e
			talk_to_self
			rmmod bypass_rdma
			device=$(dirname "$(grep -lE '0x(106a|1055)' /sys/bus/pci/devices/*/device)")
			cd /sys/bus/pci/drivers/virtio-pci
			echo "${device##*/}" >unbind
			attack 5
			mark warm; wait_line
			attack $seconds
			mark over; wait_line
			echo "${device##*/}" >bind
			modprobe bypass_rdma
			talk_to_self
		END
	} | make_guest attacker --with rdma-hostile
}

make_peaceful() { # NAME
	{
		declare -f talk_to_self
		echo talk_to_self
	} | make_guest "$1"
}

# What a process has: its own memory in KiB, mappings, files.
footprint() {
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
	wc -l <"/proc/$1/maps"
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

# From the footprint `before` to `after`.
no_growth() {
	echo "before: ${before[*]}, after: ${after[*]} (KiB, mappings, files)"
	check "no growth of memory" test $((after[0] - before[0])) -lt 1024
	check "no growth of mappings" test $((after[1] - before[1])) -lt 8
	check "no growth of files" test "${after[2]}" -le "${before[2]}"
}

# Between two runs of the bystander the HCA has nothing but the two open contexts.
both_idle() { [ "$(resources)" = "${untouched/ctx 0/ctx 2}" ] || { resources && return 1; }; }

runs() { grep -c '^mark: run' bystander.console; }

# A VMM that is not ours may end under the attack. Its service must not, and has the next guest for it.
another_attacker() {
	[ -n "${pids[attacker.serve]:-}" ] && ! kill -0 "${pids[attacker]}" 2>/dev/null || return 1
	echo "QEMU ended under the attack; another one"
	qemu_guest attacker
	wait_mark attacker 600 warm && send_line attacker go
}

# attack PID: the attack of the attacker, from its `warm` to its `over`; PID has its slice.
attack() {
	local pid=$1 before after first
	check "the attacker has had its first go" wait_mark attacker 600 warm
	check "of which nothing is left" wait_for 60 both_idle
	mapfile -t before < <(footprint "$pid")
	first=$(runs)
	send_line attacker go
	until wait_mark attacker $((seconds + 570)) over; do
		another_attacker || break
	done
	check "$seconds s of it" marked attacker over
	mapfile -t after < <(footprint "$pid")
	grep '^hostile:' attacker.console
	check "of which nothing is left" wait_for 60 both_idle
	no_growth
	echo "$(($(runs) - first)) runs of the bystander"
	check "the bystander had its traffic" test $(($(runs) - first)) -gt 2
	check "all commands, accepted and refused" deep
}

# The attack got as far as a driver, with each command.
deep() {
	local lines
	lines=$(tr -d '\r' <attacker.console | sed '0,/^mark: warm/d' | grep '^hostile: [A-Z_]* accepted')
	[ "$(grep -c '_MW accepted 0 ' <<<"$lines")" = 2 ] || return 1 # there are none
	lines=$(grep -v '_MW ' <<<"$lines")
	[ "$(wc -l <<<"$lines")" = 28 ] && ! grep -E ' (accepted|refused) 0( |$)' <<<"$lines"
}

end_bystander() {
	send_line bystander stop
	check "the bystander noticed nothing" ended bystander 120
}
