// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The GIDs and P_Keys of a port that are the guest's. The guest sees a table of these alone, and
 * its indices count in that table: a guest cannot send by an address that is not its own.
 *
 * With addr= these are the GIDs of addresses. Without addr= and gids= the slice has the port's own
 * link-local GID and its first other address, each with all RoCE versions. They are looked up at each
 * use, as addresses of the host come and go.
 *
 * An mlx5 adapter reads the index of a GID from a datagram's request, which no code of the host sees.
 * There an index of the guest is the host's, and other entries of the guest's table are empty.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define NO_INDEX UINT16_MAX /* an entry of the guest's table that is unused */

/* Entries of the guest's table without gids=: two addresses with two RoCE versions each. */
#define GIDS_DEFAULT 4
#define VERSIONS     2 /* of RoCE */

/* The same where indices are the host's. */
#define GIDS_AS_HOST 16

struct gid_scope {
	struct bypass_rdma_gids host;
	uint16_t index[BYPASS_RDMA_GIDS_MAX]; /* of the host, by the guest's */
	uint32_t count;
};

static bool is_unused(const uint8_t *gid)
{
	static const uint8_t none[16];

	return !memcmp(gid, none, sizeof(none));
}

static bool is_link_local(const uint8_t *gid)
{
	return gid[0] == 0xfe && gid[1] == 0x80;
}

/* The first GID in use that is, or is not, link-local; NULL when there is none. */
static const uint8_t *find_first(const struct bypass_rdma_gids *gids, bool link_local)
{
	for (uint32_t i = 0; i < le32toh(gids->count); i++) {
		if (!is_unused(gids->gid[i]) && is_link_local(gids->gid[i]) == link_local)
			return gids->gid[i];
	}
	return NULL;
}

static void choose_default(struct gid_scope *scope, bool as_host)
{
	const struct bypass_rdma_gids *host = &scope->host;
	const uint8_t *own = find_first(host, true), *first = find_first(host, false);
	uint32_t n = 0;

	for (uint32_t i = 0; i < le32toh(host->count) && n < GIDS_DEFAULT; i++) {
		if (as_host && i >= GIDS_AS_HOST)
			break;
		if ((own && !memcmp(host->gid[i], own, sizeof(host->gid[i]))) ||
		    (first && !memcmp(host->gid[i], first, sizeof(host->gid[i])))) {
			scope->index[as_host ? i : n] = i;
			n++;
		}
	}
}

/* The GIDs that gids= names, in the order of the list or at the host's own indices. */
static void choose_named(struct gid_scope *scope, const struct bypass_rdma_options *o, bool as_host)
{
	for (uint32_t i = 0; i < o->n_gids; i++) {
		uint8_t host = o->gids[i];

		if (host < le32toh(scope->host.count) && !is_unused(scope->host.gid[host]))
			scope->index[as_host ? host : i] = host;
	}
}

/* Each address with all its RoCE versions, in the guest's order or at the host's own indices. */
static void choose_addresses(struct gid_scope *scope, const struct bypass_rdma_options *o,
			     bool as_host)
{
	for (uint32_t a = 0; a < o->n_addrs; a++) {
		uint32_t n = VERSIONS * a;

		for (uint32_t i = 0; i < le32toh(scope->host.count); i++) {
			if (memcmp(scope->host.gid[i], o->addrs[a], sizeof(o->addrs[a])))
				continue;
			if (as_host && i < scope->count)
				scope->index[i] = i;
			else if (!as_host && n < VERSIONS * (a + 1))
				scope->index[n++] = i;
		}
	}
}

/* The guest's table of GIDs of a port, for free(3); NULL on failure. */
static struct gid_scope *find_gids(struct rdma_slice *s, uint32_t port, int *err)
{
	const struct bypass_rdma_options *o = &s->options;
	struct gid_scope *scope = calloc(1, sizeof(*scope));

	if (!scope) {
		*err = bypass_fail(ENOMEM, "no memory for the GIDs of %s", s->hca.name);
		return NULL;
	}
	*err = rdma_hca_query_gids(&s->hca, port, &scope->host);
	if (*err) {
		free(scope);
		return NULL;
	}
	scope->count = rdma_scope_gids(s);
	for (uint32_t i = 0; i < scope->count; i++)
		scope->index[i] = NO_INDEX;
	if (o->n_addrs)
		choose_addresses(scope, o, s->dialect->host_gids);
	else if (o->n_gids)
		choose_named(scope, o, s->dialect->host_gids);
	else
		choose_default(scope, s->dialect->host_gids);
	return scope;
}

uint32_t rdma_scope_gids(const struct rdma_slice *s)
{
	const struct bypass_rdma_options *o = &s->options;
	uint32_t count = 0;

	if (!s->dialect->host_gids)
		return o->n_addrs ? VERSIONS * o->n_addrs : o->n_gids ? o->n_gids : GIDS_DEFAULT;
	for (uint32_t i = 0; i < o->n_gids; i++) {
		if (o->gids[i] >= count)
			count = o->gids[i] + 1;
	}
	return count ? count : GIDS_AS_HOST;
}

uint32_t rdma_scope_pkeys(const struct rdma_slice *s)
{
	return s->options.n_pkeys ? s->options.n_pkeys : 1;
}

int rdma_scope_query_gids(struct rdma_slice *s, uint32_t port, struct bypass_rdma_gids *out)
{
	int err;
	struct gid_scope *scope = find_gids(s, port, &err);

	if (!scope)
		return err;
	out->count = htole32(scope->count);
	for (uint32_t i = 0; i < scope->count; i++) {
		if (scope->index[i] == NO_INDEX)
			continue;
		memcpy(out->gid[i], scope->host.gid[scope->index[i]], sizeof(out->gid[i]));
		out->type[i] = scope->host.type[scope->index[i]];
	}
	free(scope);
	return 0;
}

int rdma_scope_query_pkeys(struct rdma_slice *s, uint32_t port, struct bypass_rdma_pkeys *out)
{
	struct bypass_rdma_pkeys host = {0};
	int err = rdma_hca_query_pkeys(&s->hca, port, &host);

	if (err)
		return err;
	out->count = htole32(rdma_scope_pkeys(s));
	for (uint32_t i = 0; i < rdma_scope_pkeys(s); i++) {
		uint32_t index = rdma_scope_pkey_to_host(s, i);

		if (index < le32toh(host.count))
			out->pkey[i] = host.pkey[index];
	}
	return 0;
}

int rdma_scope_gid_to_host(struct rdma_slice *s, uint32_t port, uint8_t guest, uint8_t *host)
{
	int err;
	struct gid_scope *scope = find_gids(s, port, &err);

	if (!scope)
		return err;
	if (guest >= scope->count || scope->index[guest] == NO_INDEX)
		err = bypass_fail(EINVAL, "GID %u is none of the slice's %u (gids=)", guest,
				  scope->count);
	else
		*host = scope->index[guest];
	free(scope);
	return err;
}

uint8_t rdma_scope_gid_from_host(struct rdma_slice *s, uint32_t port, uint8_t host)
{
	int err;
	struct gid_scope *scope = find_gids(s, port, &err);
	uint8_t guest = 0;

	for (uint32_t i = 0; scope && i < scope->count; i++) {
		if (scope->index[i] == host)
			guest = i;
	}
	free(scope);
	return guest;
}

uint16_t rdma_scope_pkey_to_host(const struct rdma_slice *s, uint16_t guest)
{
	return s->options.n_pkeys ? s->options.pkeys[guest] : guest;
}

uint16_t rdma_scope_pkey_from_host(const struct rdma_slice *s, uint16_t host)
{
	for (uint32_t i = 0; i < rdma_scope_pkeys(s); i++) {
		if (rdma_scope_pkey_to_host(s, i) == host)
			return i;
	}
	return 0;
}
