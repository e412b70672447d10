// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What of the host depends on the network interfaces of a function: addresses and default routes
 * on them, interfaces and RDMA devices that are built on them, and other network namespaces.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/net_namespace.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>

#include <bypass/error.h>

#include "internal.h"

/* Of an interface's parent, since Linux 5.14; the headers of older hosts lack them. */
#define LINK_PARENT_NAME 56
#define LINK_PARENT_BUS	 57

/*
 * An interface. @space is the index of the interface's network namespace. @lower is the interface
 * that this one is built on; 0: none. @lower_id is what the namespace calls the namespace of
 * @lower; -1: its own. @below is the index of the interface through which this one depends on the
 * function; -1: it is the function's own, or does not depend on the function.
 */
struct link {
	size_t space;
	int index;
	int master;
	int lower;
	int lower_id;
	char name[IFNAMSIZ];
	bool own;
	bool depends;
	bool datapath; /* of Open vSwitch, which no "nomaster" takes ports from */
	int below;
};

struct links {
	const char *address;
	struct netns *space;
	size_t space_count;
	size_t now; /* the namespace that is being read */
	struct link *link;
	size_t count;
	int err;
};

/* A bridge of Open vSwitch in the kernel, as its driver names itself (IFLA_LINKINFO). */
static bool is_datapath(struct nlattr *info)
{
	struct nlattr *kind = info ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND) : NULL;

	return kind && !nla_strcmp(kind, "openvswitch");
}

/* Is this device of this bus the function, or part of the function, such as its virtio device? */
static bool is_part(const char *address, const char *bus, const char *device)
{
	char path[PATH_MAX], real[PATH_MAX], *part;
	size_t length = strlen(address);

	snprintf(path, sizeof(path), "%s/bus/%s/devices/%s", host_paths.sys, bus, device);
	if (!realpath(path, real))
		return false;
	for (part = real; (part = strstr(part, address)); part += length)
		if (part > real && part[-1] == '/' && (!part[length] || part[length] == '/'))
			return true;
	return false;
}

static uint32_t number_of(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

/*
 * The interface that this one is built on. VXLAN has an attribute of its own for this one, and may have its
 * own index in IFLA_LINK.
 */
static int lower_of(struct nlattr *link, struct nlattr *info)
{
	struct nlattr *attrs[IFLA_INFO_MAX + 1], *data[IFLA_VXLAN_MAX + 1];

	if (!info || nla_parse_nested(attrs, IFLA_INFO_MAX, info, NULL) || !attrs[IFLA_INFO_KIND] ||
	    !attrs[IFLA_INFO_DATA] || nla_strcmp(attrs[IFLA_INFO_KIND], "vxlan") ||
	    nla_parse_nested(data, IFLA_VXLAN_MAX, attrs[IFLA_INFO_DATA], NULL))
		return number_of(link);
	return number_of(data[IFLA_VXLAN_LINK]);
}

static int add_link(struct nl_msg *msg, void *opaque)
{
	struct nlattr *attrs[LINK_PARENT_BUS + 1] = {0};
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct links *links = opaque;
	struct link *link;

	if (header->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(header, sizeof(struct ifinfomsg), attrs, LINK_PARENT_BUS, NULL) ||
	    !attrs[IFLA_IFNAME])
		return NL_OK;
	link = realloc(links->link, (links->count + 1) * sizeof(*link));
	if (!link) {
		links->err = bypass_fail(ENOMEM, "no memory for a list of interfaces");
		return NL_STOP;
	}
	links->link = link;
	link += links->count++;
	*link = (struct link){.space = links->now, .lower_id = -1, .below = -1};
	link->index = ((struct ifinfomsg *)nlmsg_data(header))->ifi_index;
	link->master = number_of(attrs[IFLA_MASTER]);
	link->lower = lower_of(attrs[IFLA_LINK], attrs[IFLA_LINKINFO]);
	if (attrs[IFLA_LINK_NETNSID])
		link->lower_id = number_of(attrs[IFLA_LINK_NETNSID]);
	snprintf(link->name, sizeof(link->name), "%s", nla_get_string(attrs[IFLA_IFNAME]));
	if (attrs[LINK_PARENT_NAME] && attrs[LINK_PARENT_BUS])
		link->own = is_part(links->address, nla_get_string(attrs[LINK_PARENT_BUS]),
				    nla_get_string(attrs[LINK_PARENT_NAME]));
	else if (!links->now) /* an older kernel: sysfs shows the interfaces of our namespace */
		link->own = host_lies_on(links->address, "net", link->name, NULL);
	link->depends = link->own;
	link->datapath = is_datapath(attrs[IFLA_LINKINFO]);
	return NL_OK;
}

/* Reads the interfaces of namespace @links->now. Other namespaces may be out of our reach. */
static int read_space(struct links *links)
{
	struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
	struct nl_sock *sock = netns_socket(links->space, &links->space[links->now]);
	int err;

	if (!sock)
		return links->now ? 0 : -EIO;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, add_link, links);
	err = nl_send_simple(sock, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	if (err >= 0)
		err = nl_recvmsgs_default(sock);
	nl_socket_free(sock);
	if (links->err)
		return links->err;
	return err < 0 && !links->now ? -EIO : 0;
}

static int get_id(struct nl_msg *msg, void *opaque)
{
	struct nlattr *attrs[NETNSA_MAX + 1] = {0};

	if (!nlmsg_parse(nlmsg_hdr(msg), sizeof(struct rtgenmsg), attrs, NETNSA_MAX, NULL) &&
	    attrs[NETNSA_NSID])
		*(int *)opaque = nla_get_s32(attrs[NETNSA_NSID]);
	return NL_OK;
}

/* The number by which the namespace @from knows the namespace @to; -1: by none. */
static int id_of(const struct links *links, size_t from, size_t to)
{
	struct nl_sock *sock = netns_socket(links->space, &links->space[from]);
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNSID, NLM_F_REQUEST);
	struct rtgenmsg family = {.rtgen_family = AF_UNSPEC};
	int id = -1;

	if (sock && msg && !nlmsg_append(msg, &family, sizeof(family), NLMSG_ALIGNTO) &&
	    !nla_put_u32(msg, NETNSA_FD, links->space[to].fd)) {
		nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, get_id, &id);
		if (nl_send_auto(sock, msg) >= 0)
			nl_recvmsgs_default(sock);
	}
	nlmsg_free(msg);
	nl_socket_free(sock);
	return id;
}

/* What the kernel tells in sysfs of the interfaces of our namespace, whatever their kind. */
static bool is_upper(const struct link *upper, const struct link *lower)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/net/%s/upper_%s", host_paths.sys, lower->name,
		 upper->name);
	return !upper->space && !lower->space && !access(path, F_OK);
}

/* Is @upper built on @lower, or @lower a port of @upper? */
static bool is_above(const struct links *links, const struct link *upper, const struct link *lower)
{
	if (upper->space == lower->space && lower->master == upper->index)
		return true;
	if (upper->lower != lower->index)
		return is_upper(upper, lower);
	if (upper->lower_id < 0)
		return upper->space == lower->space && upper != lower;
	return upper->space != lower->space &&
	       id_of(links, upper->space, lower->space) == upper->lower_id;
}

/* Marks all that depends on the function, by however many interfaces in between. */
static void follow(struct links *links)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < links->count; i++)
			for (size_t j = 0; j < links->count && links->link[i].depends; j++) {
				struct link *upper = &links->link[j];

				if (upper->depends || !is_above(links, upper, &links->link[i]))
					continue;
				upper->depends = more = true;
				upper->below = i;
			}
	}
}

/* "eth0", or "br0, which is built on eth0.7, which is built on eth0". */
static void describe(const struct links *links, const struct link *link, char *text, size_t size)
{
	size_t length = snprintf(text, size, "%s", link->name);

	while (link->below >= 0 && length < size) {
		link = &links->link[link->below];
		length += snprintf(text + length, size - length, ", which is built on %s",
				   link->name);
	}
}

struct search {
	const struct links *links;
	const struct link *link;
	int err;
};

static void check_address(struct nl_object *object, void *opaque)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	struct search *search = opaque;
	char address[64], where[256];

	if (search->err || rtnl_addr_get_ifindex(addr) != search->link->index ||
	    rtnl_addr_get_scope(addr) != RT_SCOPE_UNIVERSE)
		return;
	nl_addr2str(rtnl_addr_get_local(addr), address, sizeof(address));
	describe(search->links, search->link, where, sizeof(where));
	search->err = bypass_fail(EBUSY,
				  "%s carries the host's address %s, on interface %s: 'ip address "
				  "flush dev %s' first, if the host can do without",
				  search->links->address, address, where, search->link->name);
}

static void check_route(struct nl_object *object, void *opaque)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct nl_addr *destination = rtnl_route_get_dst(route);
	struct search *search = opaque;
	char where[256];

	if (search->err || (destination && nl_addr_get_prefixlen(destination)) ||
	    rtnl_route_get_type(route) != RTN_UNICAST)
		return;
	describe(search->links, search->link, where, sizeof(where));
	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
		if (rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i)) ==
		    search->link->index)
			search->err = bypass_fail(EBUSY,
						  "%s carries the host's default route, on "
						  "interface %s",
						  search->links->address, where);
}

/* Looks for default routes and addresses on interfaces of our own namespace. */
static int check_traffic(const struct links *links)
{
	struct nl_cache *routes = NULL, *addresses = NULL;
	struct nl_sock *sock = netns_socket(links->space, links->space);
	struct search search = {.links = links};

	if (!sock || rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &routes) ||
	    rtnl_addr_alloc_cache(sock, &addresses))
		search.err = -EIO;
	for (size_t i = 0; i < links->count && !search.err; i++) {
		search.link = &links->link[i];
		if (!search.link->depends || search.link->space)
			continue;
		nl_cache_foreach(routes, check_route, &search);
		nl_cache_foreach(addresses, check_address, &search);
	}
	nl_cache_free(routes);
	nl_cache_free(addresses);
	nl_socket_free(sock);
	return search.err;
}

/* An interface that somebody built on the function's, or gave to another namespace, is in use. */
static int check_link(const struct links *links, const struct link *link)
{
	const char *space = links->space[link->space].name;
	const struct link *below = link->below >= 0 ? &links->link[link->below] : NULL;
	char where[256];

	describe(links, link, where, sizeof(where));
	if (link->space)
		return bypass_fail(EBUSY,
				   "%s carries interface %s, which is in the network namespace %s: "
				   "take it back first",
				   links->address, where, space);
	if (!below)
		return 0;
	if (below->master == link->index && link->datapath)
		return bypass_fail(EBUSY,
				   "%s carries the host's interface %s, a port of %s: 'ovs-vsctl "
				   "del-port %s' first",
				   links->address, below->name, link->name, below->name);
	if (below->master == link->index)
		return bypass_fail(EBUSY,
				   "%s carries the host's interface %s, a port of %s: 'ip link set "
				   "%s nomaster' first",
				   links->address, below->name, link->name, below->name);
	return bypass_fail(EBUSY,
			   "%s carries the host's interface %s: 'ip link delete %s' first, if the "
			   "host can do without",
			   links->address, where, link->name);
}

/*
 * A kernel that names no parents still leaves a trace of an interface in another namespace: the
 * function's directory net, with nothing in it for us.
 */
static int check_hidden(const char *address)
{
	char name[IFNAMSIZ];

	if (!host_has(address, "net") || !host_child(address, "net", name, sizeof(name)))
		return 0;
	return bypass_fail(EBUSY,
			   "%s carries an interface that is in another network namespace: take it "
			   "back first",
			   address);
}

static bool depends(const struct links *links, const char *name)
{
	for (size_t i = 0; i < links->count; i++)
		if (links->link[i].depends && !links->link[i].space &&
		    !strcmp(links->link[i].name, name))
			return true;
	return false;
}

/* An RDMA device in software (rxe) goes away with its interface, and nobody puts it back. */
static int check_rdma(const struct links *links)
{
	char path[512], parent[64];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/class/infiniband", host_paths.sys);
	dir = opendir(path);
	while (dir && !err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/class/infiniband/%s/parent", host_paths.sys,
			 entry->d_name);
		if (host_file(path, parent, sizeof(parent)) <= 0)
			continue;
		parent[strcspn(parent, "\n")] = '\0';
		if (depends(links, parent))
			err = bypass_fail(EBUSY,
					  "%s carries the host's RDMA device %s, which is built on "
					  "%s: 'rdma link delete %s' first, if the host can do "
					  "without",
					  links->address, entry->d_name, parent, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return err;
}

static int check_links(struct links *links)
{
	int err = 0;

	for (links->now = 0; links->now < links->space_count && !err; links->now++)
		err = read_space(links);
	if (err)
		return err;
	follow(links);
	err = check_traffic(links);
	for (size_t i = 0; i < links->count && !err; i++)
		if (links->link[i].depends)
			err = check_link(links, &links->link[i]);
	if (!err)
		err = check_rdma(links);
	return err ? err : check_hidden(links->address);
}

int burden_net(const char *address)
{
	struct links links = {.address = address};
	int err;

	err = netns_list(&links.space);
	if (err < 0)
		return err;
	links.space_count = err;
	err = check_links(&links);
	if (err == -EIO)
		bypass_fail(EIO,
			    "cannot find out whether the host uses the interfaces of %s: "
			    "rtnetlink does not answer",
			    address);
	netns_free(links.space, links.space_count);
	free(links.link);
	return err;
}
