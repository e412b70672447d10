// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: addresses. A guest binds, and connects from, those addresses alone that its GID
 * table shows. So an id always has an address before rdma_cm could choose one of the host's for the
 * id.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rdma/rdma_user_cm.h>

#include <bypass/error.h>

#include "internal.h"

#define PORT_UNPRIVILEGED 1024

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const uint8_t *ip)
{
	return !memcmp(ip, mapped, sizeof(mapped));
}

/* The unspecified address, of either family. */
static bool is_any(const uint8_t *ip)
{
	static const uint8_t none[16];

	return !memcmp(ip, none, sizeof(none)) ||
	       (is_mapped(ip) && !memcmp(ip + 12, none, sizeof(none) - 12));
}

/* The guest itself, of either family. The host's rdma_cm would take itself for it. */
static bool is_loopback(const uint8_t *ip)
{
	static const uint8_t loopback[16] = {[15] = 1};

	return !memcmp(ip, loopback, sizeof(loopback)) ||
	       (is_mapped(ip) && ip[12] == IN_LOOPBACKNET);
}

/* One that means something only together with a network interface of the host's. */
static bool is_link_local(const uint8_t *ip)
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static int check_form(const struct bypass_rdma_cm_addr *addr)
{
	uint16_t family = le16toh(addr->family);

	if (family != AF_INET && family != AF_INET6)
		return bypass_fail(EINVAL, "address family %u: a slice knows %u and %u", family,
				   AF_INET, AF_INET6);
	if (!is_any(addr->ip) && (family == AF_INET) != is_mapped(addr->ip))
		return bypass_fail(EINVAL, "an address does not fit its family (%u)", family);
	if (is_link_local(addr->ip))
		return bypass_fail(EADDRNOTAVAIL, "link-local addresses cannot be had through a "
						  "slice");
	return 0;
}

/*
 * The guest's first address that serves for the unspecified one of a family, and for its loopback
 * address: IPv6 takes IPv4 too. Or: is @wanted one of the guest's?
 */
static bool find_own(struct rdma_slice *s, const uint8_t *wanted, uint16_t family, uint8_t *ip)
{
	struct bypass_rdma_gids gids;
	bool found = false, v4;

	for (uint32_t port = 1; port <= le32toh(s->config.ports); port++) {
		memset(&gids, 0, sizeof(gids));
		if (rdma_scope_query_gids(s, port, &gids))
			continue;
		for (uint32_t i = 0; i < le32toh(gids.count); i++) {
			const uint8_t *gid = gids.gid[i];

			v4 = is_mapped(gid);
			if (is_any(gid) || is_link_local(gid) || (family == AF_INET && !v4))
				continue;
			if (wanted && memcmp(gid, wanted, sizeof(gids.gid[i])))
				continue;
			if (!found || (family == AF_INET6 && is_mapped(ip) && !v4))
				memcpy(ip, gid, sizeof(gids.gid[i]));
			found = true;
		}
	}
	return found;
}

static int check_port(struct rdma_slice *s, uint16_t port)
{
	const struct bypass_rdma_options *o = &s->options;
	uint16_t least = o->port_first ? o->port_first : PORT_UNPRIVILEGED;
	uint16_t most = o->port_first ? o->port_last : UINT16_MAX;

	if (!port || (port >= least && port <= most))
		return 0;
	return bypass_fail(EACCES, "the guest may not use port %u: it has %u to %u (ports=)", port,
			   least, most);
}

/* Of rdma_cm's structs for IPv4 and IPv6 addresses the former fits into the latter. */
static void to_socket(const uint8_t *ip, __be16 port, struct sockaddr_in6 *to)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};

	*to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
	if (is_mapped(ip)) {
		*to = (struct sockaddr_in6){0};
		memcpy(&in.sin_addr, ip + 12, sizeof(in.sin_addr));
		memcpy(to, &in, sizeof(in));
	} else {
		memcpy(&to->sin6_addr, ip, sizeof(to->sin6_addr));
	}
}

static int find_address(struct rdma_slice *s, const struct bypass_rdma_cm_addr *addr,
			struct sockaddr_in6 *to)
{
	bool first = is_any(addr->ip) || is_loopback(addr->ip);
	uint8_t ip[16];

	if (!find_own(s, first ? NULL : addr->ip, le16toh(addr->family), ip))
		return bypass_fail(EADDRNOTAVAIL, "the address is none of the slice's (addr=, "
						  "gids=)");
	to_socket(ip, addr->port, to);
	return 0;
}

/* An address of the guest's, out of what the guest asks for. */
static int own_address(struct rdma_slice *s, const struct bypass_rdma_cm_addr *addr,
		       struct sockaddr_in6 *to)
{
	int err = check_form(addr);

	if (!err)
		err = check_port(s, be16toh(addr->port));
	return err ? err : find_address(s, addr, to);
}

/* Where a connection leads: anywhere, but the loopback address leads to the guest and not to the host. */
static int peer_address(struct rdma_slice *s, const struct bypass_rdma_cm_addr *addr,
			struct sockaddr_in6 *to)
{
	int err = check_form(addr);

	if (!err && is_any(addr->ip))
		err = bypass_fail(EINVAL, "a connection leads to no address");
	if (!err && is_loopback(addr->ip))
		err = find_address(s, addr, to);
	else if (!err)
		to_socket(addr->ip, addr->port, to);
	return err;
}

int rdma_cm_group_address(const struct bypass_rdma_cm_addr *addr, struct sockaddr_in6 *to)
{
	const uint8_t *ip = addr->ip;
	int err = check_form(addr);

	if (!err && ip[0] != 0xff && (!is_mapped(ip) || ip[12] >> 4 != 14))
		err = bypass_fail(EINVAL, "the address is of no multicast group");
	if (!err)
		to_socket(ip, addr->port, to);
	return err;
}

static int query(struct rdma_slice *s, const struct rdma_object *id,
		 struct rdma_ucm_query_route_resp *out)
{
	struct rdma_ucm_query in = {.response = (uintptr_t)out, .id = id->host};

	memset(out, 0, sizeof(*out));
	return rdma_cm_call(s, RDMA_USER_CM_CMD_QUERY_ROUTE, &in, sizeof(in), sizeof(*out),
			    "query an id");
}

/* Two HCAs can stand on one network device, and rdma_cm takes the first that has the address. */
static int check_device(struct rdma_slice *s, struct rdma_object *id)
{
	struct rdma_ucm_query_route_resp route;
	int err = query(s, id, &route);

	if (!err && ((route.ibdev_index != s->hca.index && s->hca.index != UINT32_MAX) ||
		     memcmp(&route.node_guid, s->config.node_guid, sizeof(route.node_guid))))
		err = bypass_fail(EADDRNOTAVAIL,
				  "the host gives the address to another HCA than %s", s->hca.name);
	if (err)
		rdma_cm_end_on_host(s, id);
	else
		id->port = route.port_num;
	return err;
}

int rdma_cm_bind(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_bind *body = c->body;
	struct rdma_ucm_bind_ip in = {0};
	struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err)
		err = own_address(s, &body->addr, &in.addr);
	if (err)
		return err;
	in.id = id->host;
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_BIND_IP, &in, sizeof(in), 0, "bind an id");
	return err ? err : check_device(s, id);
}

int rdma_cm_resolve_addr(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_resolve_addr *body = c->body;
	struct bypass_rdma_cm_addr src = body->src;
	struct rdma_ucm_resolve_ip in = {.timeout_ms = rdma_cm_timeout(le32toh(body->timeout_ms))};
	struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err)
		err = peer_address(s, &body->dst, &in.dst_addr);
	if (err)
		return err;
	if (!src.family)
		src.family = body->dst.family;
	err = own_address(s, &src, &in.src_addr);
	if (!err)
		err = rdma_cm_ask(id);
	if (err)
		return err;
	in.id = id->host;
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_RESOLVE_IP, &in, sizeof(in), 0,
			   "resolve an address");
	if (err)
		id->entries--;
	else if (!id->port)
		err = check_device(s, id);
	return err;
}

int rdma_cm_resolve_route(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_resolve_route *body = c->body;
	struct rdma_ucm_resolve_route in = {.timeout_ms =
						    rdma_cm_timeout(le32toh(body->timeout_ms))};
	struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err)
		err = rdma_cm_ask(id);
	if (err)
		return err;
	in.id = id->host;
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_RESOLVE_ROUTE, &in, sizeof(in), 0,
			   "resolve a route");
	if (err)
		id->entries--;
	return err;
}

/* An id that is not bound would listen on all addresses of the host. */
int rdma_cm_listen(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_listen *body = c->body;
	struct rdma_ucm_listen in = {.backlog = le32toh(body->backlog)};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && !id->port)
		err = bypass_fail(EINVAL, "the id is not bound to an address");
	if (err)
		return err;
	if (!in.backlog || in.backlog > s->options.quota.backlog)
		in.backlog = s->options.quota.backlog;
	in.id = id->host;
	return rdma_cm_call(s, RDMA_USER_CM_CMD_LISTEN, &in, sizeof(in), 0, "listen");
}

static void from_socket(const struct sockaddr_in6 *from, struct bypass_rdma_cm_addr *to)
{
	struct sockaddr_in in;

	if (from->sin6_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		memcpy(to->ip, mapped, sizeof(mapped));
		memcpy(to->ip + 12, &in.sin_addr, sizeof(in.sin_addr));
	} else if (from->sin6_family == AF_INET6) {
		memcpy(to->ip, &from->sin6_addr, sizeof(to->ip));
	} else {
		return;
	}
	to->family = htole16(from->sin6_family);
	to->port = from->sin6_port;
}

static void copy_path(const struct ib_user_path_rec *from, struct bypass_rdma_cm_path *to)
{
	*to = (struct bypass_rdma_cm_path){
		.dlid = from->dlid,
		.slid = from->slid,
		.raw_traffic = htole32(from->raw_traffic),
		.flow_label = from->flow_label,
		.reversible = htole32(from->reversible),
		.mtu = htole32(from->mtu),
		.pkey = from->pkey,
		.hop_limit = from->hop_limit,
		.traffic_class = from->traffic_class,
		.numb_path = from->numb_path,
		.sl = from->sl,
		.mtu_selector = from->mtu_selector,
		.rate_selector = from->rate_selector,
		.rate = from->rate,
		.packet_life_time_selector = from->packet_life_time_selector,
		.packet_life_time = from->packet_life_time,
		.preference = from->preference,
	};
	memcpy(to->dgid, from->dgid, sizeof(to->dgid));
	memcpy(to->sgid, from->sgid, sizeof(to->sgid));
}

int rdma_cm_query_route(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	struct bypass_rdma_cm_route *reply = (void *)c->reply;
	struct rdma_ucm_query_route_resp out;
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->handle), &err);
	if (!err)
		err = query(s, id, &out);
	if (err)
		return err;
	reply->bound = htole32(!!id->port);
	reply->port = htole32(out.port_num);
	reply->n_paths = htole32(out.num_paths < BYPASS_RDMA_CM_PATHS_MAX
					 ? out.num_paths
					 : BYPASS_RDMA_CM_PATHS_MAX);
	from_socket(&out.src_addr, &reply->src);
	from_socket(&out.dst_addr, &reply->dst);
	for (uint32_t i = 0; i < BYPASS_RDMA_CM_PATHS_MAX; i++)
		copy_path(&out.ib_route[i], &reply->paths[i]);
	return 0;
}
