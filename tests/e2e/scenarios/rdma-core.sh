#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Context slices on a real HCA (rxe), driven through their virtqueues by a process that plays the
# guest: traffic between two of them, scattered registrations and their limits, and the HCA's
# removal.
#
# timeout: 300
# long: 3600

. "${0%/*}/../lib/checks.sh"

modprobe -a crc32_generic rdma_rxe
netdev=$(basename "$(ls -d /sys/bus/pci/drivers/igb/*/net/*)")
at_exit "rdma link delete rxe0 2>/dev/null || true; ip addr flush dev $netdev; ip link set $netdev down"
ip link set "$netdev" up
ip addr add 10.7.0.1/24 dev "$netdev"
check "the link is up" wait_for 20 grep -qx 1 "/sys/class/net/$netdev/carrier"
rdma link add rxe0 type rxe netdev "$netdev"
check "its HCA" wait_for 10 ibv_devinfo -d rxe0
resources() { rdma resource show rxe0; }
before=$(resources)
unchanged() { [ "$(resources)" = "$before" ] || { resources; return 1; }; }

check_error "an HCA that is not there" "is called 'rxe7'; there are: rxe0" rdma-core traffic rxe7
check_error "an unknown option" "known are trust-guest" rdma-core traffic rxe0,trust

rdma-core traffic rxe0,trust-guest
rdma-core traffic rxe0
check "nothing is left" unchanged
check "a slice by its network device" rdma-core churn "$netdev,trust-guest" 10

n=$(repetitions 20000 1000000)
started=$SECONDS
rdma-core events rxe0,trust-guest "$n"
echo "$n events in $((SECONDS - started)) s"
check "nothing is left" unchanged

rdma-core runs rxe0,trust-guest 20000
sysctl -q vm.max_map_count=65530
status=0
rdma-core runs rxe0,trust-guest 65536 || status=$?
check "more runs than mappings are too many" test $status = 3
at_exit "sysctl -q vm.max_map_count=65530"
sysctl -q vm.max_map_count=262144
rdma-core runs rxe0,trust-guest 65536
rdma-core churn rxe0,trust-guest 2000
check "nothing is left" unchanged

rdma-core wait rxe0,trust-guest >wait.log &
waiter=$!
check "a slice in use" wait_for 20 grep -q ready wait.log
check "the HCA can be removed from under a slice" timeout 30 rdma link delete rxe0
wait $waiter || fail "the slice did not survive it: $(cat wait.log)"
cat wait.log
