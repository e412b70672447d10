#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Two slices in each of two guests that nobody trusts, one of each HCA of the host: UCX sends by both. Four ranks,
# all-to-all and allreduce with each number checked; NetPIPE with its integrity check. Each HCA sends half of the
# packets, and each slice rings for each message.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"

each=4 # messages of each size
mpi_networks one two
# The second HCA is in a network of its own, out of reach of the first one's slices.
at_exit "bypass release rail || true"
check "a second HCA" bypass carve --rdma "$netdev" --addr 10.9.0.5/24 --addr 10.9.0.6/24 --name rail
besides=([one]="--rdma rail,addr=10.9.0.5" [two]="--rdma rail,addr=10.9.0.6")
both_untouched=$(rdma resource show)

# UCX sends large messages by two ways unless told otherwise, and eager ones if told so.
rails() { echo "${1/rxe0:1/rxe0:1,rxe1:1} -x UCX_MAX_EAGER_RAILS=2"; }
programs="NPopenmpi
mpi-check-openmpi"
make_guest two "${mpi_base[@]}" "${openmpi[@]}" <<END
cluster two ${net_address[two]}
mark up; wait_line
END
make_guest one "${mpi_base[@]}" "${openmpi[@]}" <<END
cluster one ${net_address[one]}
mark up; wait_line
(cd /sys/class/infiniband && grep . */ports/1/gids/0)
retry reachable two || exit
$(rails "$four") mpi-check-openmpi </dev/null || exit
mark checked; wait_line
$(rails "$pair") NPopenmpi -i -l 16384 -u 1048576 -n $each </dev/null
END
mpi_guests
sent() { cat "/sys/class/infiniband/$1/ports/1/hw_counters/sent_pkts"; }
send_line one go
check "Open MPI over UCX: four ranks, all-to-all, allreduce" wait_mark one 240 checked
first=$(sent rxe0) second=$(sent rail)
send_line one go
check "NetPIPE's integrity check" ended one 240
first=$(($(sent rxe0) - first)) second=$(($(sent rail) - second))
send_line two go
check "the second guest ends" ended two 60

tr -d '\r' <one.console | grep -v -e '^mark' -e '^$'
passed() { tr -d '\r' <one.console | grep -c "$@"; }
check "a guest's devices have the order of its options" \
	test "$(passed -e '^rxe0/.*:ffff:0a07:0005$' -e '^rxe1/.*:ffff:0a09:0005$')" = 2
check "every number was right" test "$(passed 'mpi-check: 4 ranks: all numbers are right')" = 1
check "the last rank was in the second guest" test "$(passed 'rank 3 of 4 on two')" = 1
sizes=$(passed 'bytes .*Integrity check passed')
check "each size was right" test "$sizes" -ge 13 -a "$(passed 'Integrity check failed')" = 0
echo "packets of NetPIPE: $first by the first HCA, $second by the second"
check "each HCA sent two fifths of them, or more" \
	test $((5 * first)) -ge $((2 * (first + second))) -a $((5 * second)) -ge $((2 * (first + second)))
posts=$(jq -r '.slices[] | select(.rdma) | "\(.name) \(.rdma.post_sends)"' one.json two.json)
echo "doorbells:" $posts
# One slice alone would leave the other without any.
check "four slices rang for each message" \
	test "$(awk -v messages=$((sizes * each)) '$2 >= messages' <<<"$posts" | wc -l)" = 4
both_left() { [ "$(rdma resource show)" = "$both_untouched" ] || { rdma resource show && return 1; }; }
check "nothing is left on the host" both_left
