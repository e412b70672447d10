#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The DMA address space of a guest with two devices: what is mapped is reached, what is not is not;
# reserved addresses, overlaps, too many mappings; devices that come and go.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
mapfile -t edu < <(lspci -Dmmn -d 1234:11e8 | awk '{ print $1 }')
at_exit "bypass release ${edu[0]}; bypass release ${edu[1]}"
check "carve" bypass carve "${edu[0]}"
check "carve" bypass carve "${edu[1]}"
check "two devices share an address space" dma_space "${edu[0]}" "${edu[1]}"
