#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest whose RAM is made of the host's huge pages (hugetlb): what it can register, what it cannot,
# and who says so.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

pool=/sys/kernel/mm/hugepages/hugepages-2048kB
was=$(cat $pool/nr_hugepages)
at_exit "echo $was >$pool/nr_hugepages"
echo 320 >$pool/nr_hugepages # 256 are the guest's RAM, some are the host's side's
check "huge pages for both" grep -qx 320 $pool/nr_hugepages
doctor_warns() {
	bypass doctor rxe0 --json >doctor.json || true
	jq -r '.findings[] | select(.about == "rdma-memory").text' doctor.json | grep -E "$1"
}
check "the doctor says what such a guest cannot do" doctor_warns '320 huge pages set aside.*EINVAL'

programs="ib_send_lat -d rxe0 -x 1 -F -n 20 -s 65536 --use_hugepages
ib_send_bw -d rxe0 -x 1 -F -n 5 -s 1048576 --use_hugepages
ib_write_bw -d rxe0 -x 1 -F -n 5 -s 1048576 --use_hugepages
ib_read_bw -d rxe0 -x 1 -F -n 5 -s 1048576 --use_hugepages
ib_send_lat -d rxe0 -x 1 -F -n 20 -c UD -s 1024 --use_hugepages
ibv_rc_pingpong -c -g 1 -n 100"
carve_networks 1
make_guest guest --with ib_write_bw --with ibv_rc_pingpong <<-END
	set -e
	dmesg | grep 'RAM in huge pages of 2048 KiB.*cannot be registered (error 22)'
	network 10.7.0.2
	echo 32 >/proc/sys/vm/nr_hugepages
	run_programs $host
	# A buffer of small pages lies wherever they were free.
	echo never >/sys/kernel/mm/transparent_hugepage/enabled
	if ibv_rc_pingpong -g 1 -s 4194304 >/tmp/scattered 2>&1; then exit 1; fi
	grep "Couldn't register MR" /tmp/scattered
END
vmm_guest guest --slice "${vfs[0]}" --hugepages
run_programs || fail "the host's side of the programs"
check "the guest's side" ended guest 120
check "the VMM has said what the guest cannot register" \
	grep -q 'guest RAM is made of huge pages of 2048 KiB.*EINVAL' guest.stderr
leaves_nothing guest
