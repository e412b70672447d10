# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# What scenarios with guests share. Sourced after checks.sh, and after carving.sh where there are slices. A guest is known by a name: its initrd
# is NAME.initrd, its console NAME.console, what its VMM says NAME.stderr, its statistics NAME.json.

# shellcheck disable=SC2154 # edu

modprobe -a vfio-pci kvm-amd
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
# shellcheck disable=SC2016 # for the guest, and for us
namespace='namespace() { # NSID
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
}'
eval "$namespace"

# make_guest NAME [--with PROGRAM]... <SCRIPT: in which fail and namespace are defined
make_guest() {
	local name=$1
	shift
	{
		printf '#!/bin/sh\nfail() { echo "FAILED: $*"; exit 1; }\n%s\n' "$namespace"
		cat
	} >"$name.script"
	mkguest "$@" "$name.script" "$name.initrd"
}

# start_guest NAME OPTION...: in the background; its process is $vmm. Options are bypass-vmm's.
start_guest() {
	local name=$1
	shift
	: >"$name.console" # or else an earlier guest's is read, until the VMM has begun
	bypass-vmm --kernel /guest/vmlinuz --initrd "$name.initrd" --append quiet \
		--stats-json "$name.json" "$@" </dev/null >"$name.console" 2>"$name.stderr" &
	vmm=$!
	at_exit "kill -KILL $vmm 2>/dev/null || true"
}

# says NAME TEXT: the guest has printed this line.
says() {
	tr -d '\r' <"$1.console" | grep -qxF -- "$2"
}

said_or_gone() {
	says "$1" "$2" || ! kill -0 "$vmm" 2>/dev/null
}

# guest_says NAME SECONDS TEXT: the guest started last prints this line in time.
guest_says() {
	if ! wait_for "$2" said_or_gone "$1" "$3" || ! says "$1" "$3"; then
		tail -n 30 "$1.console"
		cat "$1.stderr"
		fail "guest $1 does not say '$3' within $2 s"
	fi
	echo "ok: guest $1 says '$3'"
}

# guest_ends NAME PROCESS: it powers off, and its script was content.
guest_ends() {
	local status=0
	wait "$2" || status=$?
	if [ $status != 0 ] || ! says "$1" 'guest: exit 0'; then
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

# stat NAME SLICE FIELD: from the guest's statistics
slice_stat() {
	jq ".slices[] | select(.name == \"$2\").$3" "$1.json"
}
