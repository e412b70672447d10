#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Function-level reset of a VF, its regions, and its vectors as they are added and taken off.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
at_exit "bypass release $igb"
check "carve two VFs" bypass carve "$igb" --vfs 2
vf=$(basename "$(readlink "/sys/bus/pci/devices/$igb/virtfn0")")
check "reset is function-level" grep -q flr "/sys/bus/pci/devices/$vf/reset_method"
check "VF $vf" vf_function "$vf"
check "and again" vf_function "$vf"
check_error "a token for a VF of a host driver's PF" "takes no VF token" \
	slice "$vf" 00112233-4455-6677-8899-aabbccddeeff
