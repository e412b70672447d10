#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# --json of each sub-command is what its schema says, and holds the facts of the table.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

schemas=/usr/local/share/bypass/schema
modprobe -a vfio-pci crc32_generic rdma_rxe
interface=$(ls "/sys/bus/pci/devices/$igb/net")
ip link set "$interface" up
check "the link is up" wait_for 20 grep -qx 1 "/sys/class/net/$interface/carrier"
rdma link add rxe0 type rxe netdev "$interface"
at_exit "rdma link delete rxe0; ip link set $interface down; modprobe -r rdma_rxe"
at_exit "bypass release --all >/dev/null"
check "its port is active" wait_for 10 grep -q ACTIVE /sys/class/infiniband/rxe0/ports/1/state

valid() { # SCHEMA COMMAND...
	local schema=$1
	shift
	"$@" --json >out.json || [ "$1 $2" = "bypass doctor" ]
	validate "$schemas/$schema.json" <out.json
}
check "carve" valid status bypass carve "$nvme" --vfs 2 --name disk
check "status" valid status bypass status
check "list" valid list bypass list
check "list of everything" valid list bypass list --all --rdma
check "doctor" valid doctor bypass doctor --mem 1G "$igb"
check "doctor of an RDMA device" valid doctor bypass doctor rxe0
check "top" valid top bypass top
check "release" valid release bypass release disk-1
refuses() { ! echo '{"released": [7]}' | validate $schemas/release.json; }
check "a schema refuses what it does not say" refuses

# Words of the table's rows against members of the JSON.
list_agrees() {
	diff <(bypass list --all | tail -n +2 | awk '{ print $1 }') \
		<(bypass list --all --json | jq -r '.functions[].address')
	bypass list --all --json | jq -r '.functions[] | .address + " " + (.driver // "-")' |
		while read -r address driver; do
			bypass list --all | grep -E "^$address .* $driver +"
		done
	diff <(bypass list | grep -o 'carved$') \
		<(bypass list --json | jq -r '.functions[].state' | grep carved)
}
check "list: the table's facts are those of the JSON" list_agrees
traps_agree() {
	diff <(bypass list --all --json | jq '[.functions[].trapped_bars[]] | length') \
		<(bypass list --all | grep -c 'is smaller than a page')
}
check "list: BARs smaller than a page" traps_agree
status_agrees() {
	diff <(bypass status | awk 'NR > 1 { print $1, $2, $3, $NF }') \
		<(bypass status --json | jq -r '.carvings[] | .function as $f | .state as $s |
			.slices[] | .name + " " + .address + " " + $f + " " + $s')
}
check "status: the table's facts are those of the JSON" status_agrees
doctor_agrees() {
	diff <(COLUMNS=1000 bypass doctor | grep -E '^(ok|warn|fail) ' | tr -s ' ') \
		<(bypass doctor --json | jq -r '.findings[] | .verdict + " " + .about + " " + .text' |
			tr -s ' ')
}
check "doctor: the lines are those of the JSON" doctor_agrees
rdma_agrees() {
	bypass list --rdma | grep -E "^rxe0/1 +ACTIVE +$interface +$igb +rxe"
	bypass list --rdma --json | jq -e --arg igb "$igb" '.rdma[0].ports[0] |
		.state == "ACTIVE" and .function == $igb and .gid_count > 0'
	[ "$(bypass list --rdma --json | jq -r '.rdma[0].ports[0].gids[0]')" = \
		"$(cat /sys/class/infiniband/rxe0/ports/1/gids/0)" ]
}
check "list --rdma: link, network device, function and GIDs" rdma_agrees
no_colour() { ! script -qc "NO_COLOR=1 bypass list" /dev/null | grep $'\033\[[0-9]*m'; }
colour() { script -qc "TERM=linux bypass list" /dev/null | grep $'\033\[1m'; }
check "colour on a terminal" colour
check "none with NO_COLOR" no_colour
plain() { ! bypass list | grep $'\033'; }
check "none elsewhere" plain
