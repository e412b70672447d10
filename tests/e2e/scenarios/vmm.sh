#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bypass-vmm itself, without slices: wrong usage, console both ways, reboot, signals, a guest that
# crashes, statistics, and the terminal as it was.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/guests.sh"

export LD_PRELOAD=$no_pv_eoi # for a VMM that start_guest does not start

usage() { # PATTERN OPTION...
	local pattern=$1 status=0 lines
	shift
	lines=$(bypass-vmm "$@" 2>&1) || status=$?
	[ $status = 2 ] && [ "$(wc -l <<<"$lines")" = 1 ] && grep -q -- "$pattern" <<<"$lines"
}

check "no kernel" usage "--kernel is missing"
check "an unknown option" usage "unrecognized option" --no-such-option
check "a word that is no option" usage "is not an option" --kernel /guest/vmlinuz word
for size in 0 x 5Q 3 513 1M 1000001K 99999999T -1; do
	check "--mem $size" usage "--mem" --kernel /guest/vmlinuz --mem "$size"
done
for cpus in 0 256 x 2x -1; do
	check "--cpus $cpus" usage "--cpus wants" --kernel /guest/vmlinuz --cpus "$cpus"
done
check "--help" sh -c "bypass-vmm --help | grep -q -- '--slice ADDRESS'"
check "--version" sh -c "bypass-vmm --version | grep -q '^bypass-vmm [0-9]'"
check_error "a kernel that is not there" "^bypass-vmm: nowhere cannot be opened: No such file" \
	bypass-vmm --kernel nowhere
check_error "a kernel that is none" "is not a Linux bzImage" bypass-vmm --kernel /bin/bash
truncate -s 64M large
check_error "an initrd too large" "does not fit .*--mem" \
	bypass-vmm --kernel /guest/vmlinuz --initrd large --mem 96M
check_error "too little memory" "vmlinuz needs .* MiB of memory.*--mem" \
	bypass-vmm --kernel /guest/vmlinuz --mem 64M
check_error "a slice that is not there" "0000:77:00.0" \
	bypass-vmm --kernel /guest/vmlinuz --slice 0000:77:00.0

make_guest console <<'END'
stty -echo
echo "cpus $(nproc)"
read -r word
echo "told $word"
case $word in
reboot) reboot -f ;;
crash) echo c >/proc/sysrq-trigger ;;
esac
END
boots() { [ "$(grep -c "^cpus 3" console.console)" = "$1" ]; }
mkfifo input
exec 5<>input
with_input() { # OPTION...
	bypass-vmm --kernel /guest/vmlinuz --initrd console.initrd "$@" <&5 2>console.stderr
}

# What is typed before the guest's driver has set up its UART is lost, as on any serial line.
with_input --append quiet --cpus 3 --mem 256M --stats --stats-json console.json >console.console &
vmm=$!
wait_printed console 60 "cpus 3"
echo reboot >&5
wait_printed console 60 "told reboot"
check "the second boot" wait_for 60 boots 2
echo off >&5
guest_ends console $vmm
check "it was told to end" printed console "told off"
check "statistics of three vCPUs" grep -Eq '^2( +[0-9]+){8}$' console.stderr
check "and as JSON" jq -e '(.vcpus | length) == 3 and .vcpus[0].user_exits.pio > 0 and
	.vcpus[0].kvm.exits >= .vcpus[0].kvm.io_exits' console.json

crashes() { # WANTED OPTION...
	local wanted=$1 got=0
	shift
	with_input "$@" >console.console &
	vmm=$!
	wait_printed console 60 "cpus 1"
	echo crash >&5
	wait $vmm || got=$?
	[ $got = "$wanted" ] || { echo "status $got"; cat console.stderr; return 1; }
}
check "a guest that panics and reboots ends with --no-reboot" \
	crashes 0 --append "quiet panic=-1" --mem 256M --no-reboot
check "a guest without a root" sh -c "bypass-vmm --kernel /guest/vmlinuz --append 'quiet panic=-1' \
	--no-reboot </dev/null | grep -q 'Unable to mount root'"
for signal in TERM INT HUP; do
	# What a shell runs in the background ignores SIGINT, until it has a handler of its own.
	env --default-signal=INT bypass-vmm --kernel /guest/vmlinuz --initrd console.initrd --append quiet \
		--mem 256M <&5 >signal.console 2>signal.stderr &
	vmm=$!
	[ $signal != TERM ] || wait_printed signal 60 "cpus 1"
	sleep 0.5
	kill -$signal $vmm
	got=0
	wait $vmm || got=$?
	check "SIG$signal" test $got = $((128 + $(kill -l $signal)))
done

cat >on_terminal <<'END'
stty -a >before
{ sleep 2; stty -a </dev/tty >during; } &
timeout --foreground 5 bypass-vmm --kernel /guest/vmlinuz
stty -a >after
END
script -qec "bash on_terminal" /dev/null </dev/null >/dev/null || true
check "the terminal is the guest's while it runs" grep -q -- -icanon during
check "and then as it was" cmp before after
