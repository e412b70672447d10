#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Functions that cannot be had: each refusal says why, and what to do.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe -r vfio-pci vfio_iommu_type1 || skip "vfio is in use"

check_error "no vfio" "'modprobe vfio-pci'" slice "$edu"
fix=$({ slice "$edu" 2>&1 || true; } | grep -o "'modprobe [^']*'" | tr -d "'")
$fix

check_error "no address" "'nonsense' is not a PCI address.*'bypass list'" slice nonsense
check_error "nobody there" "no PCI function 0000:7f:1f.7 .*'bypass list" slice 7f:1f.7
check_error "no driver" "$edu is bound to no driver.*'bypass carve $edu'" slice "$edu"
check_error "a driver of the host" "$igb is bound to the host's driver igb.*'bypass carve $igb'" \
	slice "$igb"

at_exit "bypass release $edu"
check "carve" bypass carve "$edu"
group=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$edu/iommu_group")")
exec 9<>"$group"
check_error "in use" "$edu is in use by [^ ]* \(process $$\)" slice "$edu"
exec 9>&-
check_error "no permission" "no permission to open $group.*chown USER $group" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v slice)" "$edu"
check "it can be had now" slice "$edu"
