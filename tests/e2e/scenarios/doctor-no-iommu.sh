#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# testbed: --no-iommu
#
# bypass doctor and carve on a host without an IOMMU.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/doctor.sh"

modprobe vfio-pci
finds iommu "no IOMMU is in use"
setting() { bypass doctor --json | jq -r '.findings[] | select(.about == "iommu").setting'; }
[[ $(setting || true) == *"kernel command line"* ]] || fail "it does not say what to set"
before=$(host_state)
check_error "nothing can be carved" "no IOMMU in use" bypass carve "$nvme" --vfs 1
check_error "nor whole" "intel_iommu=on" bypass carve "$edu"
[ "$before" = "$(host_state)" ] || fail "something was changed"

# VFIO's mode without an IOMMU makes groups, but these confine nothing.
modprobe -r vfio-pci vfio_iommu_type1 vfio 2>/dev/null || true
modprobe vfio enable_unsafe_noiommu_mode=1
modprobe vfio-pci
echo vfio-pci >"/sys/bus/pci/devices/$edu/driver_override"
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/bind
check "VFIO has made a group" test -e "/sys/bus/pci/devices/$edu/iommu_group"
finds iommu "no IOMMU is in use" "$edu"
[ "$(verdict no-iommu-mode)" = warn ] || fail "doctor says nothing of the mode"
listed() { bypass list --json | jq -e --arg edu "$edu" '.functions[] |
	select(.address == $edu) | .iommu_group == -1 and .state == "blocked"'; }
check "list says that no IOMMU confines it" listed
check_error "no guest can have it" "no IOMMU in use" slice "$edu"
bash -c "$(remedy no-iommu-mode)"
[ -z "$(verdict no-iommu-mode)" ] || fail "the mode is still on"
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/unbind
echo >"/sys/bus/pci/devices/$edu/driver_override"
