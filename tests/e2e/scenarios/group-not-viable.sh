#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A function whose IOMMU group holds a device of the host: refused, with the name of what is in the
# way; and what the error advises makes it work.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
edu=$(lspci -Dmmn -d 1234:11e8 | awk 'NR == 3 { print $1 }')
neighbour=$(ls -d "/sys/bus/pci/devices/$edu/iommu_group/devices"/*/virtio*)
neighbour=$(basename "$(dirname "$neighbour")")
at_exit "bypass release $edu"
bypass carve "$edu"
check_error "the neighbour and its driver are named" "$neighbour, bound to .* driver virtio-pci" \
	slice "$edu"
fix=$({ slice "$edu" 2>&1 || true; } | grep -o "'bypass carve [^']*'" | tr -d "'")
check "it says what to do" test "$fix" = "bypass carve $neighbour"
at_exit "bypass release $neighbour"
check "doing it" sh -c "$fix"
check "it works now" slice "$edu"
check "both are reset together" hot_reset "$edu" "$neighbour"
