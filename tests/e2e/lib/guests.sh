# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# What scenarios with guests share. Sourced after checks.sh, and after carving.sh where there are
# slices. A guest has a name: its initrd is NAME.initrd, its console NAME.console and, for input,
# NAME.in; what its VMM says is in NAME.stderr, its statistics are in NAME.json.

# shellcheck disable=SC2154 # edu

# shellcheck source=stuck.sh
. "${0%/*}/../lib/stuck.sh"

modprobe -a vfio-pci kvm-amd
# A vCPU that waits leaves the one CPU to others at once. KVM would look for its wake-up for a while.
echo 0 >/sys/module/kvm/parameters/halt_poll_ns
# Memory for devices is pinned and mapped: quick when the kernel may use large pages for it.
echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled

# carve_vfs PF N: the slices are in the array `vfs`, until the scenario ends.
carve_vfs() {
	local link
	at_exit "bypass release $1 || true"
	check "carve $2 VFs of $1" bypass carve "$1" --vfs "$2"
	vfs=()
	for link in $(seq 0 $(($2 - 1))); do
		vfs+=("$(basename "$(readlink "/sys/bus/pci/devices/$1/virtfn$link")")")
	done
}

carve_edu() { # the edu of carving
	at_exit "bypass release $edu || true"
	check "carve $edu" bypass carve "$edu"
}

# The disk of an NVMe namespace, as soon as it is there. Its number is not always in its name: the
# kernel looks for namespaces in parallel.
namespace() { # NSID
	local tries=0 disk
	while [ $((tries += 1)) -le 200 ]; do
		for disk in /sys/block/nvme*; do
			[ -b "/dev/${disk##*/}" ] && [ "$(cat "$disk/nsid")" = "$1" ] || continue
			echo "/dev/${disk##*/}"
			return
		done
		sleep 0.1
	done
	echo "no namespace $1" >&2
	return 1
}

# What a guest's script may use of this shell, and the programs of which it gets a copy, one a line with
# options.
guest_functions=(fail namespace)
programs=''
kernel=/guest # of which make_guest and start_guest make guests
# Its arguments. Without these a guest takes an eighth more of the emulator's time until it is up.
arguments="quiet mitigations=off nokaslr init_on_alloc=0"

# make_guest NAME [OPTION of mkguest]... <SCRIPT: an initrd.
make_guest() {
	local name=$1 program list=()
	shift
	for program in $(sed 's/ .*//' <<<"$programs" | sort -u); do
		list+=(--with "$program")
	done
	{
		echo '#!/bin/sh'
		declare -f "${guest_functions[@]}"
		echo "programs='$programs'"
		cat
	} >"$name.script"
	mkguest --kernel "$kernel" "${list[@]}" "$@" "$name.script" "$name.initrd"
}

# in_background NAME COMMAND...: the VMM of a guest, whose process is $vmm and ${pids[NAME]}.
declare -A pids
in_background() {
	local name=$1
	shift
	[ -p "$name.in" ] || mkfifo "$name.in"
	: >"$name.console" # or else an earlier guest's is read, until the VMM has begun
	"$@" <>"$name.in" >"$name.console" 2>"$name.stderr" &
	vmm=$!
	pids[$name]=$vmm
	at_exit "kill -KILL $vmm 2>/dev/null || true"
}

# What a VMM preloads where its guests run for more than a few seconds: see tests/testbed/no-pv-eoi.c.
no_pv_eoi=/usr/local/lib/testbed/no-pv-eoi.so

start_guest() { # NAME [OPTION of bypass-vmm]...
	local name=$1
	shift
	in_background "$name" env LD_PRELOAD=$no_pv_eoi bypass-vmm --kernel "$kernel/vmlinuz" --initrd "$name.initrd" \
		--append "$arguments" --stats-json "$name.json" "$@"
}

send_line() { # NAME TEXT, to the guest's console
	echo "$2" >"$1.in"
}

# printed NAME TEXT: the guest has printed this line. With a third argument: it begins with TEXT.
printed() {
	local told text IFS=$'\n'
	mapfile -t told <"$1.console"
	text=$'\n'"${told[*]//$'\r'/}"$'\n'
	if [ -n "${3:-}" ]; then
		[[ $text == *$'\n'"$2"* ]]
	else
		[[ $text == *$'\n'"$2"$'\n'* ]]
	fi
}

printed_or_gone() {
	printed "$1" "$2" || ! kill -0 "$vmm" 2>/dev/null
}

# Where the vCPUs of a guest under QEMU are, twice: they run, wait, or spin.
registers() { # NAME
	python3 - "$1.monitor" <<-'END'
		import socket, sys, time
		monitor = socket.socket(socket.AF_UNIX)
		monitor.connect(sys.argv[1])
		monitor.settimeout(5)
		for command in "", "info registers -a", "info registers -a":
		    if command:
		        monitor.sendall(command.encode() + b"\n")
		        time.sleep(1)
		    text = b""
		    while not text.endswith(b"(qemu) "):
		        text += monitor.recv(65536)
		    print("\n".join(line for line in text.decode(errors="replace").splitlines()
		                    if line.startswith(("CPU#", "RIP=", "RAX=", "RSI=", "R8 "))))
	END
}

# stuck NAME: where the guest, its VMM and its service are.
stuck() {
	[ ! -S "$1.monitor" ] || registers "$1" || true
	places "${pids[$1]}" ${pids[$1.serve]:+"${pids[$1.serve]}"}
	vcpu_exits
}

# wait_printed NAME SECONDS TEXT: the guest started last prints this line in time.
wait_printed() {
	if ! wait_for "$2" printed_or_gone "$1" "$3" || ! printed "$1" "$3"; then
		! kill -0 "$vmm" 2>/dev/null || stuck "$1"
		tail -n 30 "$1.console"
		cat "$1.stderr"
		fail "guest $1 does not print '$3' within $2 s"
	fi
	echo "ok: guest $1 prints '$3'"
}

# guest_ends NAME PROCESS: it powers off, and its script was content.
guest_ends() {
	local status=0
	wait "$2" || status=$?
	if [ $status != 0 ] || ! printed "$1" 'guest: exit 0'; then
		tail -n 30 "$1.console"
		cat "$1.stderr"
		fail "guest $1: VMM status $status"
	fi
	echo "ok: guest $1 powers off"
}

run_guest() { # NAME OPTION...
	start_guest "$@"
	guest_ends "$1" $vmm
}

# slice_stat NAME SLICE FIELD: from the guest's statistics
slice_stat() {
	jq ".slices[] | select(.name == \"$2\").$3" "$1.json"
}
