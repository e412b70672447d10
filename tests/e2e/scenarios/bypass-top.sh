#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bypass top shows the slices of running VMMs, what they cost, and how fast that grows.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe -a vfio-pci kvm-amd
at_exit "modprobe -r kvm-amd"
nobody() { bypass top | grep "No VMM publishes"; }
check "nobody publishes" nobody
check "a function" bypass carve "$edu"
at_exit "bypass release --all >/dev/null"
busy_vmm "$edu" >out &
vmm=$!
at_exit "kill $vmm 2>/dev/null || true"
wait_for 20 grep -qs ready out || fail "the VMM does not start"

facts() {
	bypass top --json --interval 2 >top.json
	validate /usr/local/share/bypass/schema/top.json <top.json
	# The emulated CPU is slow; half of what the VMM aims at is plenty.
	jq -e --arg edu "$edu" --argjson pid $vmm '.slices | length == 1 and (.[0] |
		.slice == $edu and .vmm.pid == $pid and .vmm.name == "busy_vmm" and
		.config_exits_per_second > 20 and .config_exits_per_second <= 110 and
		.mmio_exits_per_second > 10 and .mmio_exits_per_second <= 60 and
		.pio_exits == 0 and .interrupts == 0 and .dma_bytes == 67108864 and
		.window_bytes > 0 and .host_cpu_seconds > 0)' top.json || { cat top.json; return 1; }
}
check "who, what and how fast" facts
table() { bypass top --once | grep -E "^$edu +busy_vmm \($vmm\) +.* +64M .*%$"; }
check "as a table" table
narrow() { [ "$(COLUMNS=80 bypass top --once | wc -L)" -le 80 ]; }
check "it fits 80 columns" narrow
live() { timeout 5 script -qc "bypass top --interval 0.5" /dev/null | grep -c busy_vmm; }
views=$(live || true)
check "live on a terminal: one view after another" test "$views" -gt 2
# Counters that begin anew are no counters that ran past their end.
replugged() {
	bypass top --json --interval 4 >top.json &
	local top=$!
	sleep 2
	kill -USR1 $vmm
	wait $top
	jq -e '.slices[0] | .config_exits_per_second >= 0 and .config_exits_per_second <= 110 and
		.mmio_exits_per_second >= 0 and .mmio_exits_per_second <= 60' top.json ||
		{ cat top.json; return 1; }
}
check "a slice that is plugged again" replugged

# A name that a program chose is no way to a terminal or into JSON.
cp "$(command -v sleep)" "$(printf 'sl\033[31m\377ep')"
group=$(basename "$(readlink "/sys/bus/pci/devices/$edu/iommu_group")")
kill -KILL $vmm
wait $vmm || true
"./$(printf 'sl\033[31m\377ep')" 1000 9<>"/dev/vfio/$group" &
sleeper=$!
at_exit "kill $sleeper 2>/dev/null || true"
check "a program of a strange name" wait_for 10 grep -qsa '^sl' "/proc/$sleeper/comm"
harmless() {
	bypass list >list.txt
	bypass list --json >list.json
	bypass release "$edu" 2>release.txt && return 1
	bypass doctor "$edu" >doctor.txt || true
	grep -F 'sl?[31m?ep' list.txt
	grep -F 'sl?[31m?ep' release.txt
	grep -F 'sl?[31m?ep' doctor.txt
	jq -e '.functions[] | select(.holder != null).holder.name == "sl?[31m?ep"' list.json
	! grep -l $'\033' list.txt list.json release.txt doctor.txt
}
check "its name is printed without what a terminal would obey" harmless
kill $sleeper
wait $sleeper || true
check "a dead VMM is not shown" nobody
rm -f /run/bypass/vmm/*
