#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# testbed: --cpus 2
# timeout: 300
#
# The measuring guest under KVM with AMD's hardware virtualisation, as far as an emulated host has
# it: it runs, its counts are exact, it notices a device that dies. Times mean nothing here.

. "${0%/*}/../lib/checks.sh"

modprobe kvm-amd
check "the guest's own tests" bench_guest 20000
check "every byte of every path" bypass bench --verify 500

# What is missing is named, the native side is done all the same, and the status tells.
check_error "one CPU" "one core only" taskset -c 0 bypass bench --verify 10
chmod 000 /dev/kvm && mv /dev/kvm /dev/kvm-away
check_error "no /dev/kvm" "/dev/kvm: No such file" bypass bench --verify 10
mv /dev/kvm-away /dev/kvm
