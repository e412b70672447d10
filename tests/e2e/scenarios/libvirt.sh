#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The domain of docs/libvirt.md, as it stands there: libvirt starts a guest with a VF of the adapter and a guarded RDMA
# slice by vfio-user, resets the guest, and ends it. The host is then what it was.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

guide=${0%/*}/../../../docs/libvirt.md
sed -n '/^```xml$/,/^```$/p' "$guide" | grep -v '^```' >domain.xml
# The one difference: what guests.sh gives to other VMMs.
sed -i "s|<qemu:commandline>|&<qemu:env name='LD_PRELOAD' value='$no_pv_eoi'/>|" domain.xml
log=$(sed -n "s/.*<log file='\(.*\)'.*/\1/p" domain.xml)
socket=$(grep -o '/run/[^"]*\.sock' domain.xml)

# What udev does on other hosts. Of the devices that a guest's QEMU gets in a /dev of its own, this one is missing here.
chmod 666 /dev/kvm
echo 'namespaces = []' >>/etc/libvirt/qemu.conf
at_exit "sed -i '/^namespaces = /d' /etc/libvirt/qemu.conf"

# libvirt leaves its control group, and controllers that it has turned on.
groups=/sys/fs/cgroup
controllers=$(cat $groups/cgroup.subtree_control)
restore_groups() {
	find $groups/machine -depth -type d -delete
	for controller in $(cat $groups/cgroup.subtree_control); do
		[[ " $controllers " == *" $controller "* ]] || echo "-$controller" >$groups/cgroup.subtree_control
	done
}
at_exit restore_groups
virtlogd -d
at_exit 'kill "$(cat /run/virtlogd.pid)"'
libvirtd -d
at_exit 'kill "$(cat /run/libvirtd.pid)"'
virsh() { command virsh -q -c qemu:///system "$@"; }
check "libvirt answers" wait_for 60 virsh list

carve_networks 1
bypass serve --vfio-user --rdma rxe0 --socket "$socket" --group libvirt-qemu 2>slice.serve &
pids["hpc0.serve"]=$!
at_exit "kill $! 2>/dev/null || true"
check "the service" wait_for 10 test -S "$socket"

programs='ibv_rc_pingpong -c -g 1 -n 20'
make_guest hpc0 <<-'END'
	network 10.7.0.2
	mark up
	until ping -c 1 -w 1 10.7.0.1 >/dev/null 2>&1; do
		sleep 0.2
	done
	mark traffic
	run_programs 10.7.0.1 && mark done
	sleep 600
END
mkdir -p /var/lib/libvirt/boot
cp "$kernel/vmlinuz" /var/lib/libvirt/boot/
cp hpc0.initrd /var/lib/libvirt/boot/initrd

# What libvirt's user has written, without the marks of a terminal's line.
ln -sf "$log" hpc0.console
state() { [ "$(virsh domstate hpc0)" = "$1" ]; }
runs() { # TEXT: the guest's programs reach the host
	: >"$log"
	ibv_rc_pingpong -d rxe0 -c -g 1 -n 20 >server.log 2>&1 &
	server=$!
	at_exit "kill $server 2>/dev/null || true" # rxe0 stays as long as somebody has it open
	virsh "$1" hpc0
	check "$1: the guest's programs" wait_for 240 printed hpc0 'mark: done'
	wait $server || { cat server.log; fail "the host's program"; }
}
check "libvirt takes the domain" virsh define domain.xml
at_exit 'virsh undefine hpc0 || true; virsh destroy hpc0 2>/dev/null || true'
runs start
check "the domain runs" state running
runs reset
check "destroy" virsh destroy hpc0
check "the domain is off" state 'shut off'
leaves_nothing hpc0
check "the VF is still carved" test "$(bypass status --json | jq '[.carvings[].slices[]] | length')" = 1
