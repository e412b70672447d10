#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a scenario of two hosts has on the second one: a shell with the same functions, which takes commands from the
# first, a quoted one a line. After each it prints "second: done". It ends with its input or with a command that fails,
# and then cleans up.

host=10.7.0.2
. "${BASH_SOURCE[0]%/*}/checks.sh"
. "${BASH_SOURCE[0]%/*}/carving.sh"
. "${BASH_SOURCE[0]%/*}/rdma.sh"
echo "second: done"
while read -r line; do
	eval "eval $line" </dev/null
	echo "second: done"
done
