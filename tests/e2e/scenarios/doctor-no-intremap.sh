#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# testbed: --no-intremap
#
# bypass doctor on a host whose IOMMU does not remap interrupts.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/doctor.sh"

finds interrupt-remapping "VFIO hands out no devices"
fixes interrupt-remapping
[ "$(verdict interrupt-remapping)" = warn ] || fail "it is not safe now, only allowed"
echo "ok: it goes on warning"
echo N >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
