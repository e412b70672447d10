#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest starts another kernel while two of its processes use the slice. The HCA must not write any
# more to what the first kernel has registered: from then on that memory belongs to the second one.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"

# The second kernel loads no driver: nothing of it resets the device.
mkdir -p second/bin
cp /bin/busybox second/bin/
cat >second/init <<'END'
#!/bin/busybox sh
/bin/busybox printf '\nmark: second\n'
read -r word
/bin/busybox printf '\nguest: exit 0\n'
/bin/busybox poweroff -f
END
chmod 755 second/init
(cd second && find . -mindepth 1 | cpio --quiet -o -H newc) >second.cpio

{
	echo "$functions"
	cat <<-'END'
		set -e
		mark up; wait_line
		traffic
		mark talking; wait_line
		exec kexec /second/vmlinuz /second/initrd "$(cat /proc/cmdline)"
	END
} | make_guest guest --with kexec
mkdir -p more/second
cp "$kernel/vmlinuz" more/second/
cp second.cpio more/second/initrd
(cd more && find . -mindepth 1 | cpio --quiet -o -H newc) >>guest.initrd

memory=1G
vmm_guest guest
check "a guest" wait_mark guest 240 up
idle=$(resources)
send_line guest go
check "traffic in it" wait_mark guest 240 talking
[ "$(resources)" != "$idle" ] || fail "its two processes hold nothing"
send_line guest go
check "another kernel runs in it" wait_mark guest 240 second
check "what the first one had is gone" test "$(resources)" = "$idle"
send_line guest go
check "the guest ends" ended guest 120
check "nothing is left on the host" nothing_left
