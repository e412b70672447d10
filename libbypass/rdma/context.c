// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Contexts: one for each process of the guest, the owner of all that the process creates. All share
 * the host's one context, so that a driver never sees the command, and no dialect has a blob for it.
 */
#include <errno.h>

#include "internal.h"

int rdma_alloc_ucontext(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_handle *reply = (void *)c->reply;
	uint32_t handle;
	int err;

	err = rdma_blob_none(s, c);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_UCONTEXT], BYPASS_RDMA_NONE, &handle);
	if (err)
		return err;
	rdma_count(&s->stats.objects, 1);
	reply->handle = htole32(handle);
	return 0;
}

int rdma_dealloc_ucontext(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	uint32_t handle = le32toh(body->handle);

	if (!rdma_table_get(&s->tables[RDMA_UCONTEXT], handle))
		return -EBADF;
	rdma_objects_destroy(s, handle);
	rdma_table_put(&s->tables[RDMA_UCONTEXT], handle);
	rdma_count(&s->stats.objects, -1);
	return 0;
}
