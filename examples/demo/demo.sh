#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The demo, inside the emulated host (`make demo` boots the host). A stock Linux guest gets an igb VF and
# an NVMe VF and does I/O on both. The demo counts the exits to user space that this took. Beside it
# stands the same guest under QEMU with vfio-pci and with virtio.
# Then two guests exchange messages over an HCA that is software, with the kernel's own driver of a ConnectX.

set -euo pipefail
here=/usr/local/src/bypass/examples/demo
work=$(mktemp -d)
trace=/sys/kernel/tracing/instances/bypass-demo
vm_limit=240	# seconds for one guest: an idle machine takes a tenth
model=''	# the process that is the HCA

progress() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }

die() {
	echo "demo: FAILED: $*"
	exit 1
}

cleanup() {
	set +e
	rmdir "$trace" 2>/dev/null
	[ -z "$model" ] || kill "$model"
	[ "$(bypass status)" = "Nothing is carved." ] || bypass release --all
	rm -rf "$work"
}
trap cleanup EXIT

driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }

# The first PF of a PCI class that can have VFs.
pf_of_class() {
	bypass list --json | jq -r --argjson class $(($1)) '[.functions[] |
		select(.vfs_total > 0 and (.class_code / 256 | floor) == $class).address][0]'
}

vf_of() { basename "$(readlink "/sys/bus/pci/devices/$1/virtfn0")"; }

# Records every exit to user space, and every wake-up of a thread of a VMM that is not a vCPU's.
start_trace() {
	mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
	mkdir "$trace"
	echo 16384 >"$trace/buffer_size_kb"
	echo 'comm ~ "bypass-vmm*" || comm ~ "qemu*" || comm ~ "IO *" || comm ~ "worker*"' \
		>"$trace/events/sched/sched_wakeup/filter"
	echo 1 >"$trace/events/sched/sched_wakeup/enable"
	echo 1 >"$trace/events/kvm/kvm_userspace_exit/enable"
	echo 1 >"$trace/events/kvm/kvm_pio/enable"
}

# hca_guest SIDE KERNEL: in the background, its console in hca-SIDE.console
hca_guest() {
	mkguest --kernel "$2" --hca --with ibv_rc_pingpong --with ib_write_lat "$here/hca.sh" "$work/hca-$1.initrd"
	timeout --kill-after=5 $vm_limit bypass-vmm --kernel "$2/vmlinuz" --initrd "$work/hca-$1.initrd" \
		--append "quiet side=$1" --cpus 1 --mem 384M --slice "vfio-user:$work/hca-$1.sock" \
		--slice "$(readlink -f "/sys/bus/pci/devices/$igb/virtfn$(($1 - 1))" | sed 's|.*/||')" \
		</dev/null >"$work/hca-$1.console" 2>&1 &
}

# Two guests with an HCA each. Both serve as proof: programs ring doorbells, and no doorbell is an exit.
run_hca_guests() {
	local side guests=() bars=() operations=0 doorbells others
	progress "two guests on an HCA in software"
	bypass carve "$igb" --vfs 2 >"$work/carved" 2>&1 || { cat "$work/carved" && die "bypass carve $igb"; }
	bypass-hca --socket "$work/hca-1.sock" --socket "$work/hca-2.sock" 2>"$work/hca.log" &
	model=$!
	start_trace
	echo 1 >"$trace/events/kvm/kvm_mmio/enable"
	hca_guest 1 /guest
	guests+=($!)
	hca_guest 2 /guest-6.1
	guests+=($!)
	for side in 1 2; do
		if ! wait "${guests[side - 1]}" || ! grep -q '^guest: exit 0' "$work/hca-$side.console"; then
			tail -n 20 "$work/hca-$side.console" "$work/hca.log"
			die "guest $side with the HCA"
		fi
		tr -d '\r' <"$work/hca-$side.console" >"$work/said"
		sed -n 's/^demo: /        /p' "$work/said"
		bars+=("$(sed -n 's/^bar 0x//p' "$work/said")")
		operations=$((operations + $(sed -n 's/^result //p' "$work/said")))
	done
	[ "${bars[0]}" = "${bars[1]}" ] || die "the HCA's BAR is at ${bars[0]} and ${bars[1]}: the count needs one place"
	read -r doorbells others < <(awk -v bar="${bars[0]}" -f "$here/doorbells.awk" "$trace/trace")
	rmdir "$trace"
	kill "$model"
	wait "$model" || die "the HCA ends with status $?"
	model=''
	bypass release --all >"$work/released" || die "bypass release"
	hca_result="$operations messages and writes of both guests: $doorbells exits to user space by doorbells;
        $others by commands, by events, and by whatever else the drivers do from boot to power-off"
	[ "$doorbells" = 0 ] || die "$hca_result"
}

# run_guest NAME COMMAND...: boots the guest and adds what it took to the table.
run_guest() {
	local name=$1 console=$work/$1.console status=0
	shift
	progress "the guest under $name"
	start_trace
	timeout --kill-after=5 $vm_limit "$@" </dev/null >"$console" 2>"$work/stderr" || status=$?
	cat "$trace/trace" >"$work/trace"
	rmdir "$trace"
	tr -d '\r' <"$console" | sed -n 's/^demo: /        /p'
	if [ $status != 0 ] || ! grep -q '^guest: exit 0' "$console"; then
		tail -n 20 "$console"
		cat "$work/stderr"
		die "the guest under $name: VMM status $status"
	fi
	awk -f "$here/exits.awk" "$work/trace" >"$work/exits" ||
		die "the trace does not show the guest's I/O phases"
	tr -d '\r' <"$console" | awk -v name="$name" '
		NR == FNR { exits[$1] = $2 " " $3 " " $4 " " $5; next }
		$1 == "result" { print $2, $3, name, $4, $5, exits[$2] }' "$work/exits" - >>"$work/rows"
}

print_table() {
	printf '\n%46s   %-26s   %8s\n' '' 'exits to user space' "VMM's"
	printf '%-11s %-15s %6s %10s   %5s %5s %5s %8s   %8s\n' \
		device VMM I/Os interrupts MMIO PIO other per-I/O wake-ups
	sort -s -k1,1r "$work/rows" | while read -r _ driver vmm ios irqs mmio pio other woken; do
		printf '%-11s %-15s %6d %10d   %5d %5d %5d %8s   %8d\n' "$driver" "$vmm" "$ios" \
			"$irqs" "$mmio" "$pio" "$other" \
			"$(awk "BEGIN { printf \"%.3f\", ($mmio + $pio + $other) / $ios }")" "$woken"
	done
	cat <<-END

		I/Os: packets sent and received; reads and writes of 64 KiB. Interrupts: as the guest
		counts them. Exits to user space: trace point kvm_userspace_exit, between two marks that
		the guest writes; it prints nothing meanwhile. Wake-ups: of the VMM's threads that are no
		vCPUs; QEMU's for timers of its own are among them. virtio devices are served by QEMU
		itself (user network, a raw disk).

	END
}

igb=$(pf_of_class 0x0200) nvme=$(pf_of_class 0x0108)
progress "host: igb $igb, NVMe $nvme; KVM on $(uname -r)"
for function in "$igb" "$nvme"; do
	[ "$function" != null ] || die "this host has no igb or no NVMe with SR-IOV"
done
drivers_before="$(driver_of "$igb") $(driver_of "$nvme")"
modprobe -a vfio-pci kvm-amd
# Guests' memory is pinned and mapped for DMA: quick when the kernel may use large pages for it.
echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
ip link set dev "$(ls "/sys/bus/pci/devices/$igb/net")" up

progress "carve one igb VF and one NVMe VF"
bypass carve "$igb" --vfs 1 --mac 52:54:00:b1:fa:55 >"$work/carved" || die "bypass carve $igb"
bypass carve "$nvme" --vfs 1 >>"$work/carved" || die "bypass carve $nvme"
net=$(vf_of "$igb") disk=$(vf_of "$nvme")
bypass status

progress "an initrd for the guest"
mkguest "$here/guest.sh" "$work/initrd"
kernel=(--kernel /guest/vmlinuz --initrd "$work/initrd" --append "quiet")
# shellcheck disable=SC2054 # QEMU's commas
qemu=(qemu-system-x86_64 -name guest,debug-threads=on -M q35 -accel kvm -cpu host -smp 2 -m 512M
	-nodefaults -nographic -no-reboot -serial stdio -kernel /guest/vmlinuz
	-initrd "$work/initrd" -append "console=ttyS0 quiet")

run_guest bypass-vmm bypass-vmm "${kernel[@]}" --cpus 2 --mem 512M --slice "$net" --slice "$disk" \
	--stats
cp "$work/stderr" "$work/stats"
run_guest QEMU-vfio-pci "${qemu[@]}" -device "vfio-pci,host=$net,rombar=0" \
	-device "vfio-pci,host=$disk,rombar=0"

progress "release the slices"
bypass release --all >"$work/released" || die "bypass release"
[ "$(driver_of "$igb") $(driver_of "$nvme")" = "$drivers_before" ] ||
	die "the host's drivers are not back: $(driver_of "$igb") $(driver_of "$nvme")"
[ "$(cat "/sys/bus/pci/devices/$igb/sriov_numvfs" "/sys/bus/pci/devices/$nvme/sriov_numvfs")" = \
	$'0\n0' ] || die "VFs are left"

run_guest QEMU-virtio "${qemu[@]}" -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
	-drive if=none,id=disk,file="$(ls -d /dev/nvme?n2)",format=raw,cache=none,aio=native \
	-device virtio-blk-pci,drive=disk

run_hca_guests

echo
echo "The slices under bypass-vmm, from plug to power-off:"
cat "$work/stats"
print_table
awk '$3 == "bypass-vmm" { n += $6 + $7 + $8; rows++ } END { exit n != 0 || rows != 2 }' "$work/rows" ||
	die "the slices caused exits to user space during I/O"
echo "An HCA in software, and mlx5_ib of two kernels:"
echo "        $hca_result"
echo "demo: ok"
