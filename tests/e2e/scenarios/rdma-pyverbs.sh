#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# rdma-core's own tests, in Python, give the same verdicts in guests as on the host's rxe, but for a list of exceptions:
# in a guest that is not trusted, those that the host passes; in the long form in a trusted guest too, and all of them.
#
# timeout: 900
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-pyverbs.sh"

tests=('^tests\.test_(?!mlx5|efa|cuda)') # those of no vendor
make_tests python.cpio
on_host
if [ -z "${LONG:-}" ]; then
	sed -i '/ ok$/!d' host.verdicts
	mapfile -t tests < <(sed 's/\(.*\) ok$/^\1$/' host.verdicts)
fi
options=rxe0 in_guest guarded 400
as_on_host guarded
[ -n "${LONG:-}" ] || exit 0
options=rxe0,trust-guest in_guest direct 400
as_on_host direct
