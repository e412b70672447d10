#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A carve that fails in the middle: what was done is undone, and the error names the step.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
bind=/sys/bus/pci/drivers/vfio-pci/bind
remember_host

# A kernel that refuses the last step, after VFs and settings were made.
mount --bind /dev/full $bind
at_exit "umount $bind 2>/dev/null || true"
check_error "an igb VF that cannot be bound" \
	"could not bind 0000:.* to vfio-pci: .*No space left" \
	bypass carve "$igb" --vfs 2 --mac 02:00:00:00:00:01,02:00:00:00:00:02 --trust on
check "everything was undone" host_restored
check_error "an NVMe VF that cannot be bound" "could not bind .* were undone" \
	sh -c "bypass carve $nvme --vfs 2 2>&1 | tr '\n' ' '; exit 1"
check "everything was undone" host_restored
check_error "a whole function that cannot be bound" "could not bind $nvme to vfio-pci" \
	bypass carve "$nvme"
check "it is back with its driver" host_restored

# The undo cannot be done either: the ledger keeps it, and release does it later.
probe=/sys/bus/pci/drivers/nvme/bind
mount --bind /dev/full $probe
at_exit "umount $probe 2>/dev/null || true"
check_error "an undo that fails is told too" "Undoing the steps before it failed too" \
	bypass carve "$nvme"
half_done() { bypass status | grep "half carved"; }
check "status knows" half_done
check_error "it still cannot be undone" "could not undo 'unbind $nvme from nvme'" \
	bypass release "$nvme"
check_error "nor can it be carved" "left half done .*bypass release $nvme" bypass carve "$nvme"
umount $probe $bind
check "release makes it good once the reason is gone" bypass release "$nvme"
check "everything was undone" host_restored

# A driver that makes no VFs.
modprobe pci-stub
echo "$igb" >"/sys/bus/pci/drivers/igb/unbind"
echo pci-stub >"/sys/bus/pci/devices/$igb/driver_override"
echo "$igb" >/sys/bus/pci/drivers_probe
check_error "a driver that makes no VFs" "pci-stub, makes no VFs" bypass carve "$igb" --vfs 1
echo "$igb" >/sys/bus/pci/drivers/pci-stub/unbind
echo >"/sys/bus/pci/devices/$igb/driver_override"
echo "$igb" >/sys/bus/pci/drivers/igb/bind
check "everything was undone" host_restored

# The host's driver is gone: the function waits for it, and is not called released.
check "carve it whole" bypass carve "$nvme"
modprobe -r nvme
at_exit "modprobe nvme"
check_error "a driver that is not in the kernel" "modprobe nvme" bypass release "$nvme"
half_released() { bypass status | grep "half released"; }
check "status knows" half_released
modprobe nvme
check "release makes it good when the driver is back" bypass release "$nvme"
check "everything was undone" host_restored

# A ledger that cannot be written any more: nothing is done that is not in it.
bypass status >/dev/null
mount -t tmpfs -o size=16k,mode=700 none /run/bypass
at_exit "umount /run/bypass 2>/dev/null || true"
check_error "no room for the ledger" "cannot write the ledger .*No space left" \
	sh -c "bypass carve $nvme --vfs 4 2>&1 | tr '\n' ' '; exit 1"
check "everything was undone" host_restored
umount /run/bypass
