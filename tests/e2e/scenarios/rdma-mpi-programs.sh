#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# MPI programs that check their own results, as Debian has them, with four ranks in two guests that nobody trusts:
# the benchmarks of mpi4py, ScaLAPACK's tests, and in the long form HPCC.
#
# timeout: 600
# long: 1800

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"
. "${0%/*}/../lib/python.sh"

mpi_networks one two
make_python python.cpio <<'END'
import mpi4py
mpi4py.rc.initialize = False
import argparse, gettext, locale, mpi4py.MPI, mpi4py.bench, runpy
END
hpcc=''
[ -z "${LONG:-}" ] || hpcc="run hpcc
grep -E 'PASSED|FAILED|Success=|_Errors=|rror' hpccoutf.txt
mark hpcc"
memory=1G
for name in one two; do
	{
		cat <<-END
			cluster $name ${net_address[$name]}
			cd /tmp
			cat >hpccinf.txt <<-'EOF'
			$(cat "${0%/*}/../lib/mpi/hpccinf.txt")
			EOF
			cat >LLT.dat <<-'EOF'
			$(cat "${0%/*}/../lib/mpi/LLT.dat")
			EOF
			mark up; wait_line
		END
		[ $name = two ] || cat <<-END
			retry reachable two || exit
			status=0
			run() { # what comes next is tried all the same
				echo "== \$*"
				$four "\$@" >/tmp/out 2>&1 </dev/null || { status=1; echo FAILED; }
				cat /tmp/out
			}
			run /usr/bin/python3 -m mpi4py.bench helloworld
			run /usr/bin/python3 -m mpi4py.bench ringtest -n 65536 -l 10
			mark python
			run xdllt
			mark scalapack
			$hpcc
			exit \$status
		END
	} | make_guest $name "${mpi_base[@]}" "${openmpi[@]}" --with hpcc \
		--with /usr/lib/x86_64-linux-gnu/scalapack/openmpi-tests/xdllt
	cat python.cpio >>$name.initrd
done
mpi_guests
tail -n +1 -f --pid "${pids[one]}" one.console & # seen when a time limit ends the scenario, too
send_line one go
check "mpi4py" wait_mark one 240 python
check "ScaLAPACK" wait_mark one 240 scalapack
[ -z "$hpcc" ] || check "HPCC" wait_mark one 1000 hpcc
check "the first guest ends" ended one 60
send_line two go
check "the second guest ends" ended two 60
said() { tr -d '\r' <one.console | grep -c "$1"; }
check "four ranks of Python, two in each guest" test "$(said 'Hello, World! I am process . of 4 on')" = 4
check "ScaLAPACK's factorizations are right" test "$(said '^WALL  *L .*PASSED$')" = 2
if [ -n "$hpcc" ]; then
	# Of PTRANS, 5 times by the wall clock and by the CPU's, and of Linpack.
	check "HPCC's results are right" test "$(said '^Success=1')" = 1 -a "$(said '[0-9] PASSED .*[0-9]$')" = 10 \
		-a "$(said '\.\.\. PASSED$')" = 1 -a "$(said FAILED)" = 0
	check "no number is wrong" test "$(said '_Errors=0$')" = 2
fi
check "nothing is left on the host" nothing_left
