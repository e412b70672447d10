#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# As rdma-hostile, by `bypass serve` under QEMU: the service lives and does not grow, another guest's
# traffic goes on unharmed, and afterwards the device works. Then the next guest does not spare QEMU,
# which may not survive it; the one after that finds the service as it was.
#
# timeout: 1500
# long: 2400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-hostile.sh"

make_bystander
make_villain --spare-vmm
vmm_guest bystander --cpus 1
check "the bystander" wait_mark bystander 120 run
qemu_guest villain
attack "${pids[villain.serve]}"
say villain go
check "the device works as before" ended villain 120

gone() { ! kill -0 "${pids[villain]}" 2>/dev/null; }
mapfile -t before < <(footprint "${pids[villain.serve]}")
make_villain
qemu_guest villain
wait_mark villain 200 warm && say villain go && wait_mark villain 200 over || true
gone && echo "QEMU did not survive it" || kill -KILL "${pids[villain]}"
check "the VMM is gone" wait_for 10 gone
check "of its guest nothing is left" wait_for 60 both_idle
mapfile -t after < <(footprint "${pids[villain.serve]}")
no_growth

make_peaceful villain
qemu_guest villain
check "the device works for the next guest" ended villain 120
end_bystander
leaves_nothing villain
