#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A VF whose PF is bound to vfio-pci as well: it opens only with the token that the PF's owner set, and a
# guest gets it with bypass-vmm's option for the token.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

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

vf_token "$igb" >owner &
owner=$!
at_exit "kill $owner 2>/dev/null && wait $owner || true"
check "the PF's owner sets a token" wait_for 20 grep -q set owner
make_guest token <<'END'
set -e
cd /sys/bus/pci/devices/0000:00:01.0
echo "here: $(cat vendor):$(cat device)"
END
options=(--kernel /guest/vmlinuz --initrd token.initrd)
check_error "a VMM without the token" "needs a VF token" bypass-vmm "${options[@]}" --slice "$vf"
check_error "with a wrong one" "it is not the one" bypass-vmm "${options[@]}" \
	--slice "$vf,token=01234567-89ab-cdef-0123-456789abcdef"
check_error "with no UUID" "a VF token is a UUID, not .nonsense" bypass-vmm "${options[@]}" --slice "$vf,token=nonsense"
run_guest token --mem 192M --slice "$vf,token=00112233-4455-6677-8899-aabbccddeeff"
check "with the right one the guest has the VF" printed token "here: 0x8086:0x10ca"
