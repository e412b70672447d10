#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The packages of `make deb` in a Debian 13 that has nothing else of the project: they install, a
# program builds with them, a guest runs with a VF and a context slice, and they leave nothing.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

packages=/usr/local/lib/testbed/packages
[ -e $packages ] || skip "there are no packages: make deb makes them"

# The host's own system below a layer that takes what is written. /usr/local is another file system, so
# that a program that is found there is none of ours.
modprobe -a overlay vfio-pci
mkdir layer system
mount -t tmpfs layer layer
at_exit "umount layer"
mkdir layer/{upper,work}
mount -t overlay -o "lowerdir=/,upperdir=layer/upper,workdir=layer/work" overlay system
at_exit "umount -R system"
for folder in dev proc sys run; do
	mount --bind /$folder system/$folder
done
mkdir system/packages
cp $packages/*.deb system/packages/
cp /usr/local/src/bypass/examples/slice.c system/packages/

inside=(chroot system env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8)
in_system() { "${inside[@]}" sh -ec "$1"; }

check "nothing of the project is there yet" in_system '! command -v bypass bypass-vmm'
check "the packages install" in_system 'dpkg -i /packages/lib*.deb /packages/bypass-tools_*.deb'
# Without DKMS, which the emulated host lacks; what DKMS would build was built before.
check "the module's source too" in_system 'dpkg --unpack /packages/bypass-rdma-dkms_*.deb &&
	test -f /usr/src/bypass-rdma-*/dkms.conf'
check "what a Slurm site needs is there" in_system 'test -x /usr/share/bypass/slurm/prolog -a -f /usr/share/bypass/slurm/gres.conf'
check "a program builds with them and runs" in_system 'cd /packages &&
	gcc -o slice slice.c $(pkg-config --cflags --libs libbypass) && ldd slice | grep -q /libbypass.so.0'

at_exit "${inside[*]} bypass release $adapter || true"
check "carve a VF" in_system "bypass carve $adapter --vfs 1"
vf=$(in_system "bypass status --json" | jq -r '.carvings[].slices[].address')
options=rxe0
programs='ibv_rc_pingpong -c -g 1 -n 100'
make_guest guest --with $packages/bypass_rdma.ko --with $packages/bypass_rdma_cm.ko <<'END'
set -e
rmmod bypass_rdma
insmod "$(command -v bypass_rdma.ko)"
insmod "$(command -v bypass_rdma_cm.ko)"
test -c /dev/infiniband/rdma_cm
ls -d /sys/bus/pci/drivers/igbvf/0*
ibv_rc_pingpong -e -c -g 1 -n 100 >/tmp/server 2>&1 &
retry ibv_rc_pingpong -e -c -g 1 -n 100 127.0.0.1
wait $!
END
cp guest.initrd system/packages/
in_background guest "${inside[@]}" bypass-vmm --kernel /guest/vmlinuz \
	--initrd /packages/guest.initrd --append quiet --cpus 1 --mem 512M --rdma rxe0 --slice "$vf"
check "a guest with what they brought" ended guest 400
check "release" in_system "bypass release $adapter"
check "nothing is left on the host" nothing_left

check "the packages go" in_system \
	'dpkg -P bypass-rdma-dkms bypass-tools libbypass-dev libbypass0 libvmm-glue0'
check "without a trace" in_system '! find /usr /etc /var /lib -name "*bypass*" ! -name "irqbypass.*" | grep .'
