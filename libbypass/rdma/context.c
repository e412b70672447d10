// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Contexts: one for each process of the guest, the owner of all that the process creates. All share
 * the host's one context, so that a driver never sees the command. Where the HCA has doorbell
 * pages, each process gets a page of its own.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

/* Take a doorbell page from the HCA, and show the page in the shared memory region. */
static int take_page(struct rdma_slice *s, const struct rdma_mapping *owner,
		     struct rdma_doorbell_page *page, uint64_t *shm_offset)
{
	int err = s->dialect->user_queues->page_take(s->hca.cmd_fd, page);

	if (err)
		return bypass_fail(-err, "%s has no doorbell page for another process: %s",
				   s->hca.name, strerror(-err));
	err = rdma_shm_map(s, s->hca.cmd_fd, page->offset, RDMA_PAGE, owner, shm_offset);
	if (err)
		s->dialect->user_queues->page_give(s->hca.cmd_fd, page->handle);
	return err;
}

/* The page that the region has for this context. */
static int assign_page(struct rdma_slice *s, const struct rdma_mapping *owner,
		       struct rdma_doorbell_page *page, uint64_t *shm_offset)
{
	*page = s->pages.page[owner->handle];
	*shm_offset = (uint64_t)owner->handle * RDMA_PAGE;
	return rdma_shm_assign(s, *shm_offset, RDMA_PAGE, owner);
}

static int add_page(struct rdma_slice *s, struct rdma_command *c, uint32_t handle)
{
	struct rdma_object *ucontext = &s->tables[RDMA_UCONTEXT].objects[handle];
	const struct rdma_mapping owner = {
		.ucontext = handle, .kind = RDMA_UCONTEXT, .handle = handle};
	struct rdma_doorbell_page page = {0};
	uint64_t shm_offset;
	uint32_t flags;
	int err;

	err = s->pages.n ? assign_page(s, &owner, &page, &shm_offset)
			 : take_page(s, &owner, &page, &shm_offset);
	if (err)
		return err;
	ucontext->host = page.handle;
	ucontext->page_id = page.page_id;
	flags = BYPASS_RDMA_MMAP_WRITE |
		(page.combining ? BYPASS_RDMA_MMAP_WC : BYPASS_RDMA_MMAP_UC);
	c->mmaps[0] = (struct bypass_rdma_mmap){
		.shm_offset = htole64(shm_offset),
		.size = htole64(RDMA_PAGE),
		.flags = htole32(flags),
	};
	c->n_mmaps = 1;
	return 0;
}

int rdma_alloc_ucontext(struct rdma_slice *s, struct rdma_command *c)
{
	const struct rdma_user_queues *dialect = s->dialect->user_queues;
	struct bypass_rdma_handle *reply = (void *)c->reply;
	bool clock = rdma_clock_shown(s);
	struct rdma_blob blob;
	uint32_t handle;
	int err;

	err = rdma_blob_in(s, c, &blob);
	if (!err && dialect)
		err = dialect->open(s->hca.cmd_fd, blob.in, c->udata_out, &clock);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_UCONTEXT], BYPASS_RDMA_NONE, &handle);
	if (err)
		return err;
	if (dialect)
		err = add_page(s, c, handle);
	if (err) {
		rdma_table_put(&s->tables[RDMA_UCONTEXT], handle);
		return err;
	}
	if (dialect && clock)
		rdma_clock_offer(s, c);
	c->udata_out_size = blob.udata.out_size;
	rdma_count(&s->stats.objects, 1);
	reply->handle = htole32(handle);
	return 0;
}

/* All that the context owned is gone, as far as the host let go of it. */
void rdma_ucontext_end(struct rdma_slice *s, uint32_t handle)
{
	uint32_t page = s->tables[RDMA_UCONTEXT].objects[handle].host;
	int err = 0;

	if (s->dialect->user_queues && !s->pages.n)
		err = s->dialect->user_queues->page_give(s->hca.cmd_fd, page);
	if (err && s->hca_state == RDMA_HCA_WORKS)
		rdma_remark(s, "%s keeps a doorbell page of a process: %s", s->hca.name,
			    strerror(-err));
	rdma_table_put(&s->tables[RDMA_UCONTEXT], handle);
	rdma_count(&s->stats.objects, -1);
}

int rdma_dealloc_ucontext(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	uint32_t handle = le32toh(body->handle);

	if (!rdma_table_get(&s->tables[RDMA_UCONTEXT], handle))
		return -EBADF;
	rdma_objects_destroy(s, handle);
	rdma_ucontext_end(s, handle);
	return 0;
}
