// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What of the host depends on a function: file systems, swap, and block devices stacked on
 * its disks; addresses and default routes on its interfaces.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include <bypass/error.h>

#include "internal.h"

/* Is there an entry in this directory other than . and ..? Its name goes into @entry. */
static bool first_entry(const char *path, char *name, size_t size)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = entry->d_name[0] != '.';
		if (found)
			snprintf(name, size, "%s", entry->d_name);
	}
	closedir(dir);
	return found;
}

/* mountinfo: ID, parent, major:minor, root, mount point, …; " - " type, source. */
static int check_mounts(const char *address, const char *disk, const char *number)
{
	char path[256], line[4096], device[32], where[1024], source[256], node[300];
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "%s/self/mountinfo", host_paths.proc);
	file = fopen(path, "re");
	if (!file)
		return bypass_fail(errno, "cannot read %s to see what is mounted: %s", path,
				   strerror(errno));
	snprintf(node, sizeof(node), "/dev/%s", disk);
	while (!err && fgets(line, sizeof(line), file)) {
		char *tail = strstr(line, " - ");

		if (sscanf(line, "%*s %*s %31s %*s %1023s", device, where) != 2)
			continue;
		/* btrfs mounts show a number that is no disk's: go by the source as well. */
		if (!tail || sscanf(tail, " - %*s %255s", source) != 1)
			source[0] = '\0';
		if (!strcmp(device, number) || !strcmp(source, node))
			err = bypass_fail(EBUSY,
					  "%s carries the host's disk %s, which is mounted on %s: "
					  "'umount %s' first",
					  address, disk, where, where);
	}
	fclose(file);
	return err;
}

static int check_swap(const char *address, const char *disk)
{
	char path[256], line[512], device[256], node[300];
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "%s/swaps", host_paths.proc);
	snprintf(node, sizeof(node), "/dev/%s", disk);
	file = fopen(path, "re");
	if (!file)
		return 0; /* a kernel without swap */
	while (!err && fgets(line, sizeof(line), file))
		if (sscanf(line, "%255s", device) == 1 && !strcmp(device, node))
			err = bypass_fail(EBUSY,
					  "%s carries the host's disk %s, which it swaps to: "
					  "'swapoff %s' first",
					  address, disk, node);
	fclose(file);
	return err;
}

/* @disk may be a whole disk or a partition: each is a directory in class/block. */
static int check_disk(const char *address, const char *disk)
{
	char path[512], holder[256], number[32];
	int err;

	snprintf(path, sizeof(path), "%s/class/block/%s/holders", host_paths.sys, disk);
	if (first_entry(path, holder, sizeof(holder)))
		return bypass_fail(EBUSY,
				   "%s carries the host's disk %s, which %s is built on: take that "
				   "apart first",
				   address, disk, holder);
	snprintf(path, sizeof(path), "%s/class/block/%s/dev", host_paths.sys, disk);
	if (host_file(path, number, sizeof(number)) <= 0)
		return 0;
	number[strcspn(number, "\n")] = '\0';
	err = check_mounts(address, disk, number);
	return err ? err : check_swap(address, disk);
}

/* Does the way to class/@class/@name, which goes into @real, lead through the function? */
static bool lies_on(const char *address, const char *class, const char *name, char real[PATH_MAX])
{
	char path[PATH_MAX], part[BYPASS_ADDRESS_SIZE + 2];

	snprintf(path, sizeof(path), "%s/class/%s/%s", host_paths.sys, class, name);
	snprintf(part, sizeof(part), "/%s/", address);
	return realpath(path, real) && strstr(real, part);
}

/*
 * Does this block device live on the function? A namespace of a shared NVMe subsystem hangs
 * below the subsystem, beside links to its controllers.
 */
static bool is_disk_of(const char *address, const char *controller, const char *disk)
{
	char real[PATH_MAX] = "", *subsystem, *end;

	if (lies_on(address, "block", disk, real))
		return true;
	subsystem = strstr(real, "/nvme-subsystem/");
	if (!subsystem || !controller[0])
		return false;
	end = strchr(subsystem + strlen("/nvme-subsystem/"), '/');
	if (!end)
		return false;
	snprintf(end, sizeof(real) - (end - real), "/%s", controller);
	return access(real, F_OK) == 0;
}

static int check_disks(const char *address)
{
	char path[256], controller[32];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	host_child(address, "nvme", controller, sizeof(controller));
	snprintf(path, sizeof(path), "%s/class/block", host_paths.sys);
	dir = opendir(path);
	if (!dir)
		return 0; /* a kernel without block devices */
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_disk_of(address, controller, entry->d_name))
			err = check_disk(address, entry->d_name);
	closedir(dir);
	return err;
}

struct interface {
	const char *address;
	const char *name;
	int index;
	int err;
};

static void check_address(struct nl_object *object, void *opaque)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	struct interface *interface = opaque;
	char text[64];

	if (interface->err || rtnl_addr_get_ifindex(addr) != interface->index ||
	    rtnl_addr_get_scope(addr) != RT_SCOPE_UNIVERSE)
		return;
	nl_addr2str(rtnl_addr_get_local(addr), text, sizeof(text));
	interface->err = bypass_fail(EBUSY,
				     "%s carries the host's interface %s, which has the address "
				     "%s: 'ip address flush dev %s' first, if the host can do "
				     "without",
				     interface->address, interface->name, text, interface->name);
}

static void check_route(struct nl_object *object, void *opaque)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct nl_addr *destination = rtnl_route_get_dst(route);
	struct interface *interface = opaque;

	if (interface->err || (destination && nl_addr_get_prefixlen(destination)) ||
	    rtnl_route_get_type(route) != RTN_UNICAST)
		return;
	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
		if (rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i)) == interface->index)
			interface->err = bypass_fail(EBUSY,
						     "%s carries the host's interface %s, and with "
						     "it its default route",
						     interface->address, interface->name);
}

static int check_interface(struct nl_sock *sock, struct interface *interface)
{
	struct nl_cache *cache;
	struct rtnl_link *link;
	int err;

	err = rtnl_link_get_kernel(sock, 0, interface->name, &link);
	if (err)
		return err == -NLE_NODEV ? 0 : -EIO;
	interface->index = rtnl_link_get_ifindex(link);
	rtnl_link_put(link);
	if (rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &cache))
		return -EIO;
	nl_cache_foreach(cache, check_route, interface);
	nl_cache_free(cache);
	if (rtnl_addr_alloc_cache(sock, &cache))
		return -EIO;
	nl_cache_foreach(cache, check_address, interface);
	nl_cache_free(cache);
	return 0;
}

static int check_interfaces(const char *address)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct interface interface = {.address = address};
	char path[256], real[PATH_MAX];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	if (!sock)
		return bypass_fail(ENOMEM, "no memory for a netlink socket");
	snprintf(path, sizeof(path), "%s/class/net", host_paths.sys);
	dir = opendir(path);
	if (dir && nl_connect(sock, NETLINK_ROUTE))
		err = -EIO;
	while (dir && !err && !interface.err && (entry = readdir(dir))) {
		interface.name = entry->d_name;
		if (entry->d_name[0] != '.' && lies_on(address, "net", entry->d_name, real))
			err = check_interface(sock, &interface);
	}
	if (err)
		interface.err = bypass_fail(-err,
					    "cannot find out whether the host uses the interfaces "
					    "of %s: rtnetlink does not answer",
					    address);
	if (dir)
		closedir(dir);
	nl_socket_free(sock);
	return interface.err;
}

int bypass_function_burden(const char *text)
{
	char address[BYPASS_ADDRESS_SIZE];
	int err;

	err = bypass_address(text, address);
	if (!err && !host_has(address, ""))
		err = bypass_fail(ENODEV, "there is no PCI function %s on this host", address);
	if (!err)
		err = check_disks(address);
	return err ? err : check_interfaces(address);
}
