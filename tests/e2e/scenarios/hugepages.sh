#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Guest RAM of huge pages: with too few in the pool the error says how many are missing, and the
# command that it gives gets them.

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"

modprobe vfio-pci
pool=/sys/kernel/mm/hugepages/hugepages-2048kB
was=$(cat $pool/nr_hugepages)
at_exit "echo $was >$pool/nr_hugepages; bypass release $edu"
check "carve" bypass carve "$edu"

echo 10 >$pool/nr_hugepages
check_error "what there is, what is missing" \
	"needs 32 huge pages .* 10 of the pool's 10 are free: 22 are missing" pin "$edu" 64 hugepages
fix=$({ pin "$edu" 64 hugepages 2>&1 || true; } | grep -o "'echo [^']*'" | tr -d "'")
check "it gives a command" test "$fix" = "echo 32 > $pool/nr_hugepages"
eval "$fix"
check "which fixes it" pin "$edu" 64 hugepages
check "all are given back" grep -qx 32 $pool/free_hugepages
