#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest whose RAM is made of the host's huge pages (hugetlb), on a ConnectX: scattered buffers are registered
# by a dma-buf. A queue lies where a mapping can show the queue: programs have their queues in huge pages.
#
# testbed: --hca 2
# timeout: 600

. "${0%/*}/../lib/checks.sh"
hca=mlx5_0
. "${0%/*}/../lib/rdma.sh"

pool=/sys/kernel/mm/hugepages/hugepages-2048kB
was=$(cat $pool/nr_hugepages)
at_exit "echo $was >$pool/nr_hugepages"
echo 320 >$pool/nr_hugepages # 256 are the guest's RAM
check "huge pages for the guest" grep -qx 320 $pool/nr_hugepages
doctor_warns() {
	bypass doctor $hca --json >doctor.json || true
	jq -r '.findings[] | select(.about == "rdma-memory").text' doctor.json | grep -E '320 huge pages set aside.*create queues'
}
check "the doctor says what such a guest cannot do" doctor_warns

make_guest guest --with ibv_rc_pingpong <<-'END'
	set -e
	dmesg | grep 'RAM in huge pages of 2048 KiB: a queue .* cannot be created (error 22)'
	echo 16 >/proc/sys/vm/nr_hugepages
	echo never >/sys/kernel/mm/transparent_hugepage/enabled
	# A queue of small pages lies wherever they were free.
	if ibv_rc_pingpong -g 1 -r 4000 >/tmp/scattered 2>&1; then exit 1; fi
	grep "Couldn't create CQ" /tmp/scattered
	export MLX_QP_ALLOC_TYPE=HUGE MLX_CQ_ALLOC_TYPE=HUGE
	ibv_rc_pingpong -c -g 1 -n 20 -s 4000000 >/tmp/server &
	retry ibv_rc_pingpong -c -g 1 -n 20 -s 4000000 127.0.0.1
	wait $!
	! grep '^invalid data' /tmp/server || exit 1
END
vmm_guest guest --hugepages
check "the guest" ended guest 240
leaves_nothing guest
