# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034
#
# SIGKILL at the fault points of carving and releasing: each one in the long form of a scenario, each fourth from one of
# the first four in the short form. Sourced after carving.sh. What the ledgers said after each kill is in `states`.

fault=/usr/local/lib/testbed/bypass-fault
stride=$(repetitions 4 1)
states=

# Runs COMMAND with one fault point after the other until it gets through. Before each, PREPARE.
kill_at_points() { # WHAT PREPARE COMMAND...
	local what=$1 prepare=$2 point status state points=()
	shift 2
	for ((point = 1 + RANDOM % stride; ; point += stride)); do
		$prepare >/dev/null
		status=$({ BYPASS_FAULT_POINT=$point "$fault" "$@" >&2; echo $?; } 2>/dev/null)
		[ "$status" != 0 ] || break
		[ "$status" = 137 ] || fail "$what: point $point: status $status, not killed"
		state=$(state)
		bypass release --all >/dev/null || fail "$what: point $point: cannot release ($state)"
		rm -f /run/bypass/*.lock /run/bypass/*.new
		host_restored || fail "$what: point $point: the host is not as it was ($state)"
		states="$states ${state:-nothing}"
		points+=("$point")
	done
	bypass release --all >/dev/null
	[ $point -gt 8 ] || fail "$what: only $point points"
	echo "ok: $what: killed at points ${points[*]}, each time put back [$SECONDS s]"
}

# What the ledger says, without the time that the command takes.
state() { sed -n 's/^ *"state": *"\(.*\)",/\1/p' /run/bypass/*.json 2>/dev/null || true; }
