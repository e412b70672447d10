#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bypass run gives the host back, however the command ends, and however it ends itself.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
remember_host

names() {
	# shellcheck disable=SC2016 # for the command
	bypass run "$nvme=2" "$edu" -- sh -c 'echo "$BYPASS_SLICES" "{0},{2}" {3} {x}' >out
	vf=${nvme%.*}.1
	[ "$(cat out)" = "$vf ${nvme%.*}.2 $edu $vf,$edu {3} {x}" ] || { cat out; return 1; }
}
check "the command is told which slices it has" names
check "the host is as it was" host_restored

ends_with() { # STATUS COMMAND...
	local wanted=$1 status=0
	shift
	bypass run "$nvme=1" -- "$@" >/dev/null 2>&1 || status=$?
	[ $status = "$wanted" ] || fail "status $status, not $wanted"
	host_restored
}
check "a command that fails" ends_with 7 sh -c 'exit 7'
check "a command that is killed" ends_with 137 sh -c 'kill -9 $$'
check "a command that is not there" ends_with 127 /no/such/command
check_error "a function that cannot be carved" "no PCI function" \
	bypass run "$nvme=1" 7f:00.0 -- true
check "what was carved before is given back" host_restored
check_error "no command" "say '--' and the command" bypass run "$nvme=1"
check_error "no functions" "say which functions" bypass run -- true

# A VMM that has a slice open when the signal comes.
start() {
	rm -f pid
	# What a shell runs in the background ignores SIGINT, and so would all below it.
	env --default-signal=INT bypass run "$edu" -- bash -c "
		exec 9<>/dev/vfio/\$(basename \$(readlink /sys/bus/pci/devices/{0}/iommu_group))
		echo \$\$ >pid
		exec sleep 1000" &
	run=$!
	check "the command runs" wait_for 20 test -s pid
}
for signal in TERM INT HUP; do
	start
	kill -$signal $run
	status=0
	wait $run || status=$?
	check "SIG$signal reaches the command" test $status = $((128 + $(kill -l $signal)))
	check "the host is as it was" host_restored
done

start
kill -KILL $run
wait $run || true
gone() { ! kill -0 "$(cat pid)" 2>/dev/null; }
check "killed itself, it takes the command along" wait_for 10 gone
left() { bypass status | grep "$edu.*carved"; }
check "the ledger keeps what is to be undone" left
check "release does it" bypass release --all
check "the host is as it was" host_restored
