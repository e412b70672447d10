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
