#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A VMM that is none of ours: tests/e2e/programs/small-vmm.c, built against the installed tree
# with nothing but what pkg-config says. It boots a stock kernel with a VF and an RDMA slice.
# The VMM is told when the host wants either back, gives the slice back, and its guest goes on.
#
# timeout: 600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"

# shellcheck disable=SC2046 # words
check "it builds on the installed headers" cc -std=gnu17 -Wall -Wextra -Werror \
	$(pkg-config --cflags vmm-glue) -o small-vmm "${0%/*}/../programs/small-vmm.c" \
	$(pkg-config --libs vmm-glue)
flags=$(pkg-config --cflags vmm-glue | tr -d ' ')
check "whose flags name no other library" [ "$flags" = -I/usr/local/include ]

# shellcheck disable=SC2046 # words
check "and with the two libraries inside, the others outside" cc -std=gnu17 \
	$(pkg-config --cflags vmm-glue) -o static-vmm "${0%/*}/../programs/small-vmm.c" -Wl,-Bstatic \
	-lvmm-glue -lbypass -Wl,-Bdynamic \
	$(pkg-config --static --libs vmm-glue | sed 's/-lvmm-glue//; s/-lbypass//')
check "without all RDMA providers" [ "$(ldd static-vmm | grep -cE 'mlx|efa|bypass|glue')" = 0 ]

carve_networks 1
programs='ibv_rc_pingpong -c -g 1 -n 100'
{
	cat <<-END
		network 10.7.0.2
		mark up
		run_programs $host
		mark ready
	END
	# shellcheck disable=SC2016 # for the guest
	echo 'for tick in $(seq 300); do mark "tick $tick"; sleep 1; done'
} | make_guest small
said() { tr -d '\r' <small.log | grep "^mark: $1" >/dev/null; }
told() { grep -q "$1" small.events; }
now() { tr -d '\r' <small.log | sed -n 's/^mark: tick //p' | tail -n 1; }
ticks_on() { [ "$(now)" -gt "$before" ]; }

LD_LIBRARY_PATH=/usr/local/lib ./small-vmm "$kernel/vmlinuz" small.initrd "" "${vfs[0]}" \
	"rdma:$options" >small.log 2>small.events &
vmm=$!
at_exit "kill -KILL $vmm 2>/dev/null || true; tail -n 60 small.log; cat small.events"
check "the guest boots" wait_for 400 said up
run_programs
check "pingpong with the host, over both slices" wait_for 60 said ready

check "the HCA is removed" timeout 60 rdma link delete rxe0
check "it is told that the HCA is gone" wait_for 30 told '^rxe0: dead: .*removed'
check "and unplugs it" wait_for 30 told '^unplugged, others are left'
before=$(now)
check "the guest goes on" wait_for 30 ticks_on

unbound() { [ ! -e "/sys/bus/pci/devices/${vfs[0]}/driver" ]; }
echo "${vfs[0]}" >/sys/bus/pci/drivers/vfio-pci/unbind &
check "it is told that the VF is wanted back" wait_for 30 told "^${vfs[0]}: wanted back: "
check "and unplugs it" wait_for 30 told '^unplugged, none are left'
check "which ends the unbinding" wait_for 30 unbound
before=$(now)
check "the guest goes on" wait_for 30 ticks_on
check "its VMM too" kill -0 $vmm
kill -KILL $vmm
echo "${vfs[0]}" >/sys/bus/pci/drivers/vfio-pci/bind # as it was carved
