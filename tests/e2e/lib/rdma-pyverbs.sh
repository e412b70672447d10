# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# rdma-core's own tests, in Python, on the host and in guests: the verdicts are the same, test by test, but for
# the exceptions that rdma-pyverbs.exceptions names. Sourced after rdma.sh. `tests` has patterns of tests.

runner=$(realpath "${BASH_SOURCE[0]%/*}/rdma-core-tests.py")
exceptions=${runner%/*}/rdma-pyverbs.exceptions
cp -r /opt/rdma-core suite # where Python may keep what it has compiled
memory=1G

. "${BASH_SOURCE[0]%/*}/python.sh"

# make_tests CPIO: Python and the tests
make_tests() {
	make_python "$1" <<-END
		import faulthandler, json, multiprocessing.popen_fork, multiprocessing.queues, os, random, sys, traceback
		sys.path[:0] = ["$PWD/suite", "$PWD/suite/tests"]
		from args_parser import parser
		parser.parse_args()
		import tests, unittest
	END
	cp "$runner" .
	echo "${runner##*/}" | cpio --quiet -o -H newc -R 0:0 >>"$1"
}

# verdicts LOG: a line a test, with what came of the test in its last run.
verdicts() {
	tr -d '\r' <"$1" | awk '$1 ~ /^(ok|skip|FAILED)$/ && $3 ~ /^\(/ { last[$2] = $1 }
		END { for (test in last) print test, last[test] }' | sort
}

on_host() {
	python3 "$runner" suite "$hca:1" "${tests[@]}" >host.log 2>&1 || true
	cat host.log
	verdicts host.log >host.verdicts
	check "the tests on the host" grep -q ' ok$' host.verdicts
}

# in_guest NAME SECONDS: the tests in a guest with a slice by `options`.
in_guest() {
	make_guest "$1" --with ip --with rdma --with devlink <<-END
		/usr/bin/python3 /rdma-core-tests.py $PWD/suite $hca:1 $(printf ' %q' "${tests[@]}")
		mark tests
	END
	cat python.cpio >>"$1.initrd"
	vmm_guest "$1" --cpus 1
	tail -n +1 -f --pid "${pids[$1]}" "$1.console" & # seen when a time limit ends the scenario, too
	check "the tests in a guest, $1" ended "$1" "$2"
	check "all were run, $1" marked "$1" tests
	verdicts "$1.console" >"$1.verdicts"
	check "nothing is left on the host" nothing_left
}

# as_on_host NAME: the verdicts in this guest are those of the host, or what the exceptions say. A line of the
# exceptions is: the guests' names with commas, a test, its verdict there, why.
as_on_host() {
	awk -v guest="$1" 'NR == FNR { if ("," $1 "," ~ "," guest ",") verdict[$2] = $3; next }
		{ print $1, ($1 in verdict ? verdict[$1] : $2) }' "$exceptions" host.verdicts >"$1.wanted"
	check "the verdicts of the host, $1" diff "$1.wanted" "$1.verdicts"
	echo "$1: $(awk '{ n[$2]++ } END { print n["ok"] + 0, "pass,", n["skip"] + 0, "are skipped" }' "$1.verdicts"), on the host" \
		"$(awk '{ n[$2]++ } END { print n["ok"] + 0, "and", n["skip"] + 0 }' host.verdicts)"
}
