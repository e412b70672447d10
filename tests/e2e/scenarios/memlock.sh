#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A user who may not lock as much memory as the guest has: refused with the figures; and the command
# that the error gives makes it work.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
at_exit "bypass release $edu"
check "carve" bypass carve "$edu"
group=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$edu/iommu_group")")
chown 65534 "$group"

# CAP_IPC_LOCK lifts the limit: only a user without it meets it.
as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v pin)" "$edu")
ulimit -l 8192
check "less than the limit" "${as_user[@]}" 4
check_error "the limit, what is needed, what is taken" \
	"it is 8192 KiB, of which 0 KiB are taken, and 65536 KiB are needed" "${as_user[@]}" 64
fix=$({ "${as_user[@]}" 64 2>&1 || true; } | grep -o "'sudo prlimit [^']*'" | tr -d "'")
check "it gives a command" test -n "$fix"
eval "${fix#sudo }"
check "which fixes it" "${as_user[@]}" 64
check "and for root there is no limit" pin "$edu" 128
