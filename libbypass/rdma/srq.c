// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Shared receive queues: ordinary ones, and those of XRC domains.
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

static int check_wr(struct rdma_slice *s, uint32_t max_wr, uint32_t least)
{
	uint32_t max = rdma_quota_entries(s, le32toh(s->limits.max_srq_wr));

	if (max_wr < least || max_wr > max)
		return bypass_fail(EINVAL,
				   "a shared receive queue has %u to %u requests, not %u (depth=)",
				   least, max, max_wr);
	return 0;
}

/* The limit of a queue of @max_wr requests. */
static int check_limit(uint32_t limit, uint32_t max_wr)
{
	if (limit > max_wr)
		return bypass_fail(EINVAL,
				   "a limit of %u for a shared receive queue of %u requests", limit,
				   max_wr);
	return 0;
}

static int check_create(struct rdma_slice *s, const struct ib_uverbs_create_xsrq *in)
{
	int err;

	/* mlx5 rounds up the number of requests, 0 too. */
	err = check_wr(s, in->max_wr, s->dialect->user_queues ? 0 : 1);
	if (!err)
		err = check_limit(in->srq_limit, in->max_wr);
	if (!err && in->max_sge > le32toh(s->limits.max_srq_sge))
		err = bypass_fail(EINVAL, "a shared receive queue of %u SGEs: at most %u",
				  in->max_sge, le32toh(s->limits.max_srq_sge));
	return err;
}

/* Of an XRC domain, with all that @in has, or an ordinary one. */
static int make(struct rdma_slice *s, struct rdma_command *c, struct ib_uverbs_create_xsrq *in,
		struct bypass_rdma_xsrq *reply)
{
	bool xrc = in->srq_type == IB_UVERBS_SRQT_XRC;
	struct rdma_mapping owner = {.ucontext = c->ucontext, .kind = RDMA_SRQ};
	struct ib_uverbs_create_srq basic = {
		.pd_handle = in->pd_handle,
		.max_wr = in->max_wr,
		.max_sge = in->max_sge,
		.srq_limit = in->srq_limit,
	};
	struct ib_uverbs_create_srq_resp out = {0};
	const struct rdma_queue_call call = {
		.what = "a shared receive queue",
		.uverbs = xrc ? IB_USER_VERBS_CMD_CREATE_XSRQ : IB_USER_VERBS_CMD_CREATE_SRQ,
		.in = xrc ? (void *)in : &basic,
		.in_size = xrc ? sizeof(*in) : sizeof(basic),
		.out = &out,
		.out_size = sizeof(out),
		.shape = {in->max_wr, in->max_sge},
	};
	struct rdma_blob blob;
	uint64_t pinned;
	int err;

	err = check_create(s, in);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_SRQ], c->ucontext, &owner.handle);
	if (err)
		return err;
	in->user_handle = basic.user_handle = owner.handle;
	err = rdma_queue_make(s, c, &blob, &call, &pinned);
	if (err) {
		rdma_table_put(&s->tables[RDMA_SRQ], owner.handle);
		return err;
	}
	rdma_quota_set(s, &s->tables[RDMA_SRQ].objects[owner.handle], pinned);
	rdma_count(&s->stats.objects, 1);
	s->tables[RDMA_SRQ].objects[owner.handle].host = out.srq_handle;
	s->tables[RDMA_SRQ].objects[owner.handle].entries = out.max_wr;
	err = rdma_blob_out(s, c, &blob, &owner, 0);
	if (err) {
		rdma_object_undo(s, RDMA_SRQ, owner.handle);
		return err;
	}
	*reply = (struct bypass_rdma_xsrq){
		.srq = {.handle = htole32(owner.handle),
			.max_wr = htole32(out.max_wr),
			.max_sge = htole32(out.max_sge),
			.srq_limit = htole32(in->srq_limit)},
		.srqn = htole32(out.srqn),
	};
	return 0;
}

int rdma_create_srq(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_create_srq *body = c->body;
	const struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->pd));
	struct ib_uverbs_create_xsrq in = {
		.srq_type = IB_UVERBS_SRQT_BASIC,
		.max_wr = le32toh(body->max_wr),
		.max_sge = le32toh(body->max_sge),
		.srq_limit = le32toh(body->srq_limit),
	};
	struct bypass_rdma_xsrq reply;
	int err;

	if (!pd)
		return -EBADF;
	in.pd_handle = pd->host;
	err = make(s, c, &in, &reply);
	if (!err)
		memcpy(c->reply, &reply.srq, sizeof(reply.srq));
	return err;
}

int rdma_create_xsrq(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_create_xsrq *body = c->body;
	const struct rdma_object *pd, *xrcd, *cq;
	struct ib_uverbs_create_xsrq in = {
		.srq_type = IB_UVERBS_SRQT_XRC,
		.max_wr = le32toh(body->srq.max_wr),
		.max_sge = le32toh(body->srq.max_sge),
		.srq_limit = le32toh(body->srq.srq_limit),
	};

	/* Without XRC there is no domain to name. */
	pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->srq.pd));
	xrcd = pd ? rdma_table_get(&s->tables[RDMA_XRCD], le32toh(body->xrcd)) : NULL;
	cq = xrcd ? rdma_table_get(&s->tables[RDMA_CQ], le32toh(body->cq)) : NULL;
	if (!cq)
		return -EBADF;
	in.pd_handle = pd->host;
	in.xrcd_handle = xrcd->host;
	in.cq_handle = cq->host;
	return make(s, c, &in, (void *)c->reply);
}

static int check_change(struct rdma_slice *s, uint32_t handle,
			const struct ib_uverbs_modify_srq *in)
{
	const struct rdma_object *srq = &s->tables[RDMA_SRQ].objects[handle];
	bool resize = in->attr_mask & BYPASS_RDMA_SRQ_MAX_WR;
	int err = 0;

	if (in->attr_mask & ~(BYPASS_RDMA_SRQ_MAX_WR | BYPASS_RDMA_SRQ_LIMIT))
		return bypass_fail(EINVAL, "unknown attributes %#x of a shared receive queue",
				   in->attr_mask);
	if (resize)
		err = check_wr(s, in->max_wr, 1);
	if (!err && resize)
		err = rdma_shm_check_resize(s, RDMA_SRQ, handle, in->max_wr);
	if (!err && (in->attr_mask & BYPASS_RDMA_SRQ_LIMIT))
		err = check_limit(in->srq_limit, resize ? in->max_wr : srq->entries);
	return err;
}

/* The driver makes a new queue. What waits in the guarded way's copy of the old one goes along. */
static int resize(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob,
		  const struct ib_uverbs_modify_srq *in, const struct rdma_mapping *owner)
{
	int err;

	if (s->guarded) {
		err = rdma_guard_stop(s, RDMA_SRQ, owner->handle, in->max_wr);
		if (err)
			return err;
	}
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_MODIFY_SRQ, in, sizeof(*in), NULL, 0,
			  &blob->udata);
	if (err) {
		if (s->guarded)
			rdma_guard_go_on(s, RDMA_SRQ, owner->handle, false);
		return bypass_fail(-err, "%s refuses to resize a shared receive queue: %s",
				   s->hca.name, strerror(-err));
	}
	rdma_shm_orphan(s, RDMA_SRQ, owner->handle);
	s->tables[RDMA_SRQ].objects[owner->handle].entries = in->max_wr;
	err = rdma_blob_out(s, c, blob, owner, 0);
	if (s->guarded)
		rdma_guard_go_on(s, RDMA_SRQ, owner->handle, true);
	return err;
}

int rdma_modify_srq(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_modify_srq *body = c->body;
	struct rdma_mapping owner = {.kind = RDMA_SRQ, .handle = le32toh(body->handle)};
	struct rdma_object *srq = rdma_table_get(&s->tables[RDMA_SRQ], owner.handle);
	struct ib_uverbs_modify_srq in = {
		.attr_mask = le32toh(body->mask),
		.max_wr = le32toh(body->max_wr),
		.srq_limit = le32toh(body->srq_limit),
	};
	struct rdma_blob blob;
	int err;

	if (!srq)
		return -EBADF;
	err = check_change(s, owner.handle, &in);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (err)
		return err;
	in.srq_handle = srq->host;
	owner.ucontext = srq->ucontext;
	if (in.attr_mask & BYPASS_RDMA_SRQ_MAX_WR)
		return resize(s, c, &blob, &in, &owner);
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_MODIFY_SRQ, &in, sizeof(in), NULL, 0,
			  &blob.udata);
	if (err)
		return bypass_fail(-err, "%s refuses to modify a shared receive queue: %s",
				   s->hca.name, strerror(-err));
	return rdma_blob_out(s, c, &blob, &owner, 0);
}

int rdma_query_srq(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	struct rdma_object *srq = rdma_table_get(&s->tables[RDMA_SRQ], le32toh(body->handle));
	struct bypass_rdma_srq *reply = (void *)c->reply;
	struct ib_uverbs_query_srq in = {0};
	struct ib_uverbs_query_srq_resp out;
	int err;

	if (!srq)
		return -EBADF;
	in.srq_handle = srq->host;
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_QUERY_SRQ, &in, sizeof(in), &out, sizeof(out),
			  NULL);
	if (err)
		return bypass_fail(-err, "%s cannot query a shared receive queue: %s", s->hca.name,
				   strerror(-err));
	*reply = (struct bypass_rdma_srq){
		.handle = body->handle,
		.max_wr = htole32(out.max_wr),
		.max_sge = htole32(out.max_sge),
		.srq_limit = htole32(out.srq_limit),
	};
	return 0;
}
