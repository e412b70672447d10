#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest attacks the devices of its slices from user space: a guarded one, and the commands of one with
# trust-guest. Its VMM lives and does not grow, another guest's traffic goes on unharmed, and afterwards the
# devices work.
#
# timeout: 600
# long: 2400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-hostile.sh"

make_bystander
make_attacker
vmm_guest bystander
check "the bystander" wait_mark bystander 240 run
if [ "$hca" = rxe0 ]; then
	contexts=3
	vmm_guest attacker --rdma "$options,trust-guest"
	attack "${pids[attacker]}" guarded
	attack "${pids[attacker]}" trusted
else
	vmm_guest attacker
	attack "${pids[attacker]}" guarded
	grep '^unmap:' attacker.console
fi
send_line attacker end
check "the devices work as before" ended attacker 600
end_bystander
check "nothing is left on the host" nothing_left
