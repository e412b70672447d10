// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The network device of an RDMA slice: a macvlan on a device of the host, through rtnetlink.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvlan.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <bypass/error.h>

#include "netdev.h"

#define WORST_METRIC 0x40000000u

static struct nl_sock *open_rtnetlink(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && !nl_connect(sock, NETLINK_ROUTE))
		return sock;
	if (sock)
		nl_socket_free(sock);
	bypass_fail(EIO, "rtnetlink does not answer");
	return NULL;
}

/* What libnl says of a request that the kernel has refused. */
static int fail_netlink(const char *what, const char *name, int err)
{
	return bypass_fail(err == -NLE_PERM ? EPERM : EIO, "cannot %s %s: %s", what, name,
			   nl_geterror(err));
}

static void describe_link(struct rtnl_link *link, char *value, size_t size)
{
	const char *type = rtnl_link_get_type(link);
	struct nl_addr *mac = rtnl_link_get_addr(link);
	char text[32], lower[IF_NAMESIZE];

	if (type && !strcmp(type, "macvlan") && mac &&
	    if_indextoname(rtnl_link_get_link(link), lower))
		snprintf(value, size, "macvlan %s on %s", nl_addr2str(mac, text, sizeof(text)),
			 lower);
	else
		snprintf(value, size, "%s", type ? type : "another device");
}

int netdev_read(const char *name, char *value, size_t size)
{
	struct nl_sock *sock = open_rtnetlink();
	struct rtnl_link *link;
	int err;

	value[0] = '\0';
	if (!sock)
		return -EIO;
	err = rtnl_link_get_kernel(sock, 0, name, &link);
	nl_socket_free(sock);
	if (err == -NLE_NODEV || err == -NLE_OBJ_NOTFOUND)
		return 0;
	if (err)
		return fail_netlink("look at", name, err);
	describe_link(link, value, size);
	rtnl_link_put(link);
	return 0;
}

static int fill_macvlan(struct rtnl_link *link, const char *name, const char *mac,
			const char *lower)
{
	struct nl_addr *address;
	int err = nl_addr_parse(mac, AF_LLC, &address);

	if (err)
		return err;
	rtnl_link_set_name(link, name);
	rtnl_link_set_addr(link, address);
	rtnl_link_set_link(link, if_nametoindex(lower));
	nl_addr_put(address);
	return rtnl_link_macvlan_set_mode(link, rtnl_link_macvlan_str2mode("bridge"));
}

/*
 * Slices are addresses of one host to each other. Without accept_local the kernel drops what comes
 * from such an address. Each device answers ARP for its own address alone, and takes packets whose
 * way back is another device's.
 */
static int set_sysctls(const char *name)
{
	int err = netdev_sysctl_write(name, "accept_local", "1");

	if (!err)
		err = netdev_sysctl_write(name, "arp_ignore", "1");
	if (!err)
		err = netdev_sysctl_write(name, "arp_announce", "2");
	return err ? err : netdev_sysctl_write(name, "rp_filter", "2");
}

static int make_macvlan(struct nl_sock *sock, const char *name, const char *value)
{
	char mac[32], lower[IF_NAMESIZE];
	struct rtnl_link *link;
	int err;

	if (sscanf(value, "macvlan %31s on %15s", mac, lower) != 2)
		return bypass_fail(EINVAL, "'%s' is no network device that carving makes", value);
	link = rtnl_link_macvlan_alloc();
	if (!link)
		return bypass_fail(ENOMEM, "no memory for a network device");
	err = fill_macvlan(link, name, mac, lower);
	if (!err)
		err = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(link);
	if (err)
		return bypass_fail(err == -NLE_EXIST ? EEXIST : EIO,
				   "the kernel makes no macvlan %s on %s: %s", name, lower,
				   nl_geterror(err));
	return set_sysctls(name);
}

static int remove_link(struct nl_sock *sock, const char *name)
{
	struct rtnl_link *link = rtnl_link_alloc();
	int err;

	if (!link)
		return bypass_fail(ENOMEM, "no memory for a network device");
	rtnl_link_set_name(link, name);
	rtnl_link_set_ifindex(link, if_nametoindex(name));
	err = rtnl_link_delete(sock, link);
	rtnl_link_put(link);
	return err && err != -NLE_NODEV ? fail_netlink("remove", name, err) : 0;
}

int netdev_write(const char *name, const char *value)
{
	struct nl_sock *sock = open_rtnetlink();
	int err;

	if (!sock)
		return -EIO;
	err = value[0] ? make_macvlan(sock, name, value) : remove_link(sock, name);
	nl_socket_free(sock);
	return err;
}

bool netdev_address_parse(const char *text, struct netdev_address *address)
{
	char copy[INET6_ADDRSTRLEN + 4], *slash, *end = "";
	const unsigned char *byte = address->byte;

	memset(address, 0, sizeof(*address));
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash) {
		*slash++ = '\0';
		address->length = strtoul(slash, &end, 10);
		if (*slash < '1' || *slash > '9')
			return false;
	}
	address->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	if (*end || inet_pton(address->family, copy, address->byte) != 1)
		return false;
	if (address->family == AF_INET)
		return address->length <= 32 && byte[0] && byte[0] != 127 && byte[0] < 224;
	/* Neither multicast nor link-local; nor ::1, ::, or an IPv4 address in disguise. */
	return address->length <= 128 && byte[0] >= 0x20 && byte[0] != 0xff && byte[0] != 0xfe;
}

static size_t bytes_of(const struct netdev_address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

static bool is_same(const struct netdev_address *address, const struct nl_addr *other)
{
	return other && nl_addr_get_family(other) == address->family &&
	       nl_addr_get_len(other) == bytes_of(address) &&
	       !memcmp(nl_addr_get_binary_addr(other), address->byte, bytes_of(address));
}

/* Calls @look for each address of the host until it returns true. */
static int each_address(bool (*look)(struct rtnl_addr *address, void *opaque), void *opaque)
{
	struct nl_sock *sock = open_rtnetlink();
	struct nl_cache *addresses;
	int err;

	if (!sock)
		return -EIO;
	err = rtnl_addr_alloc_cache(sock, &addresses);
	nl_socket_free(sock);
	if (err)
		return bypass_fail(EIO, "cannot read the addresses of this host: %s",
				   nl_geterror(err));
	for (struct nl_object *object = nl_cache_get_first(addresses); object;
	     object = nl_cache_get_next(object))
		if (look((struct rtnl_addr *)object, opaque))
			break;
	nl_cache_free(addresses);
	return 0;
}

struct search {
	const struct netdev_address *address;
	int index;	     /* of an interface, or … */
	int owner;	     /* … receives the one that has the address, or 0 */
	unsigned int length; /* receives the length of the longest prefix */
};

static bool find_owner(struct rtnl_addr *address, void *opaque)
{
	struct search *search = opaque;

	if (!is_same(search->address, rtnl_addr_get_local(address)) ||
	    (search->index && rtnl_addr_get_ifindex(address) != search->index))
		return false;
	search->owner = rtnl_addr_get_ifindex(address);
	return true;
}

int netdev_address_owner(const struct netdev_address *address, char *interface, size_t size)
{
	struct search search = {.address = address};
	char name[IF_NAMESIZE];
	int err = each_address(find_owner, &search);

	interface[0] = '\0';
	if (!err && search.owner)
		snprintf(interface, size, "%s",
			 if_indextoname(search.owner, name) ? name : "an interface");
	return err;
}

static bool find_network(struct rtnl_addr *address, void *opaque)
{
	struct search *search = opaque;
	const struct nl_addr *local = rtnl_addr_get_local(address);
	unsigned int length = rtnl_addr_get_prefixlen(address), bit = 0;
	const unsigned char *theirs;

	if (rtnl_addr_get_ifindex(address) != search->index || !local ||
	    nl_addr_get_family(local) != search->address->family || length <= search->length)
		return false;
	theirs = nl_addr_get_binary_addr(local);
	while (bit < length &&
	       !((theirs[bit / 8] ^ search->address->byte[bit / 8]) & 0x80 >> bit % 8))
		bit++;
	if (bit == length)
		search->length = length;
	return false;
}

int netdev_address_length(const char *name, const struct netdev_address *address,
			  unsigned int *length)
{
	struct search search = {.address = address, .index = if_nametoindex(name)};
	int err = each_address(find_network, &search);

	*length = search.length;
	return err;
}

int netdev_address_read(const char *name, const char *text, char *value, size_t size)
{
	struct netdev_address address;
	struct search search = {.address = &address, .index = if_nametoindex(name)};
	int err;

	value[0] = '\0';
	if (!netdev_address_parse(text, &address))
		return bypass_fail(EINVAL, "'%s' is no address that a slice could have", text);
	if (!search.index)
		return 0;
	err = each_address(find_owner, &search);
	if (!err && search.owner)
		snprintf(value, size, "%s", text);
	return err;
}

/* libnl knows no metric of an address. */
static int put_address(struct nl_msg *message, const struct netdev_address *address, int index)
{
	struct ifaddrmsg header = {
		.ifa_family = address->family,
		.ifa_prefixlen = address->length,
		.ifa_index = index,
	};
	int err = nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO);

	if (!err)
		err = nla_put(message, IFA_LOCAL, bytes_of(address), address->byte);
	if (!err)
		err = nla_put(message, IFA_ADDRESS, bytes_of(address), address->byte);
	return err ? err : nla_put_u32(message, IFA_RT_PRIORITY, WORST_METRIC);
}

static int send_address(const struct netdev_address *address, int index, bool add)
{
	struct nl_sock *sock = open_rtnetlink();
	struct nl_msg *message;
	int err = -NLE_NOMEM;

	if (!sock)
		return -NLE_BAD_SOCK;
	message = nlmsg_alloc_simple(add ? RTM_NEWADDR : RTM_DELADDR,
				     add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	if (message)
		err = put_address(message, address, index);
	if (!err)
		err = nl_send_auto(sock, message);
	if (err >= 0)
		err = nl_wait_for_ack(sock);
	nlmsg_free(message);
	nl_socket_free(sock);
	return err;
}

int netdev_address_write(const char *name, const char *text, bool add)
{
	struct netdev_address address;
	int err;

	if (!netdev_address_parse(text, &address))
		return bypass_fail(EINVAL, "'%s' is no address that a slice could have", text);
	err = send_address(&address, if_nametoindex(name), add);
	if (err == (add ? -NLE_EXIST : -NLE_NOADDR))
		return 0;
	return err ? fail_netlink(add ? "give an address to" : "take an address from", name, err)
		   : 0;
}

static int read_class(const char *name, const char *attribute, char *value, size_t size)
{
	char path[256];
	int length;

	snprintf(path, sizeof(path), "%s/class/net/%s/%s", host_paths.sys, name, attribute);
	length = host_file(path, value, size);
	value[strcspn(value, "\n")] = '\0';
	return length < 0 ? bypass_fail(-length, "cannot read %s of %s: %s", attribute, name,
					strerror(-length))
			  : 0;
}

int netdev_up_read(const char *name, char *value, size_t size)
{
	char flags[32];
	int err = read_class(name, "flags", flags, sizeof(flags));

	if (!err)
		snprintf(value, size, "%s", strtoul(flags, NULL, 0) & IFF_UP ? "up" : "down");
	return err;
}

int netdev_up_write(const char *name, const char *value)
{
	char flags[32], path[256];
	int err = read_class(name, "flags", flags, sizeof(flags));
	unsigned long bits = strtoul(flags, NULL, 0) & ~(unsigned long)IFF_UP;

	if (err)
		return err;
	snprintf(flags, sizeof(flags), "%#lx", bits | (strcmp(value, "up") ? 0 : IFF_UP));
	snprintf(path, sizeof(path), "%s/class/net/%s/flags", host_paths.sys, name);
	err = host_file_write(path, flags);
	return err ? bypass_fail(-err, "cannot set %s %s: %s", name, value, strerror(-err)) : 0;
}

static void sysctl_path(char *path, size_t size, const char *name, const char *sysctl)
{
	snprintf(path, size, "%s/sys/net/ipv4/conf/%s/%s", host_paths.proc, name, sysctl);
}

int netdev_sysctl_read(const char *name, const char *sysctl, char *value, size_t size)
{
	char path[256];
	int length;

	sysctl_path(path, sizeof(path), name, sysctl);
	length = host_file(path, value, size);
	value[strcspn(value, "\n")] = '\0';
	return length < 0 ? bypass_fail(-length, "cannot read net.ipv4.conf.%s.%s: %s", name,
					sysctl, strerror(-length))
			  : 0;
}

int netdev_sysctl_write(const char *name, const char *sysctl, const char *value)
{
	char path[256];
	int err;

	sysctl_path(path, sizeof(path), name, sysctl);
	err = host_file_write(path, value);
	return err ? bypass_fail(-err, "cannot set net.ipv4.conf.%s.%s: %s", name, sysctl,
				 strerror(-err))
		   : 0;
}
