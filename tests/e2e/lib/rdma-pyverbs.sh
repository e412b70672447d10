# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# rdma-core's own tests, in Python, on the host and in a guest. Sourced after rdma.sh.

suite=/opt/rdma-core
runner=$(realpath "${BASH_SOURCE[0]%/*}/rdma-core-tests.py")

# Python, pyverbs and the tests, with all that they are linked with.
make_python() { # CPIO
	local stage python version
	stage=$(mktemp -d)
	python=$(readlink -f /usr/bin/python3)
	version=$(basename "$python")
	{
		echo "$python"
		find "/usr/lib/$version" -type f ! -path '*/test/*' ! -path '*/idlelib/*' ! -path '*/ensurepip/*' \
			! -path '*/pydoc_data/*' ! -path '*/config-*' ! -path '*/tkinter/*' ! -path '*/__pycache__/*'
		find /usr/lib/python3/dist-packages/pyverbs "$suite" -type f
	} | xargs cp -L --parents -t "$stage"
	{ ldd "$python" $(find "$stage" -name '*.so') 2>/dev/null || true; } |
		sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' |
		sort -u | xargs cp -L --parents -u -t "$stage"
	ln -s "$version" "$stage/usr/bin/python3"
	cp "$runner" "$stage/"
	(cd "$stage" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0) >"$1"
	rm -rf "$stage"
}

# verdicts LOG: a line a test, of what came of the test's last run.
verdicts() {
	tr -d '\r' <"$1" | awk '$1 ~ /^(ok|skip|FAILED)$/ && $3 ~ /^\(/ { last[$2] = $1 }
		END { for (test in last) print test, last[test] }' | sort
}

# on_host and in_guest WAY: the tests that `tests` names by patterns; all without. Logs: host.log, WAY.console.
on_host() {
	python3 "$runner" "$suite" "$hca:$gid" "${tests[@]}" >host.log 2>&1 || true
	tail -n 1 host.log
	verdicts host.log >host.verdicts
	check "the host ran the tests" grep -q ' ok$' host.verdicts
}
in_guest() { # WAY SECONDS
	make_guest "$1" <<-END
		/usr/bin/python3 /rdma-core-tests.py $suite $hca:$gid $(printf ' %q' "${tests[@]}")
		mark tests
	END
	cat python.cpio >>"$1.initrd"
	vmm_guest "$1"
	check "the tests in a guest, $1" ended "$1" "$2"
	check "all were run, $1" marked "$1" tests
	grep -a ' passed, ' "$1.console"
	verdicts "$1.console" >"$1.verdicts"
	check "nothing is left on the host" nothing_left
}

# as_on_host WAY: but for the tests that `known_WAY` names, one a line.
as_on_host() {
	diff host.verdicts "$1.verdicts" >"$1.diff" || true
	sed -n 's/^[<>] //p' "$1.diff" | cut -d' ' -f1 | sort -u >"$1.differ"
	cat "$1.diff"
	check "the verdicts of the host, $1" diff /dev/null <(grep -vxF -f <(echo "$2") "$1.differ")
}
