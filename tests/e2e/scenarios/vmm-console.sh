#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The console's input and the VMM's signals where they are easily lost: a receiver that is off, a
# job in the background, signals that are ignored, and a signal that nobody should send.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/guests.sh"

export LD_PRELOAD=$no_pv_eoi # for a VMM that start_guest does not start

# Words come by the console. "deaf" shuts the receiver for a while, behind the driver's back, which
# opens it with each write of its own: nothing is written meanwhile.
make_guest console <<'END'
stty -echo
receiver() { printf "\\$1" | dd of=/dev/port bs=1 seek=$((0x3f9)) conv=notrunc 2>/dev/null; }
echo "ready"
while read -r word; do
	case $word in
	off) exit 0 ;;
	deaf)
		echo "goes deaf"
		sleep 1
		receiver 0
		sleep 6
		receiver 5
		;;
	*) echo "told $word" ;;
	esac
done
END
mkfifo input
exec 5<>input
start() { # NAME COMMAND...: as start_guest does, with our input
	local name=$1
	shift
	"$@" bypass-vmm --kernel /guest/vmlinuz --initrd console.initrd --append quiet --mem 256M \
		--stats-json "$name.json" <&5 >"$name.console" 2>"$name.stderr" &
	vmm=$!
	at_exit "kill -KILL $vmm 2>/dev/null || true"
}

start deaf env
wait_printed deaf 100 ready
echo deaf >&5
wait_printed deaf 20 "goes deaf"
sleep 4
echo word >&5
wait_printed deaf 30 "told word"
echo off >&5
guest_ends deaf $vmm

# SIGUSR1 takes a vCPU out of the guest: one that a stranger sends must cost one exit.
start stray nohup
wait_printed stray 100 ready
kill -USR1 $vmm
kill -HUP $vmm
sleep 1
echo word >&5
wait_printed stray 30 "told word"
echo off >&5
guest_ends stray $vmm
check "a stray SIGUSR1 costs next to nothing" jq -e '.vcpus[0].user_exits.other < 100' stray.json

cat >in_background <<'END'
set -m
bypass-vmm --kernel /guest/vmlinuz --initrd console.initrd --append quiet --mem 256M \
	>background.console 2>background.stderr &
vmm=$!
read -r line
sleep 2
cut -d' ' -f3 /proc/$vmm/stat >background.state
echo "$line" >background.line
fg >/dev/null
END
: >background.console
mkfifo keys
exec 6<>keys
script -qec "bash in_background" /dev/null <&6 >/dev/null &
vmm=$!
wait_printed background 100 ready
echo "for the shell" >&6
check "the shell reads what is typed for it" wait_for 20 grep -qs "for the shell" background.line
check "the guest in the background is not stopped" grep -q '[RS]' background.state
sleep 1
echo word >&6
wait_printed background 30 "told word"
printf '\001x' >&6
check "Ctrl-A x leaves" wait_for 20 sh -c "! kill -0 $vmm 2>/dev/null"
