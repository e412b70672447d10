#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A VF whose PF is bound to vfio-pci as well: it opens only with the token that the PF's owner set.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
device=/sys/bus/pci/devices/$igb
sriov=/sys/module/vfio_pci/parameters/enable_sriov
was=$(cat $sriov)
at_exit "echo $was >$sriov"
echo Y >$sriov

# By hand, as it is no way to carve: the PF's own driver is gone.
at_exit "bypass release $igb"
check "carve the PF whole" bypass carve "$igb"
at_exit "echo 0 >$device/sriov_numvfs"
echo 1 >"$device/sriov_numvfs"
vf=$(basename "$(readlink "$device/virtfn0")")
check "the VF has a driver" wait_for 20 test -e "/sys/bus/pci/devices/$vf/driver"
check "a VF needs the token" vf_token "$igb" "$vf"
