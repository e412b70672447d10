#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 900
# long: 3600
#
# Rounds of carving and releasing leave no trace, and one round leaks nothing. In the long form list and status
# leak nothing either.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
remember_host

count=$(repetitions 3 50)
rounds() { # FUNCTION OPTION...
	local function=$1 round
	shift
	for ((round = 1; round <= count; round++)); do
		bypass carve "$function" "$@" >/dev/null 2>&1 || fail "round $round: carve"
		bypass release "$function" >/dev/null || fail "round $round: release"
	done
}
check "$count rounds on an NVMe controller" rounds "$nvme" --vfs 2
check "the host is as it was" host_restored
check "$count rounds on an igb" rounds "$igb" --vfs 2 --mac 02:00:00:00:00:01,02:00:00:00:00:02
check "the host is as it was" host_restored

leak_free() {
	valgrind --quiet --leak-check=full --track-fds=yes --error-exitcode=9 bypass "$@" >log 2>&1
	# Three descriptors are everyone's; valgrind has some of its own.
	! grep -E 'Open file descriptor ([3-9]|[1-9][0-9])+:' log | grep -v inherited
}
for function in $(repetitions "$igb" "$igb $nvme"); do
	check "no leak in carve $function" leak_free carve "$function" --vfs 2 --name leak
	[ -z "${LONG:-}" ] || {
		check "no leak in list" leak_free list --json
		check "no leak in status" leak_free status
	}
	check "no leak in release" leak_free release leak
done
check "the host is as it was" host_restored
