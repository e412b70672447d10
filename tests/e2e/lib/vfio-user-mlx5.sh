# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154
#
# A guest with a ConnectX by vfio-user: what happens before its messages are counted. The guest takes all doorbell pages
# that a slice can have. It has the address $address, and the host $server. Sourced before rdma-exits.sh.

hca=mlx5_0
vcpus=2 # for two programs at a time
with_host='ibv_rc_pingpong -c -g 1 -n 100
ibv_ud_pingpong -c -g 1 -n 100
ib_write_bw -F -n 20 -s 65536
ib_read_lat -F -n 20'
with=(--with ibv_devinfo --with ib_write_bw --with ib_read_lat --with rdma-uars)
pages=256 # for as many processes of the guest: the most that a slice lays out
prepare=lay_pages
lay_pages() { options+=,ucontexts=$pages; }
at_first="ibv_devinfo -v | sed 's/^/devinfo: /' | grep -E 'hca_id|max_qp:|PORT_ACTIVE '
rdma-uars mlx5_0 $pages
network $address
run_programs & run_programs 127.0.0.1; wait \$!
mark with-host
programs='$with_host'
run_programs $server"
on_host=host_side
host_side() {
	check "programs within the guest" wait_mark guest 480 with-host
	programs=$with_host
	run_programs || fail "guest to host: the host's side"
	check "the VMM's descriptor leads to nothing of the guest" descriptor 'Success, 1'
	echo "+rdma" >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $vmms
	# A cgroup that goes with a limit leaves the kernel a list in freed memory, on which the adapter's unbind ends.
	at_exit "echo ${pids[guest]} 2>/dev/null >/sys/fs/cgroup/cgroup.procs || true # which may have ended
		echo $hca hca_handle=max hca_object=max >$vmms/rdma.max || true
		wait_for 10 rmdir $vmms 2>/dev/null; echo -rdma >/sys/fs/cgroup/cgroup.subtree_control"
	echo "$hca hca_handle=0 hca_object=0" >$vmms/rdma.max
	echo "${pids[guest]}" >$vmms/cgroup.procs
	check "a cgroup keeps the VMM from objects of its own" descriptor 'Resource temporarily unavailable, 0'
}

# descriptor ANSWER: what comes of it when the VMM uses the one descriptor of the HCA that it has, in its cgroup.
vmms=/sys/fs/cgroup/vmms
descriptor() {
	local cgroup said
	cgroup=$(sed -n 's/^0:://p' "/proc/${pids[guest]}/cgroup")
	said=$(sh -c "echo \$\$ >/sys/fs/cgroup$cgroup/cgroup.procs && exec rdma-descriptor ${pids[guest]}")
	[[ $said == "/dev/infiniband/uverbs"?": one object made: $1 reached" ]] || { echo "$said"; return 1; }
}
