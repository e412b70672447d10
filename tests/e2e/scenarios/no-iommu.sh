#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A host with no IOMMU: said so, with what to do.
#
# testbed: --no-iommu

. "${0%/*}/../lib/checks.sh"

modprobe vfio-pci
edu=$(lspci -Dmmn -d 1234:11e8 | awk 'NR == 1 { print $1 }')
check_error "no IOMMU" "no IOMMU in use.*firmware.*intel_iommu=on" slice "$edu"
