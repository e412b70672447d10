#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Two guests on one HCA, one under bypass-vmm and one under QEMU: stock programs between them, 64
# queue pairs at once, and what the one in QEMU may not do to the other. The short form has three of the five
# programs.
#
# timeout: 1200
# long: 1200

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

programs=$(repetitions "$(sed -n '1p;3p;5p' <<<"$pingpongs")" "$pingpongs")
carve_networks 1
with=(--with rdma-pairs --with rdma-isolation)
make_guest one "${with[@]}" <<END
network 10.7.0.2
run_programs $host || exit
rdma-pairs rxe0 64 50 || exit
rdma-isolation rxe0 victim
END
make_guest two "${with[@]}" <<'END'
network 10.0.2.15
ip route add default via 10.0.2.2 # QEMU's network shows the other guest's own address
run_programs || exit
rdma-pairs rxe0 64 50 10.7.0.2 || exit
rdma-isolation rxe0 attacker 10.7.0.2
END
PORTS=18515 qemu_guest two # with two vCPUs the guest hung now and then as its last program ended
vmm_guest one --slice "${vfs[0]}"
check "from bypass-vmm to QEMU" ended one 800
check "the other side of it" ended two 120
grep -E '^(==|pairs|victim)' one.console
grep -E '^(pairs|attacker)' two.console
leaves_nothing two
