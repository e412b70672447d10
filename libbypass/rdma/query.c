// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the guest may ask of the slice itself.
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_query_device(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_device *reply = (void *)c->reply;

	*reply = s->limits;
	/* An older module knows no XRC, and its programs need not try. */
	if (!(s->features & 1ull << BYPASS_RDMA_F_XRC))
		reply->device_cap_flags &= ~htole64(IB_UVERBS_DEVICE_XRC);
	pthread_rwlock_rdlock(&s->memory_lock);
	reply->ram_page = htole32(s->ram_page);
	pthread_rwlock_unlock(&s->memory_lock);
	return 0;
}

int rdma_query_clock(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_clock *reply = (void *)c->reply;

	*reply = s->clock;
	return 0;
}

int rdma_query_check_port(struct rdma_slice *s, const struct bypass_rdma_port_query *body)
{
	uint32_t port = le32toh(body->port);

	if (!port || port > le32toh(s->config.ports))
		return bypass_fail(EINVAL, "%s has no port %u", s->hca.name, port);
	return 0;
}

int rdma_query_port(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	int err = rdma_query_check_port(s, body);

	struct bypass_rdma_port *reply = (void *)c->reply;

	if (!err)
		err = rdma_hca_query_port(&s->hca, le32toh(body->port), reply);
	if (err)
		return err;
	reply->gid_tbl_len = htole32(rdma_scope_gids(s));
	reply->pkey_tbl_len = htole32(rdma_scope_pkeys(s));
	return 0;
}

int rdma_query_gids(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	int err = rdma_query_check_port(s, body);

	return err ? err : rdma_scope_query_gids(s, le32toh(body->port), (void *)c->reply);
}

int rdma_query_pkeys(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	int err = rdma_query_check_port(s, body);

	return err ? err : rdma_scope_query_pkeys(s, le32toh(body->port), (void *)c->reply);
}
