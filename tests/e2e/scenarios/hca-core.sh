#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# rdma-core's own tests, in Python, on a function of the ConnectX model: those of atomics, extended completion
# queues, shared receive queues and memory windows; all of them in the long form. docs/hca.md has the tests that
# are skipped, and why.
#
# testbed: --hca 2
# timeout: 900
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/hca.sh"

patterns=('test_(atomic|cqex|srq)\.' 'test_mr\.MW')
[ -z "${LONG:-}" ] || patterns=()
pages=$(cat /proc/sys/vm/nr_hugepages)
at_exit "echo $pages >/proc/sys/vm/nr_hugepages"
echo 16 >/proc/sys/vm/nr_hugepages

mkdir suite
cp -r /opt/rdma-core/tests suite/
python3 "${0%/*}/../lib/rdma-core-tests.py" suite mlx5_0 "${patterns[@]}" >tests.log 2>errors.log ||
	{ tail -n 40 errors.log; grep -A 30 ^FAILED tests.log; tail -n 1 tests.log; exit 1; }
sed -n 's/^skip .*): //p' tests.log | sort | uniq -c
tail -n 1 tests.log
no_complaints
