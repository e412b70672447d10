#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest attacks the device of its slice from user space. Its VMM lives and does not
# grow, another guest's traffic goes on unharmed, and afterwards the device works.
#
# timeout: 600
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-hostile.sh"

make_bystander
make_attacker
vmm_guest bystander --cpus 1
check "the bystander" wait_mark bystander 240 run
vmm_guest attacker
attack "${pids[attacker]}"
send_line attacker go
check "the device works as before" ended attacker 600
end_bystander
check "nothing is left on the host" nothing_left
