# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
#
# MPI between guests: each has a VF of the adapter for its own network, by which processes are started and find
# each other, and a slice with an address of its own for messages. The guests are `one` and `two`. Sourced after rdma.sh.

# A guest's network, and its slice's address.
declare -A net_address=([one]=10.8.0.1 [two]=10.8.0.2) slice_address=([one]=10.7.0.5 [two]=10.7.0.6)

# UCX. Reliable connections of the slice are for messages, TCP is for making these. Where the hosts have no HCA until a job
# begins, the job's is rxe. rxe takes UCX's own retry count, 7, for no end: MPICH then waits for ever when it closes a
# connection whose other end has gone.
ucx_ways="UCX_TLS=rc_verbs,tcp:aux,self UCX_NET_DEVICES=${hca:-rxe0}:1,eth0 UCX_RC_RETRY_COUNT=6"
# Open MPI over UCX. Two ranks of a guest have one CPU, and must know it: else one looks for a message until its time is
# up, and the other waits.
ucx="--mca pml ucx ${ucx_ways//UCX_/-x UCX_}"
# mpirun asks every 5 s whether the other guest is there, and ends the job when 4 answers are missing. That is longer than
# a wire is cut.
alive="--prtemca oob_tcp_keepalive_time 5 --prtemca oob_tcp_keepalive_intvl 5 --prtemca oob_tcp_keepalive_probes 4"
pair="mpirun --host one,two $alive $ucx"
four="mpirun --host one,two $alive -n 4 --map-by node:OVERSUBSCRIBE $ucx"

# What a guest needs for a kind of MPI: what starts processes here and there. What they are is up to the scenario.
mpi_base=(--with dropbear --with dbclient)
openmpi=(--with mpirun --with prterun --with prted)
mpich=(--with mpiexec.mpich --with hydra_pmi_proxy)

# cluster NAME ADDRESS: in a guest. Whoever reaches its network is root there, by ssh without a password.
cluster() {
	hostname "$1"
	mkdir -p /usr/bin
	ln -s /usr/local/bin/* /usr/bin # where mpirun looks for its parts
	mkdir -p /root /etc/dropbear
	echo 'root::0:0:root:/root:/bin/sh' >/etc/passwd
	echo 'hosts: files' >/etc/nsswitch.conf
	printf '10.8.0.1 one\n10.8.0.2 two\n127.0.0.1 localhost\n' >/etc/hosts
	[ $# = 1 ] || network "$2" # of one guest alone
	# The client takes no -x, by which mpirun says that it wants no display.
	cat >/usr/local/bin/ssh <<-'END'
		#!/bin/sh
		while [ "${1#-}" != "$1" ]; do shift; done
		exec dbclient -y -y "$@"
	END
	chmod 755 /usr/local/bin/ssh
	dropbear -R -B -E 2>/tmp/dropbear
	# The one that starts a job says nothing about root, nor do its parts.
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}
reachable() { ssh "$1" true </dev/null 2>/dev/null; }
guest_functions+=(cluster reachable)

# mpi_networks NAME...: VFs for these guests, and the addresses of their slices on the HCA's network interface.
declare -A net_function
mpi_networks() {
	local name
	carve_networks $#
	for name; do
		net_function[$name]=${vfs[0]}
		vfs=("${vfs[@]:1}")
		ip addr add "${slice_address[$name]}/24" dev "$netdev"
	done
}

# mpi_guest NAME: made before by make_guest. What it has besides its network and its slice: options of bypass-vmm in
# `besides`, by name.
declare -A besides
memory=768M
mpi_guest() {
	local slice=$hca
	[ "$hca" != rxe0 ] || slice+=",addr=${slice_address[$1]}"
	# shellcheck disable=SC2086 # options
	start_guest "$1" --cpus "$vcpus" --mem "$memory" --rdma "$slice" --slice "${net_function[$1]}" ${besides[$1]:-}
}

# Both, until each has printed `up`.
mpi_guests() {
	mpi_guest two
	mpi_guest one
	check "the second guest" wait_mark two 240 up
	check "the first guest" wait_mark one 240 up
}
