#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A device driven through libbypass alone: MMIO, DMA both ways, MSI and INTx with exact counts, and
# reset; then once more, as what the first user left must not matter.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
at_exit "bypass release $edu"
check "carve $edu" bypass carve "$edu"
for round in first second; do
	check "$round user" edu "$edu"
done
