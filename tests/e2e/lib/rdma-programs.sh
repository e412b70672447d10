# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# Stock programs between a guest and the host, for both ways into a VM. Sourced after rdma.sh.

# Every program, and every size: each size with two of the programs, or in the long form with all. `every`
# says otherwise for the short form: with 6, each size with one program.
perftests() {
	local size program n=0
	every=$(repetitions "${every:-3}" 1)
	for size in "2 -n 20" "64 -n 20" "4096 -n 20" "65536 -n 5" "1048576 -n 5"; do
		for program in ib_{send,write,read}_{lat,bw}; do
			[ $((n++ % every)) != 0 ] || echo "$program -d rxe0 -x 1 -F -s $size"
		done
		n=$((n + 1)) # other programs for the next size
	done
	echo "ib_atomic_lat -d rxe0 -x 1 -F -n 20"
	for size in $(repetitions 1024 '2 1024'); do
		echo "ib_send_lat -d rxe0 -x 1 -F -n 20 -c UD -s $size"
		echo "ib_send_bw -d rxe0 -x 1 -F -n 20 -c UD -s $size"
	done
}
programs="$pingpongs
$(perftests)"
options=$options,qps=64,mrs=1000

make_client() { # ITS-ADDRESS SERVER
	make_guest guest --with ibv_devinfo <<-END
		ibv_devinfo -v >/tmp/info || exit
		grep -E 'max_(qp|cq|mr):|link_layer|GID' /tmp/info
		grep -q 'max_qp:.*[^0-9]64$' /tmp/info || exit
		grep -q 'max_mr:.*[^0-9]1000$' /tmp/info || exit
		network $1
		run_programs $2
	END
}

serve_client() {
	run_programs || fail "the host's side of the programs"
	check "the guest's side" ended guest 120
	cat guest.console
	leaves_nothing guest
}
