#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A guest in QEMU with a slice by vfio-user: resets by panic and by reboot with queues open, another kernel
# likewise, and 600 queue pairs; in the short form a panic, another kernel and 100 queue pairs. No hot-unplug and no
# service that dies: QEMU 11.1 ends itself in both cases (bypass-serve(1)).
#
# timeout: 900
# long: 3600

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/rdma-traffic.sh"
kexec=yes
resets=$(repetitions 1 10) pairs=$(repetitions 50 300)
. "${0%/*}/../lib/vfio-user-life.sh"

make_living_guest short_run
vfio_guest guest
reset_guest
check "the guest ends" ended guest 400
leaves_nothing guest
