#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the data path of a context slice costs. A guest sends 20,000 messages to itself (under QEMU in the
# long form alone): no exit to user space, at most one kick a send, and interrupts only where these were
# asked for. Beside it stand the system calls of the same program on the host. Where the HCA has doorbell
# pages, nothing of the host takes part: no kick, no system call, no wake-up. A scenario that goes another way
# may say what the guest does before that (`at_first`, with the programs of `with`), and what the host does
# before it has the guest and then for it (`prepare`, `on_host`; `guest_options`).
#
# timeout: 600
# long: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/exits.sh"

operations=${operations:-20000}
events=500
declare -a with guest_options
[ -z "${prepare:-}" ] || $prepare
make_guest guest --with rdma-operations "${with[@]}" <<END
set -e
${at_first:-}
mark first; wait_line
rmmod bypass_rdma
modprobe bypass_rdma timeout=86400 # nor does it ask now and then whether the host is there
mark_bars $hca
mark up; wait_line
rdma-operations $hca $operations poll
rdma-operations $hca $events sleep
mark over; wait_line
END
rdma_guest guest "${guest_options[@]}"
[ -z "${on_host:-}" ] || $on_host

# Exits to user space so far for the slice's BARs, whoever counts: KVM, and bypass-vmm. The module that is loaded
# now causes the first ones. (What a guest types and prints leaves it by ports.)
check "the guest" wait_mark guest 600 first
trace_exits
send_line guest go
exits() {
	exits_at guest
	[ "$way" = qemu ] || [ "$way" = vfio ] || bypass top --json --interval 0.1 |
		jq '.slices[0] | .config_exits + .mmio_exits + .pio_exits'
}
# The main thread of bypass-vmm, where it has the slice, wakes once for the line that this scenario types.
typed=$([ "$way" != vmm ] || echo 1)
interrupts() { tr -d '\r' <guest.console | sed -n "s/^mark: $1 //p"; }

check "its module is loaded anew" wait_mark guest 360 up
send_line guest go
check "a queue pair" wait_mark guest 360 poll-ready
traced_exits >exits.before
before=$(exits | paste -sd " ")
woken=$(wake_ups guest)
send_line guest go
check "$operations sends and receives" wait_mark guest 600 poll-finished
woken=$(($(wake_ups guest) - woken - typed))
after=$(exits | paste -sd " ")
traced_exits >exits.after
send_line guest go
check "once more, asleep" wait_mark guest 360 sleep-ready
send_line guest go
check "$events events" wait_mark guest 360 sleep-finished
send_line guest go
check "the guest goes on" wait_mark guest 360 over
send_line guest go
check "the guest ends" ended guest 120
awake=$(($(interrupts poll-finished) - $(interrupts poll-ready)))
asleep=$(($(interrupts sleep-finished) - $(interrupts sleep-ready)))

counts() {
	case $way in
	vmm) jq -r '.slices[0].rdma | [.kicks, .post_sends] | @tsv' guest.json ;;
	*) sed -n 's/.* \([0-9]*\) kicks, \([0-9]*\) doorbells.*/\1 \2/p' guest.serve ;;
	esac
}
counted() { [ -n "$(counts)" ]; }
check "the slice's own counts" wait_for 10 counted
read -r kicks posts < <(counts)
echo "$operations polled: exits $before to $after, $awake interrupts"
echo "$events more by events: $asleep interrupts; all: $kicks kicks, $posts doorbells"
rounds=200 # traced, but for what polling may call
timeout 60 strace -qq -f --seccomp-bpf -e trace=write -c -o calls \
	rdma-operations $hca $rounds poll < <(yes) >/dev/null
calls=$(awk '$NF == "write" { n = $4 } END { print n + 0 }' calls)
echo "a send and its receive, polled         guest    host"
awk "BEGIN {
	row = \"%-34s %9.3f %7s\n\"
	printf row, \"exits to user space\", (${after%% *} - ${before%% *}) / $operations, \"-\"
	printf row, \"interrupts\", $awake / $operations, \"-\"
	printf row, \"wake-ups of the slice\", $woken / $operations, \"-\"
	printf row, \"kicks (ioeventfd)\", $kicks / ($operations + $events), \"-\"
	printf row, \"doorbells (system calls)\", $posts / ($operations + $events), $calls / $rounds
}"
echo "exits meanwhile, at any device of the guest: $(diff exits.before exits.after | grep '^[<>]' | paste -sd " ")"
check "exits were counted before" test "${before%% *}" -gt 0
check "no exit to user space" test "$after" = "$before"
check "no interrupt that nobody asked for" test "$awake" = 0
check "interrupts where they were asked for" test "$asleep" -ge $((events / 2))
check "at most one kick a send, and one a notification" \
	test "$kicks" -le $((operations + 4 * events + 16))
if [ "$hca" != rxe0 ]; then
	check "no kick and no system call" test "$kicks $posts" = "0 0"
	check "no wake-up while $operations were polled" test "$woken" = 0
fi
leaves_nothing guest
