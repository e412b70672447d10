# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# A shell on the second host, in which second-host.sh runs: with the HCA that `hca` names, see rdma.sh. Sourced after
# checks.sh and before what takes time, as the second host begins at once.

coproc SECOND { exec on 2 env ${hca+"hca=$hca"} "${0%/*}/../lib/second-host.sh" 2>&1; }
# shellcheck disable=SC2153 # of coproc
second_pid=$SECOND_PID
exec {from_second}<&"${SECOND[0]}" {to_second}>&"${SECOND[1]}"
eval "exec ${SECOND[1]}>&-" # or else closing the copy would not end the shell

# What the second host says until it is done; fails if its shell has ended.
answer() {
	local line
	while read -rt $((slow * 600)) -u "$from_second" line; do
		[ "$line" != "second: done" ] || return 0
		echo "  second host: $line"
	done
	return 1
}

# second COMMAND...: there, in the shell. ask COMMAND...: without waiting for the answer.
ask() { printf '%q\n' "$*" >&"$to_second"; }
second() {
	ask "$@"
	answer
}

# second_leaves: its shell ends and cleans up.
second_leaves() {
	exec {to_second}>&-
	answer || true
	wait "$second_pid"
}
