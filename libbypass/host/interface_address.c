// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Addresses and routes of a network interface, as the words that ip(8) takes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>

#include <linux/if_addr.h>
#include <sys/socket.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "interface.h"

/* The word after @key in "key value key value …"; false when @key is not there. */
static bool get_word(const char *text, const char *key, char *word, size_t size)
{
	char copy[HOST_VALUE_SIZE], *rest = copy, *at;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((at = strsep(&rest, " ")))
		if (!strcmp(at, key) && rest) {
			snprintf(word, size, "%s", strsep(&rest, " "));
			return true;
		}
	return false;
}

/* Flags of an address that somebody chose, as ip(8) calls them. */
static const struct {
	unsigned int flag;
	const char *word;
} flags[] = {
	{IFA_F_NODAD, "nodad"},
	{IFA_F_NOPREFIXROUTE, "noprefixroute"},
};

#define FLAG_COUNT (sizeof(flags) / sizeof(flags[0]))

static struct nl_addr *parse_address(const char *text, int family)
{
	struct nl_addr *addr;

	return nl_addr_parse(text, family, &addr) ? NULL : addr;
}

int interface_write_address(const struct interface *interface, const char *value)
{
	struct rtnl_addr *address = rtnl_addr_alloc();
	struct nl_addr *local, *broadcast = NULL;
	char first[64], word[64];
	int err;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(value, " "), value);
	local = parse_address(first, AF_UNSPEC);
	if (get_word(value, "brd", word, sizeof(word)))
		broadcast = parse_address(word, AF_UNSPEC);
	err = address && local ? 0 : -NLE_INVAL;
	if (!err) {
		rtnl_addr_set_ifindex(address, interface->index);
		err = rtnl_addr_set_local(address, local);
	}
	if (!err && broadcast)
		err = rtnl_addr_set_broadcast(address, broadcast);
	for (size_t i = 0; i < FLAG_COUNT; i++)
		if (strstr(value, flags[i].word))
			rtnl_addr_set_flags(address, flags[i].flag);
	if (!err)
		err = rtnl_addr_add(interface->sock, address, 0);
	nl_addr_put(local);
	nl_addr_put(broadcast);
	rtnl_addr_put(address);
	return err && err != -NLE_EXIST ? bypass_fail(EIO, "%s", nl_geterror(err)) : 0;
}

static int fill_route(struct rtnl_route *route, struct rtnl_nexthop *hop, const char *value)
{
	struct nl_addr *addr;
	char word[64];
	int err, family;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(value, " "), value);
	family = strchr(word, ':') ? AF_INET6 : AF_INET;
	addr = parse_address(word, family);
	if (!addr)
		return -NLE_INVAL;
	rtnl_route_set_family(route, family);
	err = rtnl_route_set_dst(route, addr);
	nl_addr_put(addr);
	if (!err && get_word(value, "via", word, sizeof(word)) &&
	    (addr = parse_address(word, family))) {
		rtnl_route_nh_set_gateway(hop, addr);
		rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
		nl_addr_put(addr);
	}
	if (!err && get_word(value, "src", word, sizeof(word)) &&
	    (addr = parse_address(word, family))) {
		err = rtnl_route_set_pref_src(route, addr);
		nl_addr_put(addr);
	}
	if (get_word(value, "metric", word, sizeof(word)))
		rtnl_route_set_priority(route, strtoul(word, NULL, 10));
	if (get_word(value, "table", word, sizeof(word)))
		rtnl_route_set_table(route, strtoul(word, NULL, 10));
	rtnl_route_set_protocol(route, get_word(value, "proto", word, sizeof(word))
					       ? strtoul(word, NULL, 10)
					       : RTPROT_BOOT);
	return err;
}

int interface_write_route(const struct interface *interface, const char *value)
{
	struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int err = -NLE_NOMEM;

	if (route && hop) {
		rtnl_route_nh_set_ifindex(hop, interface->index);
		err = fill_route(route, hop, value);
		rtnl_route_add_nexthop(route, hop); /* takes it over */
		hop = NULL;
	}
	if (!err)
		err = rtnl_route_add(interface->sock, route, NLM_F_EXCL);
	if (hop)
		rtnl_route_nh_free(hop);
	rtnl_route_put(route);
	return err && err != -NLE_EXIST ? bypass_fail(EIO, "%s", nl_geterror(err)) : 0;
}

/* Adds "via ADDRESS dev NAME weight N" to the route. */
static int add_hop(struct rtnl_route *route, const char *value)
{
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	struct nl_addr *via;
	char word[64];

	if (!hop)
		return -NLE_NOMEM;
	if (get_word(value, "via", word, sizeof(word)) &&
	    (via = parse_address(word, rtnl_route_get_family(route)))) {
		rtnl_route_nh_set_gateway(hop, via);
		nl_addr_put(via);
	}
	if (get_word(value, "dev", word, sizeof(word)))
		rtnl_route_nh_set_ifindex(hop, if_nametoindex(word));
	if (get_word(value, "weight", word, sizeof(word)))
		rtnl_route_nh_set_weight(hop, strtoul(word, NULL, 10) - 1);
	rtnl_route_add_nexthop(route, hop); /* takes it over */
	return 0;
}

/* Of IPv6 the kernel has kept the other ways: the route is replaced, not added. */
int interface_write_multipath(const struct interface *interface, const char *value)
{
	struct rtnl_route *route = rtnl_route_alloc();
	char head[HOST_VALUE_SIZE], *hop;
	int err = -NLE_NOMEM;

	snprintf(head, sizeof(head), "%s", value);
	hop = strstr(head, " nexthop ");
	if (route && hop) {
		*hop = '\0';
		err = fill_route(route, NULL, head);
	}
	while (!err && hop) {
		char *next = strstr(hop + 1, " nexthop ");

		if (next)
			*next = '\0';
		err = add_hop(route, hop + 1);
		hop = next;
	}
	if (!err)
		err = rtnl_route_add(interface->sock, route, NLM_F_REPLACE);
	rtnl_route_put(route);
	return err ? bypass_fail(EIO, "%s", nl_geterror(err)) : 0;
}

/* The kernel makes these routes, of the interface's addresses and of what routers tell. */
static bool comes_by_itself(int protocol)
{
	return protocol == RTPROT_KERNEL || protocol == RTPROT_RA || protocol == RTPROT_REDIRECT;
}

/* Adds " KEY VALUE" to @text. Returns the length, which is @size or more when it does not fit. */
__attribute__((format(printf, 4, 5))) static size_t add_text(char *text, size_t size, size_t length,
							     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	length += vsnprintf(text + length, length < size ? size - length : 0, format, args);
	va_end(args);
	return length;
}

static size_t add_address(char *text, size_t size, size_t length, const char *key,
			  const struct nl_addr *address)
{
	char word[64];

	return address ? add_text(text, size, length, " %s %s", key,
				  nl_addr2str(address, word, sizeof(word)))
		       : length;
}

/* All of a route but the way that packets go. @via: the gateway of a route with one. */
static size_t format_route(struct rtnl_route *route, const struct nl_addr *via, char *text,
			   size_t size)
{
	struct nl_addr *to = rtnl_route_get_dst(route);
	char word[64];
	size_t length;

	if (to && nl_addr_get_prefixlen(to))
		nl_addr2str(to, word, sizeof(word));
	else
		strcpy(word, rtnl_route_get_family(route) == AF_INET6 ? "::/0" : "0.0.0.0/0");
	length = add_text(text, size, 0, "%s", word);
	length = add_address(text, size, length, "via", via);
	length = add_address(text, size, length, "src", rtnl_route_get_pref_src(route));
	if (rtnl_route_get_priority(route))
		length = add_text(text, size, length, " metric %u", rtnl_route_get_priority(route));
	if (rtnl_route_get_table(route) != RT_TABLE_MAIN)
		length = add_text(text, size, length, " table %u", rtnl_route_get_table(route));
	if (rtnl_route_get_protocol(route) != RTPROT_BOOT)
		length = add_text(text, size, length, " proto %u", rtnl_route_get_protocol(route));
	return length;
}

/* A route over several interfaces: the kernel drops all of the route with one of them. */
static void note_multipath(struct interface_notes *notes, struct rtnl_route *route)
{
	char text[HOST_VALUE_SIZE], name[IF_NAMESIZE];
	size_t length = format_route(route, NULL, text, sizeof(text));

	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++) {
		struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, i);

		length = add_text(text, sizeof(text), length, " nexthop");
		length = add_address(text, sizeof(text), length, "via",
				     rtnl_route_nh_get_gateway(hop));
		if (if_indextoname(rtnl_route_nh_get_ifindex(hop), name))
			length = add_text(text, sizeof(text), length, " dev %s", name);
		length = add_text(text, sizeof(text), length, " weight %u",
				  rtnl_route_nh_get_weight(hop) + 1u);
	}
	if (length < sizeof(text))
		notes->note(notes, "multipath", text);
	else
		bypass_log(BYPASS_LOG_WARN,
			   "a route goes over %s and others, and is too long for the ledger: "
			   "releasing does not put it back. It begins '%s'",
			   notes->interface->name, text);
}

/* A route that goes through this interface, and that somebody has added. */
static void note_route(struct nl_object *object, void *opaque)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct interface_notes *notes = opaque;
	int hops = rtnl_route_get_nnexthops(route);
	char text[HOST_VALUE_SIZE];
	bool ours = false;

	if (rtnl_route_get_type(route) != RTN_UNICAST ||
	    comes_by_itself(rtnl_route_get_protocol(route)) ||
	    rtnl_route_get_table(route) == RT_TABLE_LOCAL)
		return;
	for (int i = 0; i < hops; i++)
		ours |= rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i)) ==
			notes->interface->index;
	if (!ours)
		return;
	if (hops > 1) {
		note_multipath(notes, route);
		return;
	}
	format_route(route, rtnl_route_nh_get_gateway(rtnl_route_nexthop_n(route, 0)), text,
		     sizeof(text));
	notes->note(notes, "route", text);
}

void interface_note_routes(struct interface_notes *notes)
{
	struct nl_cache *routes;

	if (rtnl_route_alloc_cache(notes->interface->sock, AF_UNSPEC, 0, &routes)) {
		notes->err =
			bypass_fail(EIO, "cannot read the routes of %s", notes->interface->name);
		return;
	}
	nl_cache_foreach(routes, note_route, notes);
	nl_cache_free(routes);
}

static void note_address(struct interface_notes *notes, struct rtnl_addr *address)
{
	struct nl_addr *broadcast = rtnl_addr_get_broadcast(address);
	char text[HOST_VALUE_SIZE], word[64];
	bool permanent;
	size_t length;

	if (rtnl_addr_get_ifindex(address) != notes->interface->index ||
	    rtnl_addr_get_scope(address) == RT_SCOPE_LINK) /* the kernel makes these */
		return;
	permanent = rtnl_addr_get_flags(address) & IFA_F_PERMANENT;
	if (!permanent && rtnl_addr_get_family(address) == AF_INET6) /* a router tells them */
		return;
	nl_addr2str(rtnl_addr_get_local(address), word, sizeof(word));
	length = snprintf(text, sizeof(text), "%s", word);
	if (!strchr(word, '/'))
		length += snprintf(text + length, sizeof(text) - length, "/%d",
				   rtnl_addr_get_prefixlen(address));
	if (broadcast)
		length += snprintf(text + length, sizeof(text) - length, " brd %s",
				   nl_addr2str(broadcast, word, sizeof(word)));
	for (size_t i = 0; i < FLAG_COUNT; i++)
		if (rtnl_addr_get_flags(address) & flags[i].flag)
			length += snprintf(text + length, sizeof(text) - length, " %s",
					   flags[i].word);
	notes->note(notes, permanent ? "address" : "lease", text);
}

/* The last one first: the first one is put back first, and is the primary again. */
void interface_note_addresses(struct interface_notes *notes)
{
	struct nl_cache *addresses;

	if (rtnl_addr_alloc_cache(notes->interface->sock, &addresses)) {
		notes->err =
			bypass_fail(EIO, "cannot read the addresses of %s", notes->interface->name);
		return;
	}
	for (struct nl_object *object = nl_cache_get_last(addresses); object;
	     object = nl_cache_get_prev(object))
		note_address(notes, (struct rtnl_addr *)object);
	nl_cache_free(addresses);
}
