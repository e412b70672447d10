// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Registrations of guest memory.
 *
 * The guest names runs of its pages. The slice maps the runs side by side (pin.c), or gathers the runs
 * in a dma-buf (dmabuf.c), registers that span, and takes the span down again. From then on the HCA's
 * driver pins the pages, and the HCA finds the pages under the guest's own virtual addresses (iova).
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "dialect/flush.h"
#include "internal.h"

#define ACCESS                                                                                     \
	(IB_UVERBS_ACCESS_LOCAL_WRITE | IB_UVERBS_ACCESS_REMOTE_WRITE |                            \
	 IB_UVERBS_ACCESS_REMOTE_READ | IB_UVERBS_ACCESS_REMOTE_ATOMIC |                           \
	 IB_UVERBS_ACCESS_MW_BIND | RDMA_ACCESS_FLUSH_GLOBAL | RDMA_ACCESS_FLUSH_PERSISTENT |      \
	 IB_UVERBS_ACCESS_OPTIONAL_RANGE)

/* Access rights that need local write access as well. */
#define ACCESS_WRITE (IB_UVERBS_ACCESS_REMOTE_WRITE | IB_UVERBS_ACCESS_REMOTE_ATOMIC)

#define REREG (BYPASS_RDMA_REREG_TRANS | BYPASS_RDMA_REREG_PD | BYPASS_RDMA_REREG_ACCESS)

/* What the process cannot map side by side, a dma-buf may take. */
static int lay_out(struct rdma_slice *s, struct rdma_span *span, uint64_t iova)
{
	int err = rdma_span_lay_out(span, iova);

	if ((err == -EINVAL || err == -E2BIG) && s->udmabuf.fd >= 0)
		err = rdma_span_gather(&s->udmabuf, span);
	return err;
}

/*
 * Prepare what @reg describes. @now: bytes that the new registration replaces. Returns with pin_lock
 * held, also on failure: the guest's pages must stay until the driver has pinned the pages.
 */
static int prepare(struct rdma_slice *s, const struct rdma_command *c,
		   const struct bypass_rdma_reg_mr *reg, uint64_t now, struct rdma_span *span,
		   uint64_t *iova, uint64_t *length)
{
	uint32_t flags = le32toh(reg->flags);
	uint64_t first, end, want;
	int err;

	rdma_span_init(span);
	span->gather = s->udmabuf.runs;
	*iova = le64toh(reg->iova);
	*length = le64toh(reg->length);
	pthread_mutex_lock(&s->pin_lock);
	if (flags == BYPASS_RDMA_MR_ALL_RAM) {
		if (!(s->features & 1ull << BYPASS_RDMA_F_ALL_RAM))
			return bypass_fail(EPERM, "the slice may not register all RAM at once "
						  "(all-ram)");
		if (*iova || *length || reg->run_pages || reg->last_runs || c->tail_size)
			return bypass_fail(EPROTO, "a registration of all RAM must name no address "
						   "and no length");
		err = rdma_span_add_ram(s, span, iova);
		*length = span->size;
		if (!err)
			err = rdma_quota_check(s, now, span->size);
	} else {
		first = *iova & -(uint64_t)RDMA_PAGE;
		end = (*iova + *length + RDMA_PAGE - 1) & -(uint64_t)RDMA_PAGE;
		want = end - first;
		if (flags || !*length || end <= first || *length > want)
			return bypass_fail(EINVAL,
					   "%#llx + %#llx with flags %#x is no range that can be "
					   "registered",
					   (unsigned long long)*iova, (unsigned long long)*length,
					   flags);
		err = rdma_quota_check(s, now, want);
		if (!err)
			err = rdma_span_read_runs(s, span, c, le32toh(reg->run_pages),
						  le32toh(reg->last_runs), want);
	}
	return err ? err : lay_out(s, span, *iova);
}

static int explain(struct rdma_slice *s, int err, uint64_t size)
{
	struct rlimit limit;

	if (err == -ENOMEM && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return bypass_fail(ENOMEM,
				   "%s cannot pin %llu bytes of guest memory on top of %llu: the "
				   "process "
				   "may lock %llu (ulimit -l); raise that",
				   s->hca.name, (unsigned long long)size,
				   (unsigned long long)s->pinned,
				   (unsigned long long)limit.rlim_cur);
	return bypass_fail(-err, "%s cannot register %llu bytes of guest memory: %s", s->hca.name,
			   (unsigned long long)size, strerror(-err));
}

static int check_access(uint32_t access)
{
	if (access & ~ACCESS)
		return bypass_fail(EOPNOTSUPP, "access flags %#x cannot be had through a slice",
				   access & ~ACCESS);
	if ((access & ACCESS_WRITE) && !(access & IB_UVERBS_ACCESS_LOCAL_WRITE))
		return bypass_fail(EINVAL,
				   "access flags %#x: remote write and atomic access need local "
				   "write access",
				   access);
	return 0;
}

static int register_span(struct rdma_slice *s, const struct rdma_span *span, struct rdma_blob *blob,
			 struct ib_uverbs_reg_mr *in, struct ib_uverbs_reg_mr_resp *out)
{
	if (span->dmabuf_fd >= 0)
		return rdma_dmabuf_reg(&s->hca, span, in, out);
	in->start = (uintptr_t)span->hva + in->hca_va % RDMA_PAGE;
	return rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_REG_MR, in, sizeof(*in), out, sizeof(*out),
			   &blob->udata);
}

int rdma_reg_mr(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_reg_mr *reg = c->body;
	struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(reg->pd));
	struct ib_uverbs_reg_mr in = {.access_flags = le32toh(reg->access)};
	struct ib_uverbs_reg_mr_resp out;
	struct bypass_rdma_mr *reply = (void *)c->reply;
	struct rdma_blob blob;
	struct rdma_span span;
	uint64_t iova, length;
	uint32_t handle;
	bool gathered;
	int err;

	if (!pd)
		return -EBADF;
	err = check_access(le32toh(reg->access));
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_MR], c->ucontext, &handle);
	if (err)
		return err;

	err = prepare(s, c, reg, 0, &span, &iova, &length);
	if (!err) {
		in.length = length;
		in.hca_va = iova;
		in.pd_handle = pd->host;
		err = register_span(s, &span, &blob, &in, &out);
		if (err)
			err = explain(s, err, span.size);
	}
	pthread_mutex_unlock(&s->pin_lock);
	gathered = span.dmabuf_fd >= 0;
	rdma_span_take_down(&span);
	if (err) {
		rdma_table_put(&s->tables[RDMA_MR], handle);
		return err;
	}
	s->tables[RDMA_MR].objects[handle].host = out.mr_handle;
	s->tables[RDMA_MR].objects[handle].dmabuf = gathered;
	rdma_quota_set(s, &s->tables[RDMA_MR].objects[handle], span.size);
	rdma_count(&s->stats.objects, 1);
	*reply = (struct bypass_rdma_mr){
		.handle = htole32(handle),
		.lkey = htole32(out.lkey),
		.rkey = htole32(out.rkey),
	};
	return 0;
}

/* The kernel re-registers mappings only. */
static int fail_gathered(void)
{
	return bypass_fail(EOPNOTSUPP, "a region that a dma-buf holds cannot be changed: register "
				       "the "
				       "buffer anew");
}

int rdma_rereg_mr(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_rereg_mr *body = c->body;
	uint32_t handle = le32toh(body->handle), flags = le32toh(body->flags);
	struct rdma_object *mr = rdma_table_get(&s->tables[RDMA_MR], handle);
	struct ib_uverbs_rereg_mr in = {.flags = flags};
	struct ib_uverbs_rereg_mr_resp out;
	struct bypass_rdma_mr *reply = (void *)c->reply;
	struct rdma_span span;
	struct rdma_object *pd;
	struct rdma_blob blob;
	uint64_t iova = 0, length = 0;
	int err;

	if (!mr)
		return -EBADF;
	rdma_span_init(&span);
	if (!flags || flags & ~REREG)
		return bypass_fail(EOPNOTSUPP, "a region cannot be changed with flags %#x", flags);
	if (mr->dmabuf)
		return fail_gathered();
	if (flags & BYPASS_RDMA_REREG_ACCESS) {
		err = check_access(le32toh(body->reg.access));
		if (err)
			return err;
	}
	err = rdma_blob_in(s, c, &blob);
	if (err)
		return err;
	in.mr_handle = mr->host;
	if (flags & BYPASS_RDMA_REREG_PD) {
		pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->reg.pd));
		if (!pd)
			return -EBADF;
		in.pd_handle = pd->host;
	}
	if (flags & BYPASS_RDMA_REREG_ACCESS)
		in.access_flags = le32toh(body->reg.access);
	if (flags & BYPASS_RDMA_REREG_TRANS) {
		err = prepare(s, c, &body->reg, mr->pinned, &span, &iova, &length);
		if (!err && span.dmabuf_fd >= 0)
			err = fail_gathered();
		in.start = (uintptr_t)span.hva + iova % RDMA_PAGE;
		in.length = length;
		in.hca_va = iova;
	} else {
		pthread_mutex_lock(&s->pin_lock);
	}
	if (!err) {
		err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_REREG_MR, &in, sizeof(in), &out,
				  sizeof(out), &blob.udata);
		if (err)
			err = explain(s, err, span.size);
	}
	pthread_mutex_unlock(&s->pin_lock);
	rdma_span_take_down(&span);
	if (err)
		return err;
	if (flags & BYPASS_RDMA_REREG_TRANS)
		rdma_quota_set(s, mr, span.size);
	*reply = (struct bypass_rdma_mr){
		.handle = htole32(handle),
		.lkey = htole32(out.lkey),
		.rkey = htole32(out.rkey),
	};
	return 0;
}
