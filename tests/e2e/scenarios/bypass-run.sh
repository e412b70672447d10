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

check "a later carving of the same function is not its own" \
	bypass run "$edu" -- sh -c "bypass release $edu && bypass carve $edu --name later"
check "that one stays" bypass release later
check "the host is as it was" host_restored

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

# In a session of its own, on a terminal that goes away: the kernel tells the session's leader only.
cat >on_terminal <<-'END'
	#!/usr/bin/python3
	# on_terminal WHEN TYPE COMMAND...: runs COMMAND as the leader of a session on a terminal; when
	# the shell command WHEN succeeds, types TYPE, or if empty, takes the terminal away. Status: of
	# COMMAND; 99 when COMMAND does not end.
	import os, pty, subprocess, sys, time
	when, keys, command = sys.argv[1], sys.argv[2], sys.argv[3:]
	pid, terminal = pty.fork()
	if not pid:
	    os.execvp(command[0], command)
	while subprocess.call(when, shell=True, stderr=subprocess.DEVNULL):
	    time.sleep(0.02)
	if keys:
	    os.write(terminal, keys.encode())
	else:
	    os.close(terminal)
	for i in range(400):
	    ended, status = os.waitpid(pid, os.WNOHANG)
	    if ended:
	        sys.exit(os.waitstatus_to_exitcode(status) % 256)
	    time.sleep(0.05)
	sys.exit(99)
END
chmod +x on_terminal
on_terminal() { # STATUS WHEN TYPE COMMAND...
	local wanted=$1 status=0
	shift
	./on_terminal "$@" || status=$?
	[ $status = "$wanted" ] || fail "status $status, not $wanted"
	host_restored
}
rm -f pid
# shellcheck disable=SC2016 # for that shell
check "a terminal that goes away ends the command" on_terminal 129 'test -s pid' '' \
	bypass run "$nvme=1" -- sh -c 'echo $$ >pid; exec sleep 1000'
rm -f pid
# shellcheck disable=SC2016
check "Control-C reaches the command" on_terminal 130 'test -s pid' $'\003' \
	bypass run "$nvme=1" -- sh -c 'echo $$ >pid; exec sleep 1000'
begun="grep -qv '^0' /sys/bus/pci/devices/$nvme/sriov_numvfs"
check "Control-C while carving ends it" on_terminal 130 "$begun" $'\003' \
	bypass run "$nvme=4" "$igb=4" -- sh -c 'touch started; exec sleep 1000'
check "and the command does not start" test ! -e started

# Who starts us may have been told to ignore what we need, and it is inherited.
ignored() { timeout 60 env --ignore-signal=CHLD bypass run "$nvme=1" -- sh -c 'exit 7'; }
status=0
ignored || status=$?
check "SIGCHLD is ignored by whoever starts us" test $status = 7
check "the host is as it was" host_restored

# Nobody reads what carving says: it goes on to its end all the same.
piped() {
	bypass carve "$nvme" --vfs 2 --verbose 2>&1 >/dev/null | true
	[ "$(bypass status --json | jq -r '.carvings[].state')" = carved ]
	bypass release "$nvme" --verbose 2>&1 >/dev/null | true
	host_restored
}
check "SIGPIPE ends neither carve nor release" piped
quit() {
	# What a shell runs in the background ignores SIGQUIT.
	env --default-signal=QUIT bypass carve "$nvme" --vfs 4 >/dev/null &
	wait_for 20 sh -c "$begun"
	kill -QUIT $!
	wait $!
	[ "$(bypass status --json | jq -r '.carvings[].state')" = carved ]
	bypass release "$nvme"
	host_restored
}
check "SIGQUIT does not end it half way" quit

start
kill -KILL $run
wait $run || true
gone() { ! kill -0 "$(cat pid)" 2>/dev/null; }
check "killed itself, it takes the command along" wait_for 10 gone
left() { bypass status | grep "$edu.*carved"; }
check "the ledger keeps what is to be undone" left
check "release does it" bypass release --all
check "the host is as it was" host_restored
