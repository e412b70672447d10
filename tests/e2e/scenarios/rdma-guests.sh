#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Two guests on one HCA: stock programs between them, 64 queue pairs at once, and what one may not
# do to the other.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

programs+=${more_programs:+$'\n'$more_programs}
with_host=${with_host:-} # programs between guest one and the host
alone=${alone:-}         # a program of each guest for itself

carve_networks 2
with=(--with rdma-pairs --with rdma-isolation ${alone:+--with "${alone%% *}"})
make_guest one "${with[@]}" <<END
network 10.7.0.2
run_programs || exit
rdma-pairs $hca 64 50 || exit
${alone:-true} || exit
rdma-isolation $hca victim || exit
programs='$with_host'
mark with-host
[ -z "\$programs" ] || run_programs $host
END
kernel=${other_kernel:-$kernel} # of the second guest
make_guest two "${with[@]}" <<END
network 10.7.0.3
run_programs 10.7.0.2 || exit
rdma-pairs $hca 64 50 10.7.0.2 || exit
${alone:-true} || exit
rdma-isolation $hca attacker 10.7.0.2
END
kernel=/guest vmm_guest one --slice "${vfs[0]}"
vmm_guest two --slice "${vfs[1]}"
if [ -n "$with_host" ]; then
	check "between the guests all was tried" wait_mark one 700 with-host
	programs=$with_host
	run_programs || fail "guest to host: the host's side"
fi
check "guest to guest: programs, 64 queue pairs, isolation" ended one 800
check "the other side of it" ended two 120
grep -E '^(victim|pairs)' one.console
grep -E '^(attacker|pairs|==)' two.console
check "nothing is left on the host" nothing_left
