# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# A guest with the loop slice of `bypass serve --vfio-user`, driven from the guest's user space. Sourced
# after rdma.sh.

# loop_guest START: vfio_guest starts it. Both sides must count alike.
loop_guest() {
	make_guest loop --with loop_guest <<-'END'
		device=$(grep -l 0x6c70 /sys/bus/pci/devices/*/device)
		echo # what the firmware printed has no end of line
		loop_guest "$(basename "${device%/device}")" 300
	END
	start_service loop --vfio-user --loop
	memory=256M "$1" loop
	check "the loop slice in a guest: 300 requests, each byte checked" ended loop 480
	check "exactly as many interrupts, in the guest" printed loop "loop: 300 requests, 300 interrupts"
	check "and at the service" wait_for 10 \
		grep -q 'VMM gone after 300 requests, 300 interrupts' loop.serve
	kill "${pids[loop.serve]}"
	wait "${pids[loop.serve]}" || fail "the service of the loop slice ends with status $?"
}
