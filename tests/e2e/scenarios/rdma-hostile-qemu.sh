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
make_attacker --spare-vmm
vmm_guest bystander
check "the bystander" wait_mark bystander 240 run
qemu_guest attacker
attack "${pids[attacker.serve]}" guarded
send_line attacker end
check "the device works as before" ended attacker 600

gone() { ! kill -0 "${pids[attacker]}" 2>/dev/null; }
mapfile -t before < <(footprint "${pids[attacker.serve]}")
seconds=$(repetitions 8 600) # QEMU's end or not, the service is asked the same afterwards
make_attacker
qemu_guest attacker
if wait_mark attacker 400 warm; then
	send_line bystander go
	send_line attacker guarded
	wait_mark attacker $((seconds + 470)) over || true
	send_line bystander pause
fi
gone && echo "QEMU did not survive it" || kill -KILL "${pids[attacker]}"
check "the VMM is gone" wait_for 10 gone
check "of its guest nothing is left" wait_for 60 both_idle
mapfile -t after < <(footprint "${pids[attacker.serve]}")
no_growth

make_peaceful attacker
qemu_guest attacker
check "the device works for the next guest" ended attacker 600
end_bystander
leaves_nothing attacker
