# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# A guest that attacks the device of its slice, for both ways into a VM, and one beside it that
# must not notice. Sourced after rdma.sh.

# Nothing that a guest writes reaches the host's kernel unchecked; few objects and little shared memory,
# so that their limits are met.
options=$hca,qps=64,mrs=64,shm=4M
programs='ibv_rc_pingpong -c -g 1 -n 100'

# How long the attack lasts: the long one 600 s of the machine, also where the clock is slow.
seconds=${seconds:-$(repetitions 20 $((600 / slow)))}

# In a guest: one run of a program with itself, by events; on each HCA in turn.
talk_to_self() {
	for hca in /sys/class/infiniband/*; do
		set -- -d "${hca##*/}" -e -c -g 1 -n 100
		ibv_rc_pingpong "$@" >/tmp/server 2>&1 &
		retry ibv_rc_pingpong "$@" 127.0.0.1 >/tmp/client 2>&1 && wait $! &&
			! grep '^invalid data' /tmp/server && continue
		cat /tmp/server /tmp/client
		return 1
	done
}

# It has traffic from "go" to "pause": all the time, guests beside it would take minutes to boot.
make_bystander() {
	{
		declare -f talk_to_self
		cat <<-'END'
			run() {
				talk_to_self || { mark harmed; exit 1; }
				mark run
			}
			run
			while read -r word && [ "$word" = go ]; do
				until read -r -t 1 word; do
					run
				done
			done
		END
	} | make_guest bystander
}

# make_attacker [OPTION of rdma-hostile]: before the attacks and after them, the driver does its work. First of all
# a program may use the driver as it should not: `misdeeds`. The second slice, if any, is one with trust-guest.
make_attacker() {
	{
		declare -f talk_to_self
		echo "attack() { rdma-hostile $* \$1 \$2; }"
		echo "seconds=$seconds misdeeds='${misdeeds:-}'"
		cat <<-'END'
			set -e
			talk_to_self
			$misdeeds
			rmmod bypass_rdma
			set -- $(grep -lE '0x(106a|1055)' /sys/bus/pci/devices/*/device | sed 's|/device$||')
			cd /sys/bus/pci/drivers/virtio-pci
			for device; do
				echo "${device##*/}" >unbind
			done
			attack $1 5
			[ -z "$2" ] || attack "--only-commands $2" 5
			mark warm
			while wait_line && [ "$word" != end ]; do
				echo "== $word"
				case $word in
				trusted*) attack "--only-commands $2" $seconds ;;
				*) attack $1 $seconds ;;
				esac
				mark "over $word"
			done
			for device; do
				echo "${device##*/}" >bind
			done
			modprobe bypass_rdma
			talk_to_self
		END
	} | make_guest attacker --with rdma-hostile ${misdeeds:+--with "${misdeeds%% *}"}
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

# While the bystander rests the HCA has nothing but the open contexts, one a slice.
contexts=2
both_idle() { [ "$(resources)" = "${untouched/ctx 0/ctx $contexts}" ] || { resources && return 1; }; }

runs() { grep -c '^mark: run' bystander.console; }

# A VMM that is not ours may end under the attack. Its service must not, and has the next guest for it.
another_attacker() { # ATTACK
	[ -n "${pids[attacker.serve]:-}" ] && ! kill -0 "${pids[attacker]}" 2>/dev/null || return 1
	echo "QEMU ended under the attack; another one"
	qemu_guest attacker
	wait_mark attacker 600 warm && send_line attacker "$1"
}

# One attack of $seconds, or as long as the attacker needs to meet each command.
attack_once() { # ATTACK
	send_line attacker "$1"
	until wait_mark attacker $((3 * seconds / 2 + 560)) "over $1"; do
		another_attacker "$1" || break
	done
	check "$seconds s of it" marked attacker "over $1"
}

# attack PID KIND: the attacker attacks its guarded slice, or the trusted one, for as long as the bystander needs
# for three runs; PID has the slices.
attack() {
	local pid=$1 kind=$2 before after first round
	check "the attacker has had its first go" wait_mark attacker 600 warm
	check "of which nothing is left" wait_for 60 both_idle
	mapfile -t before < <(footprint "$pid")
	first=$(runs)
	send_line bystander go
	for ((round = 1; round < 10 && $(runs) - first < 3; round++)); do
		attack_once "$kind $round"
	done
	send_line bystander pause
	mapfile -t after < <(footprint "$pid")
	reports "$kind"
	check "of which nothing is left" wait_for 60 both_idle
	no_growth
	echo "$(($(runs) - first)) runs of the bystander"
	check "the bystander had its traffic" test $(($(runs) - first)) -gt 2
	# A command to a ConnectX in software takes long: few minutes are not enough for all.
	[ "$hca" != rxe0 ] && [ -z "${LONG:-}" ] || check "all commands, accepted and refused" deep "$kind"
}

# What the attacks of a kind have counted.
reports() { # KIND
	tr -d '\r' <attacker.console | sed -n "/^== $1/,/^mark: over $1/p" | grep '^hostile:'
}

# The attack got as far as a driver, with each command that the slice offers.
deep() { # KIND
	reports "$1" | awk '
		$3 == "accepted" {
			accepted[$2] += $4
			refused[$2] += $6
			offered[$2] = !/not offered$/
		}
		END {
			for (command in refused) {
				commands++
				if (refused[command] && offered[command] == (accepted[command] > 0))
					continue
				print command, accepted[command], refused[command]
				missing = 1
			}
			exit missing || !commands
		}'
}

end_bystander() {
	send_line bystander stop
	check "the bystander noticed nothing" ended bystander 120
}
