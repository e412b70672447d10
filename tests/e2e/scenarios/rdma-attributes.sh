#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Attributes that rxe takes though it cannot use them do not reach rxe: each field gets the status of
# the table in docs/threat-model.md. So do guests, trusted or not: with path MTU 0 a write of 65,520 bytes crashes the host's kernel.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

# Every field of every command, by a process that plays the guest.
rdma-fields rxe0
rdma-fields rxe0,trust-guest
check "nothing is left on the host" nothing_left

programs=ibv_devinfo
echo 'rdma-verbs rxe0 path-mtu' | make_guest guest --with rdma-verbs

# Path MTU 3 is 1024 bytes, the most that an Ethernet of 1,500 bytes carries.
expected='verbs: path-mtu: path MTU 0: Invalid argument
verbs: path-mtu: path MTU 1: ok
verbs: path-mtu: a long write: success
verbs: path-mtu: path MTU 3: ok
verbs: path-mtu: a long write: success
verbs: path-mtu: path MTU 5: Invalid argument
verbs: path-mtu: path MTU 6: Invalid argument
verbs: path-mtu: path MTU 255: Invalid argument'

for options in rxe0 rxe0,trust-guest; do
	vmm_guest guest
	check "a guest of $options" ended guest 480
	diff <(tr -d '\r' <guest.console | grep '^verbs: ') - <<<"$expected" || fail "other answers"
	check "nothing is left on the host" nothing_left
done
