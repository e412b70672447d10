#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The loop slice of `bypass serve --vfio-user`, in its sandbox, with a client in another process: each
# byte of each answer checked, each interrupt counted on both sides, one client after the other, and
# clients that are killed.

. "${0%/*}/../lib/checks.sh"

bypass serve --vfio-user --loop --socket "$PWD/loop.sock" >serve 2>&1 &
service=$!
at_exit "kill $service 2>/dev/null || true; cat serve"
check "the service" wait_for 20 test -S loop.sock
requests=2000
told() { [ "$(grep -c "VMM gone after $requests requests, $requests interrupts" serve)" -ge "$1" ]; }
for client in 1 2; do
	check "client $client" loop_client loop.sock $requests
	check "the service counts the same" wait_for 10 told $client
done
for client in 1 2 3; do
	loop_client loop.sock 100000000 &
	killed=$!
	sleep 0.5
	kill -KILL $killed
	wait $killed || true
done
check "the next client after three that were killed" loop_client loop.sock $requests
check "the service counts the same" wait_for 10 told 3
kill $service
wait $service || fail "the service ends with status $?"
