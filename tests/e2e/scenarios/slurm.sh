#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Slurm over two hosts, with what stands in examples/slurm: a job of an unprivileged user runs MPI between its guests,
# one on each host, within the job's limits. A job is cancelled, and one has a guest that is larger than its limit. In the
# long form one is cancelled at once, one runs out of time, the guest of one panics, and a host of one is lost; two jobs
# have guests on one host at a time, and the prolog of one fails. After each both hosts are what they were.
#
# testbed: --hosts 2
# timeout: 900
# long: 1500

. "${0%/*}/../lib/checks.sh"
hca=''
. "${0%/*}/../lib/hosts.sh"
. "${0%/*}/../lib/carving.sh"
. "${0%/*}/../lib/rdma.sh"
. "${0%/*}/../lib/mpi.sh"
answer || fail "the second host's adapter"
second ". '${0%/*}/../lib/mpi.sh'"

user=games # of the jobs: anybody but root
with=("${mpi_base[@]}" "${openmpi[@]}")
programs=mpi-check-openmpi
example=$(realpath "${0%/*}/../../../examples/slurm")

# configure FIRST SECOND: examples/slurm on this host, with its own adapter and NVMe VF. FIRST and SECOND are the last
# numbers of its guests' addresses.
configure() {
	local networks
	modprobe -a crc32_generic rdma_rxe
	at_exit "wait_for 20 modprobe -r rdma_rxe || true"
	carve_networks 2
	networks=("${vfs[@]}")
	carve_vfs "$nvme" 1
	make_guest guest "${with[@]}" <<-'GUEST'
		cluster guest
		/job/run
	GUEST
	mkdir -p /etc/slurm/bypass /etc/bypass /run/slurm/slurmd /srv/bypass
	at_exit "rm -rf /etc/slurm/{bypass,slurm.conf,gres.conf,cgroup.conf} /etc/bypass /run/slurm /srv/bypass /run/bypass-slurm"
	cp "$kernel/vmlinuz" /srv/bypass/vmlinuz
	mv guest.initrd /srv/bypass/initrd
	cp "$example"/{prolog,epilog} /etc/slurm/bypass/
	sed -e "s/^netdev=.*/netdev=$netdev/" -e "s/^nvme=.*/nvme=${vfs[0]}/" -e "s/^append=.*/append='$arguments'/" \
		-e "s/^vmm=.*/vmm=(env LD_PRELOAD=${no_pv_eoi//\//\\/} bypass-vmm)/" \
		-e "s|^10.7.0.5.*|10.7.0.$1/24 ${networks[0]} 10.8.0.$1/24|" \
		-e "s|^10.7.0.6.*|10.7.0.$2/24 ${networks[1]} 10.8.0.$2/24|" "$example/node.conf" >/etc/bypass/slurm.conf
	cp "$example/cgroup.conf" /etc/slurm/
	printf 'IgnoreSystemd=yes\nEnableControllers=yes\n' >>/etc/slurm/cgroup.conf # there is no systemd here
	sed 's/node\[1-2\]/testbed,testbed2/' "$example/gres.conf" >/etc/slurm/gres.conf
	cp "$example/slurm.conf" /etc/slurm/
	cat >>/etc/slurm/slurm.conf <<-'CONF'
		ClusterName=testbed
		SlurmctldHost=testbed(10.7.0.1)
		SlurmUser=root
		StateSaveLocation=/run/slurm/state
		SlurmdSpoolDir=/run/slurm/slurmd
		SlurmctldPidFile=/run/slurm/slurmctld.pid
		SlurmdPidFile=/run/slurm/slurmd.pid
		MessageTimeout=60
		KillWait=5
		ReturnToService=2
		NodeName=testbed NodeAddr=10.7.0.1 RealMemory=3000 Gres=bypass:2,bypass_nvme:1
		NodeName=testbed2 NodeAddr=10.7.0.2 RealMemory=3000 Gres=bypass:2,bypass_nvme:1
		PartitionName=all Nodes=ALL Default=YES OverSubscribe=FORCE:3
	CONF
	# What udev does on other hosts.
	chmod 666 /dev/kvm /dev/vfio/vfio
}

# daemons: munged and slurmd. The hosts have one key: that of the disk which both booted.
daemons() {
	install -d -o munge -m 755 /run/munge
	setpriv --reuid munge --regid munge --clear-groups munged
	at_exit 'kill "$(cat /run/munge/munged.pid)"'
	start_slurmd
	at_exit 'kill "$slurmd" && wait "$slurmd" || true; find /sys/fs/cgroup/system.slice -depth -type d -delete || true'
	at_exit 'tail -n 40 slurm*.log || true'
}
start_slurmd() {
	(ulimit -l unlimited; exec slurmd -D >>slurmd.log 2>&1) &
	slurmd=$!
}

# none_left: of a job, on this host.
none_left() {
	[ -z "$(rdma link; ip link show type macvlan; pgrep bypass-vmm; ls /run/bypass-slurm 2>/dev/null;
		find /dev/vfio -name '[0-9]*' ! -user root; find /sys/fs/cgroup -name 'job_*')" ]
}
freed() { wait_for 60 none_left || see_left; }
see_left() {
	rdma link
	ip link show type macvlan
	pgrep -a bypass-vmm
	ls -l /run/bypass-slurm /dev/vfio
	find /sys/fs/cgroup -name 'job_*'
	return 1
}
shared=$(declare -f configure daemons start_slurmd none_left freed see_left)
ask "with=(${with[*]}); programs='$programs'; example='$example'; $shared; configure 6 8"
configure 5 7
answer || fail "the second host's guest"
second daemons
daemons
slurmctld -D >slurmctld.log 2>&1 &
slurmctld=$!
at_exit 'kill "$slurmctld" && wait "$slurmctld" || true'
no_jobs() { [ -z "$(squeue -h)" ]; }
at_exit 'scancel --user "$user"; wait_for 60 no_jobs || squeue'
nodes_are() { [ "$(sinfo -hN -o %T | sort | uniq -c | tr -s ' ')" = "$1" ]; }
check "both nodes are there" wait_for 90 nodes_are ' 2 idle'

# submit OPTION...: a job of the user's; its number in $job.
submit() {
	job=$(cd /tmp && setpriv --reuid "$user" --regid "$user" --clear-groups env HOME=/tmp \
		sbatch --parsable --gres=bypass:1 --output=/tmp/job-%j "$@")
	at_exit "[ \$exit_status = 0 ] || cat /tmp/job-$job || true; rm -f /tmp/job-$job"
}
state() { scontrol --oneliner show job "$job" | sed 's/.* JobState=\([^ ]*\).*/\1/'; }
is() { [[ " $* " == *" $(state) "* ]]; }
waits_for() { [ "$(squeue -h -j "$job" -o %r)" = "$1" ]; }
over() { ! is PENDING CONFIGURING RUNNING COMPLETING; }
# over_as STATE SECONDS WHAT
over_as() {
	check "$3" wait_for "$2" over
	check "it is $1" is "$1"
	check "nothing is left on this host" freed
	second "check 'nothing is left on the second host' freed"
	check "both nodes are free" wait_for 30 nodes_are ' 2 idle'
}
said() { grep -aq "$1" "/tmp/job-$job"; }

# in_job JOB USER: this host's VMM is the user's, and in the job's cgroup, whose limit counts the guest's memory.
in_job() {
	local vmm group
	vmm=$(pgrep -o bypass-vmm) || return
	group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$vmm/cgroup")
	echo "$group"
	[ "$(stat -c %U "/proc/$vmm")" = "$2" ] && [[ $group == */job_$1/* ]] || return
	group=${group%%/job_*}/job_$1
	grep . "$group"/memory.{max,current}
	[ "$(cat "$group/memory.max")" = $((1100 << 20)) ] && [ "$(cat "$group/memory.current")" -gt $((768 << 20)) ]
}
second "$(declare -f in_job)"

script() { printf '#!/bin/bash\nexec %s/bypass-guest %s\n' "$example" "$*"; }
submit --nodes 2 --mem 1100M --gres=bypass:1,bypass_nvme:1 < <(script --mem 768M sh -c \
	"'ls /sys/class/nvme; mpirun --hostfile /job/hosts -n 4 --map-by node:OVERSUBSCRIBE $ucx mpi-check-openmpi'")
runs() { pgrep bypass-vmm; }
check "a guest on this host" wait_for 120 runs
check "it is the user's, and has the job's limit" wait_for 20 in_job "$job" "$user"
second "$(declare -f runs); check 'a guest on the second host' wait_for 60 runs
	check 'it is of the user, and has the limit' wait_for 20 in_job $job $user"
over_as COMPLETED 400 "Open MPI in guests of both hosts"
cat "/tmp/job-$job"
check "each rank's numbers were right" said '^mpi-check: 4 ranks: all numbers are right'
check "the last rank was in the second guest" said '^rank 3 of 4 on guest1'
check "the guest had its NVMe VF" said '^nvme0'

submit --nodes 2 --mem 700M < <(script sh -c "'echo in the guest; sleep 1000'")
check "another job" wait_for 240 said '^in the guest'
scancel "$job"
over_as CANCELLED 60 "it is cancelled, and ends"

submit --nodes 1 --mem 400M < <(script --mem 768M true)
over_as FAILED 60 "a guest that is larger than its job does not begin"
check "for that reason" said 'memory.max'

if [ -n "${LONG:-}" ]; then
	submit --nodes 2 --mem 700M < <(script true)
	check "another job begins" wait_for 30 is CONFIGURING RUNNING
	scancel "$job"
	over_as CANCELLED 60 "it is cancelled at once, and ends"

	submit --nodes 2 --mem 700M < <(script sh -c "'ssh guest1 \"echo c >/proc/sysrq-trigger\" & sleep 1000'")
	over_as FAILED 240 "the second guest of a job panics: the job ends"

	submit --nodes 2 --no-requeue --mem 700M < <(script sh -c "'echo in the guest; sleep 1000'")
	check "another job" wait_for 240 said '^in the guest'
	second 'kill -KILL $slurmd; wait $slurmd || true'
	scontrol update nodename=testbed2 state=down reason=lost
	check "a node is lost: its job ends" wait_for 60 is NODE_FAIL
	check "nothing is left on this host" freed
	second 'start_slurmd; check "slurmd comes back: nothing is left there either" freed'
	check "both nodes are free" wait_for 120 nodes_are ' 2 idle'

	submit --nodes 1 --mem 700M --time 1 < <(script sleep 1000)
	over_as TIMEOUT 240 "a job runs out of its minute, and ends"

	# Two guests on one node, and a job that finds none there.
	submit --nodelist testbed --mem 700M < <(script sh -c "'echo in the guest; sleep 1000'")
	check "a job on one node" wait_for 240 said '^in the guest'
	first=$job
	submit --nodelist testbed --mem 700M < <(script sh -c "'ping -c 3 10.8.0.5 && echo both && sleep 30'")
	second=$job
	check "another one on this node has a guest, which reaches the first one's" wait_for 240 said '^both'
	check "each has a slice and a network of its own" test "$(cat /run/bypass-slurm/[0-9]* | tr ' ' '\n' | grep . |
		sort | uniq -d)" = ''
	submit --nodelist testbed --mem 700M < <(script echo third guest)
	check "a third one waits" wait_for 30 waits_for Resources
	third=$job job=$second
	check "the second one ends" wait_for 120 over
	check "well" is COMPLETED
	job=$third
	check "and the third one gets that guest" wait_for 240 said '^third guest'
	check "the third one ends" wait_for 120 over
	check "well" is COMPLETED
	job=$first
	check "the first one still runs" is RUNNING
	scancel "$job"
	over_as CANCELLED 60 "the first one is cancelled, and ends"

	# A prolog that fails.
	sed -i 's/^netdev=/netdev=no/' /etc/bypass/slurm.conf
	submit --nodelist testbed --mem 700M < <(script true)
	check "a prolog fails: the node is drained" wait_for 120 nodes_are ' 1 drained
 1 idle'
	check "for that reason" grep -q '[Pp]rolog' <(sinfo -hR)
	check "the job waits" is PENDING
	check "nothing is left on this host" freed
	sed -i 's/^netdev=no/netdev=/' /etc/bypass/slurm.conf
	scontrol update nodename=testbed state=resume
	scontrol release "$job"
	over_as COMPLETED 300 "the node is mended: the job runs"
fi
second_leaves || fail "the second host does not clean up"
