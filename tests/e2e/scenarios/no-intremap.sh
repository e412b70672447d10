#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A host whose IOMMU does not remap interrupts: refused; where the operator accepts the risk, what the
# error says works.
#
# testbed: --no-intremap

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
at_exit "bypass release $edu; echo N >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
check "carve" bypass carve "$edu"
check_error "no interrupt remapping" "no interrupt remapping" slice "$edu"
fix=$({ slice "$edu" 2>&1 || true; } | grep -o "'echo Y > [^']*'" | tr -d "'")
check "it says how to accept it" test -n "$fix"
eval "$fix"
check "it works then" edu "$edu"
