// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Completion queues. The slice creates a queue by uverbs and not by libibverbs: libibverbs would
 * map the queue, and the guest must be the one that maps the queue.
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

static int check_cqe(struct rdma_slice *s, uint32_t cqe)
{
	uint32_t max = le32toh(s->limits.max_cqe);

	if (!cqe || cqe > max)
		return bypass_fail(EINVAL,
				   "a completion queue has 1 to %u entries, not %u (depth=)", max,
				   cqe);
	return 0;
}

int rdma_create_cq(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_create_cq *body = c->body;
	struct bypass_rdma_cq *reply = (void *)c->reply;
	struct rdma_mapping owner = {.ucontext = c->ucontext, .kind = RDMA_CQ};
	uint32_t vector = le32toh(body->vector);
	struct ib_uverbs_create_cq in = {.cqe = le32toh(body->cqe)};
	struct ib_uverbs_create_cq_resp out;
	const struct rdma_queue_call call = {
		.what = "a completion queue",
		.uverbs = IB_USER_VERBS_CMD_CREATE_CQ,
		.in = &in,
		.in_size = sizeof(in),
		.out = &out,
		.out_size = sizeof(out),
		.shape = {.entries = in.cqe},
	};
	struct rdma_blob blob;
	uint64_t pinned;
	int err;

	if (vector >= s->options.vectors)
		return bypass_fail(EINVAL,
				   "the slice has no completion vector %u, only %u (vectors=)",
				   vector, s->options.vectors);
	if (le32toh(body->flags) & ~s->dialect->cq_flags)
		return bypass_fail(EOPNOTSUPP, "flags %#x of a completion queue cannot be had",
				   le32toh(body->flags));
	err = check_cqe(s, in.cqe);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_CQ], c->ucontext, &owner.handle);
	if (err)
		return err;

	in.user_handle = owner.handle;
	in.comp_vector = vector % s->hca.vectors;
	in.comp_channel = s->channels[vector];
	err = rdma_queue_make(s, c, &blob, &call, &pinned);
	if (err) {
		rdma_table_put(&s->tables[RDMA_CQ], owner.handle);
		return err;
	}
	rdma_quota_set(s, &s->tables[RDMA_CQ].objects[owner.handle], pinned);
	rdma_count(&s->stats.objects, 1);
	s->tables[RDMA_CQ].objects[owner.handle].host = out.cq_handle;
	s->tables[RDMA_CQ].objects[owner.handle].entries = out.cqe;
	err = rdma_blob_out(s, c, &blob, &owner, 0);
	if (err) {
		rdma_object_undo(s, RDMA_CQ, owner.handle);
		return err;
	}
	atomic_store(&s->cq_hosts[owner.handle], out.cq_handle + 1);
	reply->handle = htole32(owner.handle);
	reply->cqe = htole32(out.cqe);
	return 0;
}

int rdma_resize_cq(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_resize_cq *body = c->body;
	struct bypass_rdma_cq *reply = (void *)c->reply;
	struct rdma_mapping owner = {.kind = RDMA_CQ, .handle = le32toh(body->handle)};
	struct rdma_object *cq = rdma_table_get(&s->tables[RDMA_CQ], owner.handle);
	struct ib_uverbs_resize_cq in = {.cqe = le32toh(body->cqe)};
	struct ib_uverbs_resize_cq_resp out;
	const struct rdma_queue_call call = {
		.what = "to resize a completion queue to one",
		.uverbs = IB_USER_VERBS_CMD_RESIZE_CQ,
		.in = &in,
		.in_size = sizeof(in),
		.out = &out,
		.out_size = sizeof(out),
		.shape = {.entries = in.cqe},
		.now = cq ? cq->pinned : 0,
	};
	struct rdma_blob blob;
	uint64_t pinned;
	int err;

	if (!cq)
		return -EBADF;
	err = check_cqe(s, in.cqe);
	if (!err)
		err = rdma_shm_check_resize(s, RDMA_CQ, owner.handle, in.cqe);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (err)
		return err;
	in.cq_handle = cq->host;
	if (s->guarded)
		err = rdma_guard_stop(s, RDMA_CQ, owner.handle, in.cqe);
	if (err)
		return err;
	err = rdma_queue_make(s, c, &blob, &call, &pinned);
	if (err && s->guarded)
		rdma_guard_go_on(s, RDMA_CQ, owner.handle, false);
	if (err)
		return err;
	rdma_quota_set(s, cq, pinned);
	rdma_shm_orphan(s, RDMA_CQ, owner.handle);
	cq->entries = out.cqe;
	owner.ucontext = cq->ucontext;
	err = rdma_blob_out(s, c, &blob, &owner, 0);
	if (s->guarded)
		rdma_guard_go_on(s, RDMA_CQ, owner.handle, true);
	if (err)
		return err;
	reply->handle = htole32(owner.handle);
	reply->cqe = htole32(out.cqe);
	return 0;
}
