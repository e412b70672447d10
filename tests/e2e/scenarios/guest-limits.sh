#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a guest's slices ask of their VMM: one function once, descriptors for all vectors, memory,
# 64-bit address space. A VMM that cannot give it says so before the guest runs.
#
# timeout: 400

. "${0%/*}/../lib/checks.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/guests.sh"

carve_vfs "$igb" 7
vmm=(bypass-vmm --kernel /guest/vmlinuz --mem 256M)
slices=()
for vf in "${vfs[@]}"; do
	slices+=(--slice "$vf")
done
for name in "${vfs[0]}" "${vfs[0]#0000:}"; do
	check_error "the same function twice, as $name" "${vfs[0]} is open in this process already" \
		timeout 20 "${vmm[@]}" --slice "${vfs[0]}" --slice "$name" </dev/null
done
usage() { # PATTERN OPTION...
	local pattern=$1 status=0 lines
	shift
	lines=$("${vmm[@]}" "$@" 2>&1 </dev/null) || status=$?
	[ $status = 2 ] && [ "$(wc -l <<<"$lines")" = 1 ] && grep -q -- "$pattern" <<<"$lines"
}
check "a word that --slice does not know" usage "takes token=UUID and rom=FILE|on" --slice "${vfs[0]},x=1"
check "a token that is none" usage "is a UUID, not 'x'" --slice "${vfs[0]},token=x"
check "--mmio64 0" usage "--mmio64" --mmio64 0G
check_error "more than the CPU can address" "its CPU addresses [0-9]* bits" \
	timeout 20 "${vmm[@]}" --mmio64 4096T </dev/null
check_error "a token for a VF of a host driver's PF" "takes no VF token" timeout 20 "${vmm[@]}" \
	--slice "${vfs[0]},token=00112233-4455-6677-8899-aabbccddeeff" </dev/null

# All memory of the guest gets pinned: past the limit of a control group the kernel kills the VMM.
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/small
at_exit "rmdir /sys/fs/cgroup/small; echo -memory >/sys/fs/cgroup/cgroup.subtree_control"
echo 256M >/sys/fs/cgroup/small/memory.max
# shellcheck disable=SC2016 # for that shell
grouped() { sh -c 'echo $$ >/sys/fs/cgroup/small/cgroup.procs; exec "$@"' - "$@" </dev/null; }
check_error "a control group's limit" "leaves it [0-9]+ MiB \(.*small/memory.max says 256\)" \
	grouped timeout 60 bypass-vmm --kernel /guest/vmlinuz --mem 512M --slice "${vfs[0]}"

# Without the right to raise the limit: refused. With it: every adapter works.
few() {
	(
		ulimit -n 36
		exec setpriv --bounding-set -sys_resource --inh-caps -sys_resource \
			timeout 60 "${vmm[@]}" "${slices[@]}" </dev/null
	)
}
check_error "too few descriptors" "need [0-9]+ descriptors, and this process may have 36.*ulimit -n [1-9]" \
	few
make_guest limits <<'END'
for nic in /sys/bus/pci/drivers/igbvf/0*/net/*; do
	ip link set "${nic##*/}" up || fail "${nic##*/} does not come up"
done
echo "adapters $(ls -d /sys/bus/pci/drivers/igbvf/0*/net/* | wc -l)"
echo "vectors $(grep -c PCI-MSIX /proc/interrupts)"
echo "cpus $(cat /sys/devices/system/cpu/present)"
awk '/PCI Bus/ { print $1 }' /proc/iomem
END
raised() {
	(
		exit_commands='' # what ends the scenario does not end this shell
		ulimit -n 36
		run_guest limits --mem 512M --mmio64 256G "${slices[@]}"
	)
}
check "with the right to raise the limit" raised
check "all adapters are there" printed limits "adapters 7"
check "with all their vectors" printed limits "vectors 21"
check "nothing is amiss" test ! -s limits.stderr
check "256 GiB of address space for BARs" printed limits "100000000-40ffffffff"

make_guest cpus <<'END'
echo "cpus $(cat /sys/devices/system/cpu/present)"
END
run_guest cpus --mem 512M --cpus 200 --append "quiet maxcpus=1"
check "200 vCPUs" printed cpus "cpus 0-199"
