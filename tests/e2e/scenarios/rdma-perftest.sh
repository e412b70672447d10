#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# perftest between two processes of a guest, and what it costs beside the data: exits, interrupts, kicks.
# Sizes go up to 4 KiB (latency), 1 KiB (datagrams), and 64 KiB or, in the long form, 1 MiB (bandwidth).
# The short form has each verb by one program. The long form has all programs, and also tells how much longer
# it takes than on the host. The times and rates that perftest
# prints mean nothing here: its clock is the TSC, which no nested, emulated machine has right.
#
# timeout: 900
# long: 1500

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"

# A program, its largest size here, its options. It runs on both sides.
largest=$(repetitions 65536 1048576) sizes=$(repetitions 16 20)
programs="ib_send_lat 4096 -a -n 5
ib_write_bw $largest -a -n 5
ib_read_lat 4096 -a -n 5
ib_atomic_lat 8 -n 100
ib_send_bw 1024 -c UD -a -n 5"
programs+=$(repetitions '' "
ib_write_lat 4096 -a -n 5
ib_send_bw $largest -a -n 5
ib_read_bw $largest -a -n 5
ib_send_lat 1024 -c UD -a -n 5")
# Start, set-up and the search for the clock's frequency take the same in both of a pair.
timed=$(repetitions '' "$(for program in ib_{send,write,read}_lat; do
	echo "$program 64 -s 64 -n 20"
	echo "$program 64 -s 64 -n 200"
done)")

listens() { grep -qE ':4853 0+:0000 0A' /proc/net/tcp /proc/net/tcp6; }

# All of LIST, and after each what turn does. -a goes on to 8 MiB, with nearly all bytes in the
# last sizes: it is ended when it has printed the largest wanted.
perftests() { # LIST
	local program largest options service client start
	echo "$1" >/tmp/programs
	while read -r program largest options <&3; do
		start=$(cut -d ' ' -f 1 /proc/uptime)
		# It does not where the last one's connection is not quite over.
		until listens; do
			timeout 300 $program $options -d rxe0 -x 1 -F >/tmp/server 2>&1 </dev/null &
			service=$!
			until listens || ! kill -0 $service 2>/dev/null; do
				sleep 0.3
			done
		done
		# With a terminal it prints each line when it has it.
		: >/tmp/client
		script -q -f -c "timeout 300 $program $options -d rxe0 -x 1 -F 127.0.0.1" /tmp/client \
			>/dev/null 2>&1 </dev/null &
		client=$!
		until grep -q "^ $largest " /tmp/client; do
			kill -0 $client 2>/dev/null || break
			sleep 0.1
		done
		summary "$largest" "$program $options" "$start" || {
			cat /tmp/server /tmp/client
			return 1
		}
		pidof "$program" | xargs -r kill 2>/dev/null || true
		wait $service $client || true
		turn
	done 3</tmp/programs
}

# One line: kind, program, number of sizes, the largest, operations, seconds.
summary() { # LARGEST PROGRAM START
	tr -d '\r' </tmp/client | awk -v wanted="$1" -v name="$2" -v start="$3" \
		-v end="$(cut -d ' ' -f 1 /proc/uptime)" '
		$1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/ && NF > 3 && $1 <= wanted {
			sizes++
			largest = $1
			operations += $2 * (name ~ /(send|write)_lat/ ? 2 : 1) # there both send
		}
		END {
			split(name, word, " ")
			print "perf:", name ~ /UD/ ? "UD" : "RC", word[1], sizes, largest,
				operations, end - start
			exit largest != wanted
		}'
}

# Of the slice, in a guest: for completions, and for answers to commands.
interrupts() {
	awk '{ for (i = 2; $i ~ /^[0-9]+$/; i++) sum[substr($NF, index($NF, "-"))] += $i }
		END { print sum["-completions"] + 0, sum["-control"] + 0 }' /proc/interrupts
}
turn() {
	turns=$((turns + 1))
	mark "turn-$turns $(interrupts)"
	wait_line
}
{
	declare -f listens perftests summary interrupts turn
	cat <<-END
		turns=0
		turn
		perftests "\$programs" || exit
		turn() { :; }
		[ -z '$timed' ] || perftests '$timed'
	END
} | make_guest guest --with script
vmm_guest guest

n=$(wc -l <<<"$programs")
exits=() completions=() commands=()
for i in $(seq 0 "$n"); do
	check "the guest: ${i/#0/nothing} done" wait_mark guest 700 "turn-$((i + 1)) "
	exits+=("$(bypass top --json --interval 0.1 |
		jq '.slices[0] | .config_exits + .mmio_exits + .pio_exits')")
	read -r "completions[i]" "commands[i]" < \
		<(tr -d '\r' <guest.console | sed -n "s/^mark: turn-$((i + 1)) //p")
	send_line guest go
done
check "the guest ends" ended guest 600
tr -d '\r' <guest.console | grep '^perf: ' >guest.perf
turn() { :; }
[ -z "$timed" ] || perftests "$timed" >host.perf || fail "the host's side: $(cat host.perf)"

for i in $(seq "$n"); do
	echo $((exits[i] - exits[i - 1])) $((completions[i] - completions[i - 1])) \
		$((commands[i] - commands[i - 1]))
done >counts
echo "in a guest        sizes     up to operations  exits to    interrupts of"
echo "                                            user space completions commands"
head -n "$n" guest.perf | paste -d ' ' - counts | awk '{
	printf "%s %-13s %6d %9d %10d %10d %11d %8d\n", $2, $3, $4, $5, $6, $8, $9, $10
}'
operations=$(awk '{ sum += $6 } END { print sum }' guest.perf)
read -r kicks posts < <(jq -r '.slices[0].rdma | [.kicks, .post_sends] | @tsv' guest.json)
echo "all $operations: $kicks kicks (ioeventfd), $posts doorbells (system calls)"
if [ -n "$timed" ]; then
	echo "a send of 64 B, microseconds   guest    host    ratio, under emulation"
	tail -n +$((n + 1)) guest.perf | paste -d ' ' - host.perf | awk '
		NR % 2 { sends = $6; seconds = $7; host_sends = $13; host_seconds = $14 }
		NR % 2 == 0 {
			guest = ($7 - seconds) * 1e6 / ($6 - sends)
			host = ($14 - host_seconds) * 1e6 / ($13 - host_sends)
			printf "%-27s %8.0f %7.0f %8.1f\n", $3, guest, host, (host > 0) ? guest / host : 0
		}'
fi
check "every size" test "$(head -n "$n" guest.perf |
	grep -cE " ($sizes $largest|12 4096|10 1024) ")" = $((n - 1)) # all but the atomic operation's
check "no exit to user space, set-up and all" test "${exits[-1]}" = "${exits[0]}"
check "no interrupt for completions, which are polled" \
	test "${completions[-1]}" = "${completions[0]}"
# What was begun of sizes beyond is not among the operations.
check "at most one kick a send" test "$kicks" -le $((operations + 20 * n))
check "nothing is left on the host" nothing_left
