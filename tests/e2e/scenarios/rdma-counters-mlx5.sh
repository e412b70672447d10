#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Port counters of a ConnectX in a guest that may read them: counters/ of sysfs has the host's names and values, and
# hw_counters/ none of these. Prometheus' node exporter finds them in the guest. A guest that may not read them has no
# counters/.
#
# testbed: --hca 2
# timeout: 400

hca=mlx5_0
. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

programs="ibv_rc_pingpong
prometheus-node-exporter"
port_counters() { (cd /sys/class/infiniband/mlx5_0/ports/1/counters && grep . ./*); }
guest_functions+=(port_counters)
make_guest guest <<-'END'
	cd /sys/class/infiniband/mlx5_0/ports/1
	ls hw_counters/slice_commands || exit
	if [ -e counters ]; then
		ip link set lo up
		ibv_rc_pingpong -g 1 -n 50 >/dev/null &
		retry ibv_rc_pingpong -g 1 -n 50 127.0.0.1 >/dev/null && wait $! || exit
		port_counters | sed 's/^/counter: /'
		prometheus-node-exporter --collector.disable-defaults --collector.infiniband \
			--web.listen-address=127.0.0.1:9100 >/tmp/exporter 2>&1 &
		retry wget -qO /tmp/metrics http://127.0.0.1:9100/metrics || { cat /tmp/exporter && exit 1; }
		sed -n 's/^node_infiniband_\(.*\){device="mlx5_0",port="1"}/metric: \1/p' /tmp/metrics
		ls hw_counters | sed 's/^/other: /'
	fi
	mark counted
	wait_line
END
counters() { tr -d '\r' <guest.console | sed -n 's/^counter: //p'; }
value() { counters | sed -n "s|^./$1:||p"; }
run() {
	vmm_guest guest
	check "a guest of $options" wait_mark guest 240 counted
	port_counters >host
	send_line guest go
	check "it ends" ended guest 60
	check "nothing is left on the host" nothing_left
}

options=mlx5_0,hca-counters
run
cat host
check "the counters are those that the host reads" diff host <(counters)
check "they have counted" test "$(value port_xmit_packets)" -ge 100 -a "$(value port_rcv_data)" -ge $((100 * 4096 / 4))
metric() { tr -d '\r' <guest.console | awk '$1 == "metric:" && $2 == "'"$1"'" { printf "%.0f", $3 }'; }
check "the node exporter finds them" test "$(metric port_packets_transmitted_total)" = "$(value port_xmit_packets)" -a \
	"$(metric port_data_received_bytes_total)" = $((4 * $(value port_rcv_data)))
check "hw_counters has none of them" test -z "$(tr -d '\r' <guest.console | grep '^other: port_')"

options=mlx5_0
run
check "a guest that may not read them has none" test -z "$(counters)"
