#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 400
#
# A hostile environment for the ledger: two at once, garbage, links, others than root, devices
# that go away. A clear error each time, and nothing changed.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
remember_host
at_exit "bypass release --all >/dev/null 2>&1 || true"

# The first writes its first step slowly. (Before that, it has the lock over all ledgers.)
strace -o /dev/null -e trace=renameat,renameat2 -e inject=renameat,renameat2:delay_exit=15000000:when=2 \
	bypass carve "$nvme" --vfs 1 >/dev/null &
first=$!
check "the first says who it is" wait_for 20 test -s "/run/bypass/$nvme.lock"
holder=$(cat "/run/bypass/$nvme.lock")
check_error "a second carve at once names who is at it" "process $holder \(bypass\) is carving" \
	bypass carve "$nvme" --vfs 1
check "its ledger is there" wait_for 20 test -e "/run/bypass/$nvme.json"
check_error "so does a release" "process $holder \(bypass\) is carving" bypass release "$nvme"
busy() { bypass status | grep -E "busy" && bypass status | grep "process $holder is working on it"; }
check "and status" busy
check "another PF is no concern of it" bypass carve "$edu"
wait $first || fail "the first did not get through"
check "given back" bypass release --all
check "the host is as it was" host_restored

ledger=/run/bypass/$nvme.json
carve() { bypass carve "$nvme" --vfs 1 --name disk >/dev/null; }
carve
cp "$ledger" good
damage() { # WHAT PATTERN, the damaged ledger on standard input
	local now
	now=$(host_state)
	cat >"$ledger"
	check_error "a ledger $1: release says so" "$2" bypass release "$nvme"
	check_error "a ledger $1: so does release --all" "$2" bypass release --all
	check_error "a ledger $1: and carve" "$2" bypass carve "$nvme" --vfs 1
	told() { bypass status | tr '\n' ' ' | grep -E "bad ledger.*$2"; }
	check "a ledger $1: and status" told "$1" "$2"
	[ "$now" = "$(host_state)" ] || fail "something was changed"
}
head -c 300 good | damage "cut short" "no JSON object"
head -c 4096 /dev/urandom | damage "full of garbage" "cannot be used"
: | damage "that is empty" "no JSON object"
jq '.version = 7' good | damage "of another version" "version 7"
jq 'del(.steps[0].from)' good | damage "with a part missing" "'from' is missing"
jq '.steps[0].attribute = "../../../../../../tmp/x"' good | damage "that leads elsewhere" "'attribute'"
head -c 70000000 /dev/zero | damage "that is huge" "64 MiB"
rm "$ledger" && ln -s "$PWD/good" "$ledger"
check_error "a link in place of a ledger" "no plain file" bypass release "$nvme"
rm "$ledger" && cp good "$ledger"
check "the good one works again" bypass release "$nvme"
check "the host is as it was" host_restored

mv /run/bypass /run/bypass.real
ln -s "$PWD" /run/bypass
check_error "a link in place of the directory: carve" "is a symbolic link" bypass carve "$edu"
check_error "a link in place of the directory: status" "is a symbolic link" bypass status
check "nothing was written through it" test ! -e "$edu.lock"
rm /run/bypass
mkdir -m 777 /run/bypass
check_error "a directory that anyone may write to" "chmod 711" bypass carve "$edu"
rmdir /run/bypass
mv /run/bypass.real /run/bypass
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
for command in "carve $edu" "release $edu" "release --all" status; do
	# shellcheck disable=SC2086
	check_error "$command without root" "need root" $nobody bypass $command
done
check "the host is as it was" host_restored

check "carve what will go away" bypass carve "$edu" --name edu
port=$(basename "$(dirname "$(readlink -f "/sys/bus/pci/devices/$edu")")")
echo 1 >"/sys/bus/pci/devices/$edu/remove"
check_error "a device that is gone" "$edu, which was carved, is gone" bypass release edu
gone() { bypass status | tr '\n' ' ' | grep "bad ledger.*is gone"; }
check "status tells too" gone
echo 1 >"/sys/bus/pci/devices/$port/rescan"
check "back again, it is released" bypass release edu

# Functions that come and go while they are listed.
vanishing() {
	local i
	for ((i = 0; i < 20; i++)); do
		echo 2 >"/sys/bus/pci/devices/$nvme/sriov_numvfs"
		echo 0 >"/sys/bus/pci/devices/$nvme/sriov_numvfs"
	done &
	while kill -0 $! 2>/dev/null; do
		bypass list --json | jq -e '.functions | length > 10' >/dev/null || return 1
	done
	wait $!
}
echo 0 >"/sys/bus/pci/devices/$nvme/sriov_drivers_autoprobe"
check "functions that vanish while they are listed" vanishing
echo 1 >"/sys/bus/pci/devices/$nvme/sriov_drivers_autoprobe"
