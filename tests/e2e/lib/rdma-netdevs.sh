# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# The network devices that a guest's table of GIDs names, for guests with the program rdma-gids, on rxe0. GID 0 is the
# link-local one, GID 1 the host's IPv4 address. Sourced after rdma.sh.

# In a guest: a line for each GID, with its index and its network device as sysfs has it, - for none.
sysfs_names() {
	local gids=/sys/class/infiniband/rxe0/ports/1/gid_attrs index
	for index in 0 1 2 3; do
		! cat $gids/types/$index >/dev/null 2>&1 || echo "$index $(cat $gids/ndevs/$index 2>/dev/null || echo -)"
	done
}
are_named() { [ "$(sysfs_names)" = "$1" ]; }
# named LINE...: sysfs says so in time, and verbs agree.
named() {
	local lines
	lines=$(printf '%s\n' "$@")
	retry are_named "$lines" && [ "$(rdma-gids rxe0)" = "$lines" ] && return
	printf '%s\n' "not what it should be:" "$lines" "sysfs:" "$(sysfs_names)" "verbs:" "$(rdma-gids rxe0)"
	return 1
}

# netdevs_come_and_go ADDRESS: that of GID 1.
netdevs_come_and_go() {
	local gid other
	gid=$(cat /sys/class/infiniband/rxe0/ports/1/gids/0)
	modprobe dummy && ip link set dummy0 up || return
	ip addr add 10.9.0.1/24 dev dummy0 && named "0 -" "1 -" || return # no GID's address
	ip addr add "$1/32" dev dummy0 && named "0 -" "1 dummy0" || return
	ip addr add "$gid/64" dev dummy0 && named "0 dummy0" "1 dummy0" || return
	ip addr del "$1/32" dev dummy0 && named "0 dummy0" "1 -" || return
	ip addr del "$gid/64" dev dummy0 && named "0 -" "1 -" || return

	# A network device that goes, or moves to another network namespace, takes its name along.
	ip addr add "$1/32" dev dummy0 && ip addr add "$gid/64" dev dummy0 && named "0 dummy0" "1 dummy0" || return
	timeout 60 ip link del dummy0 && named "0 -" "1 -" || return
	ip link add dummy1 type dummy && ip addr add "$1/32" dev dummy1 && named "0 -" "1 dummy1" || return
	unshare -n sleep 1000 &
	other=$!
	until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.1
	done
	ip link set dummy1 netns $other && named "0 -" "1 -" || return
	kill $other

	# The module finds the network device when it comes, and lets it go when it goes.
	ip link add dummy2 type dummy && ip addr add "$1/32" dev dummy2 && named "0 -" "1 dummy2"
}
guest_functions+=(sysfs_names are_named named netdevs_come_and_go)
