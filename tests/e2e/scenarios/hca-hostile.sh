#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A function of the ConnectX model whose guest attacks: a program on its own queues, then a driver of
# its own. Meanwhile another function's traffic is checked, byte by byte.
#
# testbed: --hca 2
# timeout: 900
# long: 3600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/hca.sh"

seconds=$(repetitions 10 600)
seed=$(repetitions 1 "$(date +%s)")
function=$(basename "$(readlink -f /sys/class/infiniband/mlx5_0/device)")

# attack WHAT ARG...: traffic of the other function meanwhile
attack() {
	local attacker rounds=0
	hca-hostile "$@" "$seconds" "$seed" >attack.log 2>&1 &
	attacker=$!
	while kill -0 $attacker 2>/dev/null; do
		timeout 300 rdma-pairs mlx5_1 16 10 >server.log 2>&1 &
		timeout 300 rdma-pairs mlx5_1 16 10 localhost >client.log 2>&1 ||
			{ cat server.log client.log; fail "the other function's traffic under attack by a $1"; }
		wait $! || { cat server.log; fail "the other function's traffic under attack by a $1"; }
		rounds=$((rounds + 1))
	done
	wait $attacker || { cat attack.log; fail "the attack by a $1"; }
	echo "ok: an attack by a $1: $(tail -n 1 attack.log), traffic beside it in $rounds rounds"
}

attack program mlx5_0
pair ibv_rc_pingpong -c -n 100

check "the driver is unbound" timeout 240 sh -c "echo $function >/sys/bus/pci/drivers/mlx5_core/unbind"
attack driver "/sys/bus/pci/devices/$function"
check "the driver is bound again" timeout 240 sh -c "echo $function >/sys/bus/pci/drivers/mlx5_core/bind"
check "mlx5_0 is there again" wait_for 120 active mlx5_0
pair ibv_rc_pingpong -c -n 100
no_complaints
