// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory windows (MW).
 */
#include <errno.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_alloc_mw(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_alloc_mw *body = c->body;
	struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->pd));
	struct bypass_rdma_mr *reply = (void *)c->reply;
	uint32_t type = le32toh(body->type), handle;
	struct ib_uverbs_alloc_mw in = {.mw_type = type};
	struct ib_uverbs_alloc_mw_resp out;
	int err;

	if (!pd)
		return -EBADF;
	if (type != 1 && type != 2)
		return bypass_fail(EINVAL, "memory windows have type 1 or 2, not %u", type);
	if (s->guarded && s->dialect->guard->no_mws)
		return bypass_fail(EOPNOTSUPP,
				   "a guest that is not trusted gets no memory windows: %s",
				   s->dialect->guard->no_mws);
	in.pd_handle = pd->host;
	err = rdma_object_create(s, c, RDMA_MW, IB_USER_VERBS_CMD_ALLOC_MW, &in, sizeof(in), &out,
				 sizeof(out), &handle);
	if (err)
		return err;
	reply->handle = htole32(handle);
	reply->rkey = htole32(out.rkey);
	return 0;
}
