#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Guests whose root file system is on an NVMe VF: a small initrd loads the driver, mounts the namespace and makes it
# the root. Two such guests run MPI by slices of the host's HCA, with the programs of their roots. One boots again,
# finds what it has written, and uses its slice.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"

mpi_networks one two
carve_vfs "$nvme" 2
declare -A nsid=([one]=1 [two]=2)
besides=([one]="--slice ${vfs[0]}" [two]="--slice ${vfs[1]}")
memory=512M # in which no root needs to fit

# make_root NAME OPTION... <SCRIPT: what make_guest packs with these becomes the content of the guest's namespace. The
# guest's initrd is another one, whose script is the kernel's first process.
make_root() {
	make_guest "$@"
	mkdir root
	(cd root && for _ in base added; do cpio --quiet -id; done) <"$1.initrd"
	mkfs.ext4 -q -d root "$(namespace "${nsid[$1]}")"
	rm -r root
	programs='' make_guest "$1" <<-END
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		modprobe -a nvme crc32c_generic ext4
		mkdir /disk
		mount -t ext4 "\$(namespace ${nsid[$1]})" /disk || fail "no root"
		umount /sys /dev
		exec switch_root /disk /init
	END
}
arguments+=" rdinit=/script panic=-1" # a first process that fails ends the guest

# In a guest: the disk that is its root.
tell_root() {
	disk=$(sed -n 's|^/dev/\(nvme[^ ]*\) / ext4 rw.*|\1|p' /proc/mounts)
	echo "root: namespace $(cat "/sys/block/$disk/nsid")"
}
# Before it powers off. What mpirun has started may have the result open for a moment longer.
finish_root() { retry mount -o remount,ro / 2>/dev/null; }
guest_functions+=(tell_root finish_root)
programs="mpi-check-openmpi
ibv_rc_pingpong"
make_root two "${mpi_base[@]}" "${openmpi[@]}" <<END
tell_root
cluster two ${net_address[two]}
mark up; wait_line
finish_root
END
make_root one "${mpi_base[@]}" "${openmpi[@]}" <<END
tell_root
if [ -e /result ]; then
	cat /result
	ibv_rc_pingpong -c -g 0 -n 100 >/dev/null &
	retry ibv_rc_pingpong -c -g 0 -n 100 localhost && wait \$! || exit
	echo "another boot" >>/result
else
	cluster one ${net_address[one]}
	mark up; wait_line
	retry reachable two || exit
	$four mpi-check-openmpi </dev/null >/result || exit
fi
finish_root
END
mpi_guests
send_line one go
check "MPI between the guests, and the first one ends" ended one 240
send_line two go
check "the second guest ends" ended two 60
for name in one two; do
	check "the root of $name is its namespace" printed $name "root: namespace ${nsid[$name]}"
done
posts=$(jq -s 'map(.slices[] | select(.rdma).rdma.post_sends) | add' one.json two.json)
check "the messages went through the slices ($posts doorbells)" test "$posts" -ge 48

mpi_guest one
check "the first guest boots again, and a pingpong" ended one 240
cat one.console
check "it finds what it has written" printed one "mpi-check: 4 ranks: all numbers are right"
check "a rank was in the second guest" grep -aq 'rank 3 of 4 on two' one.console
for name in one two; do
	check "the file system of $name is whole" e2fsck -fn "$(namespace "${nsid[$name]}")"
done
result() { debugfs -R 'cat /result' "$(namespace 1)" 2>/dev/null; }
check "the host finds what both boots have written" grep -qx "another boot" <(result)
check "nothing is left on the host" nothing_left
