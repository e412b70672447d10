#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The emulated host itself: its devices, its groups, the project's installation, and a stock guest
# made by mkguest, booted with KVM by the host's own QEMU, on both guest kernels.
#
# timeout: 300

. "${0%/*}/../lib/checks.sh"

# --- devices

of() { lspci -Dmmn -d "$1" | awk '{ print $1 }'; }
group_of() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"; }
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
count() { [ "$(wc -w <<<"$2")" = "$1" ] || { echo "not $1: $2"; return 1; }; }

igb=$(of 8086:10c9) nvme=$(of 1b36:0010) edu=$(of 1234:11e8)
check "one igb" count 1 "$igb"
check "one NVMe controller" count 1 "$nvme"
check "three edu" count 3 "$edu"
check "igb has 7 VFs" grep -qx 7 "/sys/bus/pci/devices/$igb/sriov_totalvfs"
check "NVMe has 4 VFs" grep -qx 4 "/sys/bus/pci/devices/$nvme/sriov_totalvfs"
check "their drivers" test "$(driver_of "$igb") $(driver_of "$nvme")" = "igb nvme"
check "NVMe has two namespaces" count 2 "$(ls -d /sys/block/nvme0n*)"

# The third edu shares its group with a device in use, the others are alone in theirs.
alone=0 shared=0
for device in $edu; do
	others=("/sys/kernel/iommu_groups/$(group_of "$device")/devices"/*)
	if [ ${#others[@]} = 1 ]; then
		alone=$((alone + 1))
	else
		shared=$((shared + 1))
		neighbours=$(ls -d /sys/bus/pci/devices/"$device"/iommu_group/devices/*/virtio*)
	fi
done
check "two edu have a group of their own" test $alone = 2
check "one shares its group with a virtio device" test $shared = 1 -a -n "${neighbours:-}"
check "IOMMU remaps interrupts" sh -c "dmesg | grep -q 'Enabled IRQ remapping'"

at_exit "echo 0 >/sys/bus/pci/devices/$igb/sriov_numvfs
	echo 1 >/sys/bus/pci/devices/$igb/sriov_drivers_autoprobe"
echo 0 >"/sys/bus/pci/devices/$igb/sriov_drivers_autoprobe"
check "7 VFs appear" sh -c "echo 7 >/sys/bus/pci/devices/$igb/sriov_numvfs"
groups=$(readlink "/sys/bus/pci/devices/$igb"/virtfn*/iommu_group | sort -u)
check "each in a group of its own" count 7 "$groups"

# --- the project

cat >user.c <<'END'
#include <bypass/error.h>
#include <string.h>
int main(void) { return strcmp(bypass_error(), ""); }
END
read -ra flags < <(pkg-config --cflags --libs libbypass)
check "a program builds with pkg-config" gcc -Wall -Werror -o user user.c "${flags[@]}"
check "it finds the library" ./user

# --- guests

check "KVM" modprobe kvm-amd
cat >script <<'END'
#!/bin/sh
lsmod
grep -q virtio_net /proc/modules || exit 1
modprobe ib_uverbs
ibv_devinfo 2>&1 | grep -q 'No IB devices found' || exit 2
modprobe bypass_rdma || exit 3
uname -r
exit 42
END
for kernel in /guest /guest-6.1; do
	check "mkguest for $kernel" mkguest --kernel $kernel --with ibv_devinfo script initrd
	qemu-system-x86_64 -M q35 -accel kvm -cpu host -m 512M -nodefaults -nographic -no-reboot \
		-serial file:console -kernel $kernel/vmlinuz -initrd initrd \
		-append "console=ttyS0 panic=-1 quiet" \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= </dev/null
	tr -d '\r' <console >lines
	check "guest of $kernel says its status last" test "$(tail -n 1 lines)" = "guest: exit 42"
	check "it ran that kernel" grep -qx "$(basename $kernel/lib/modules/*)" lines
done
check_error "mkguest refuses a script that is not there" "no such script: nowhere" \
	mkguest nowhere initrd
