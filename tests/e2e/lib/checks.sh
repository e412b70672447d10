# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# What scenarios are written with. A scenario sources it first: . "${0%/*}/../lib/checks.sh". It then runs
# with errexit, in a folder of its own, with the programs of tests/e2e/programs on PATH.

# check WHAT COMMAND...: COMMAND must succeed; its output is shown when it does not. The seconds are those since
# the scenario began.
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok: $what [$SECONDS s]"
	else
		echo "FAILED ($?): $what: $*"
		echo "$output"
		exit 1
	fi
}

# check_error WHAT PATTERN COMMAND...: COMMAND must fail with an explanation that matches PATTERN
# (an extended regular expression), and not by a signal.
check_error() {
	local what=$1 pattern=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	if [ $status -gt 0 ] && [ $status -lt 124 ] && grep -Eq -- "$pattern" <<<"$output"; then
		echo "ok: $what [$SECONDS s]"
	else
		echo "FAILED: $what: $*: status $status, no '$pattern' in:"
		echo "$output"
		exit 1
	fi
}

fail() {
	echo "FAILED: $*"
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# Lets others run for a fifth of a second. A process that sleeps, or looks for a word in a file, takes from a
# guest the one CPU that both have.
pause() { read -rt 0.2 <>/run/pause || true; }
[ -p /run/pause ] || mkfifo /run/pause # in which nobody writes

# How many times longer than usual all takes: more than once on the debug kernel.
slow=${SLOW:-1}

# wait_for SECONDS COMMAND...: until COMMAND succeeds.
wait_for() {
	local end=$((SECONDS + slow * $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		pause
	done
}

# repetitions SHORT LONG: how often a scenario repeats its subject. `make check` runs the short form,
# `make check-long` the long form.
repetitions() {
	[ -n "${LONG:-}" ] && echo "$2" || echo "$1"
}

# at_exit COMMAND: run when the scenario ends, however it ends; the last one given comes first. The
# scenario's status is in exit_status then.
at_exit() {
	exit_commands="$1; ${exit_commands:-}"
	# shellcheck disable=SC2064 # as it is now
	trap "exit_status=\$?; $exit_commands" EXIT
}

# What a kernel says that is not well, as an extended regular expression. A lock-up that is soft is
# the emulation's, and a general protection fault that goes on with its address a program's.
kernel_trouble='BUG: ([^s]|s[^o])|Oops|general protection fault[,:]'

# What the debug kernel says besides: UBSAN, lockdep, kmemleak, and whatever else warns.
debug_trouble="$kernel_trouble|UBSAN: |WARNING: |INFO: (possible|inconsistent|trying to register|task .* blocked)"
debug_trouble+="|kmemleak: [0-9]+ new"

# host_state: what a user of devices can change on a host, one line a fact; to compare.
host_state() {
	local pci=/sys/bus/pci/devices
	find $pci/*/driver -maxdepth 0 -printf '%p %l\n'
	grep -sH . $pci/*/{driver_override,sriov_numvfs,sriov_drivers_autoprobe,reset_method} \
		$pci/*/{enable,d3cold_allowed,msi_bus,power/control}
	find /sys/class/{net,nvme,infiniband}/ -mindepth 1 -printf '%p %l\n' 2>/dev/null
	return 0
}

if [ "${1:-}" != --functions ]; then
	set -euo pipefail
	PATH=/usr/local/lib/testbed/programs:/usr/local/lib/testbed/examples:$PATH
fi
