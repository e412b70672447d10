# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Traffic that does not end by itself, for guests in which something is broken under it. Sourced after
# rdma.sh.

programs='ibv_rc_pingpong -c -g 1 -n 100'

# In a guest: two processes that talk to each other for ever, waiting by events or by polling.
traffic() { # [-e]
	ibv_rc_pingpong "$@" -g 1 -n 100000000 >/tmp/server 2>&1 &
	server=$!
	for i in $(seq 30); do # until it listens
		sleep 1
		ibv_rc_pingpong "$@" -g 1 -n 100000000 127.0.0.1 >/tmp/client 2>&1 &
		client=$!
		sleep 3
		! kill -0 $client 2>/dev/null || break
	done
	kill -0 $server && kill -0 $client
}
# They end by themselves, as verbs fail.
both_end() {
	for i in $(seq 60); do
		kill -0 $server 2>/dev/null || kill -0 $client 2>/dev/null || break
		sleep 0.5
	done
	! kill -0 $server 2>/dev/null || return 1
	! kill -0 $client 2>/dev/null || return 1
	tail -n 1 /tmp/server /tmp/client
}
short_run() {
	ibv_rc_pingpong -c -g 1 -n 100 >/tmp/server 2>&1 &
	retry ibv_rc_pingpong -c -g 1 -n 100 127.0.0.1 >/tmp/client 2>&1 && wait $! &&
		! grep '^invalid data' /tmp/server /tmp/client # of which -c only speaks
}
functions=$(declare -f traffic both_end short_run)
