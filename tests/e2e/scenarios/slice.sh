#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a VMM sees of function slices of each kind: the windows above all, as what is no window traps.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
vf() { basename "$(readlink "/sys/bus/pci/devices/$1/virtfn0")"; }
at_exit "bypass release --all"
check "carve igb" bypass carve "$igb" --vfs 1
check "carve nvme" bypass carve "$nvme" --vfs 1
check "carve edu" bypass carve "$edu"

# sees ADDRESS LINE...: the description has these lines, in this order.
sees() {
	local address=$1 line rest
	shift
	rest=$(slice "$address")
	for line; do
		[[ $rest == *"$line"* ]] || { echo "no '$line' in '$rest'"; return 1; }
		rest=${rest#*"$line"}
	done
}
check "igb: the BAR of the MSI-X table is a window too" sees "$(vf "$igb")" "8086:10ca, 4096 bytes" \
	"BAR 0: 16384 bytes" "window: 0x0, 16384 bytes" "BAR 3: 16384 bytes" \
	"window: 0x0, 16384 bytes" "INTx 0, MSI 0, MSI-X 3" "IOVA: 0x0 to 0xfedfffff"
check "nvme: so is BAR 0, with doorbells and MSI-X table" sees "$(vf "$nvme")" "1b36:0010, 4096 bytes" \
	"BAR 0: 16384 bytes, 64-bit" "window: 0x0, 16384 bytes" "INTx 0, MSI 0"
check "edu: plain PCI, INTx and MSI" sees "$edu" "1234:11e8, 256 bytes" \
	"BAR 0: 1048576 bytes, 32-bit" "window: 0x0, 1048576 bytes" "INTx 1, MSI 1, MSI-X 0"
check "nvme: driven from user space" nvme-identify "$(vf "$nvme")"
nvme-identify "$(vf "$nvme")" >said
check "it says who it is, with one interrupt" grep -q "^serial testbed .*QEMU NVMe Ctrl .* interrupts 1\$" said
