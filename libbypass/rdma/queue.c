// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queues that are memory of the guest's process. The guest names the pages of a queue as those of a
 * registration, and the page of the queue's doorbell record. The HCA's driver pins both while it
 * creates the queue.
 *
 * The driver of mlx5 remembers the address of a doorbell record's page, and takes another record at
 * this address for one of the same page. The address therefore is that of the page in guest RAM,
 * which is the same for as long as the guest has the page.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "internal.h"

/* What follows the blob. Behind that only the list of runs is left of the tail. */
static int read_description(struct rdma_command *c, const struct rdma_user_queue *user,
			    struct bypass_rdma_queue_memory *memory)
{
	if (c->tail_size < sizeof(*memory))
		return bypass_fail(EPROTO, "command %u does not say where its queue lies", c->code);
	memcpy(memory, c->tail, sizeof(*memory));
	c->tail += sizeof(*memory);
	c->tail_size -= sizeof(*memory);
	if (le64toh(memory->size) != user->size)
		return bypass_fail(EPROTO, "a queue of %llu bytes is described as one of %llu",
				   (unsigned long long)user->size,
				   (unsigned long long)le64toh(memory->size));
	if (!user->size && (memory->run_pages || memory->last_runs || c->tail_size))
		return bypass_fail(EPROTO, "a list of runs for a queue that has no bytes");
	if (!user->has_record && memory->record)
		return bypass_fail(EPROTO, "a doorbell record that command %u has not", c->code);
	return 0;
}

/* Whole pages under @size bytes at @address, or 0 for what no process can have. */
static uint64_t count_pages(uint64_t address, uint64_t size)
{
	uint64_t first = address & -(uint64_t)RDMA_PAGE, end;

	if (__builtin_add_overflow(address, size + RDMA_PAGE - 1, &end))
		return 0;
	end &= -(uint64_t)RDMA_PAGE;
	return end - first;
}

static int find_record(struct rdma_slice *s, const struct rdma_user_queue *user, uint64_t page,
		       uint64_t *address)
{
	char *hva;

	*address = 0;
	if (!user->has_record)
		return 0;
	hva = page % RDMA_PAGE ? NULL : bypass_memory_hva(s->memory, page, RDMA_PAGE);
	if (!hva)
		return bypass_fail(EFAULT,
				   "the doorbell record's page %#llx is no page of guest RAM",
				   (unsigned long long)page);
	*address = (uintptr_t)hva + user->record % RDMA_PAGE;
	return 0;
}

static int lay_buffer(struct rdma_slice *s, struct rdma_command *c,
		      const struct rdma_user_queue *user,
		      const struct bypass_rdma_queue_memory *memory, uint64_t want,
		      struct rdma_span *span, uint64_t *address)
{
	int err;

	*address = 0;
	if (!user->size)
		return 0;
	err = rdma_span_read_runs(s, span, c, le32toh(memory->run_pages),
				  le32toh(memory->last_runs), want);
	if (!err)
		err = rdma_span_lay_out(span, user->buffer);
	if (!err)
		*address = (uintptr_t)span->hva + user->buffer % RDMA_PAGE;
	return err;
}

/* While the driver pins the memory. */
struct laid_queue {
	struct rdma_span span;
	uint64_t pinned;
	bool locked;
};

static int lay_queue(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob,
		     const struct rdma_queue_shape *shape, uint64_t now, struct laid_queue *queue)
{
	const struct rdma_user_queues *dialect = s->dialect->user_queues;
	const struct rdma_object *ucontext;
	struct bypass_rdma_queue_memory memory;
	struct rdma_host_queue host;
	struct rdma_user_queue user;
	uint64_t want;
	int err;

	if (!dialect || !blob->rule)
		return 0;
	ucontext = rdma_table_get(&s->tables[RDMA_UCONTEXT], c->ucontext);
	if (!ucontext)
		return -EBADF;
	host.page_id = ucontext->page_id;
	err = dialect->find(c->code, blob->in, shape, &user);
	if (!err)
		err = read_description(c, &user, &memory);
	if (err)
		return err;
	want = count_pages(user.buffer, user.size);
	if (user.size && !want)
		return bypass_fail(EINVAL, "a queue of %llu bytes at %#llx",
				   (unsigned long long)user.size, (unsigned long long)user.buffer);
	/* A queue that takes the place of another one keeps that one's doorbell record. */
	queue->pinned = want + (user.has_record || now ? RDMA_PAGE : 0);
	err = rdma_quota_check(s, now, queue->pinned);
	if (err)
		return err;

	pthread_mutex_lock(&s->pin_lock);
	queue->locked = true;
	err = find_record(s, &user, le64toh(memory.record), &host.record);
	if (!err)
		err = lay_buffer(s, c, &user, &memory, want, &queue->span, &host.buffer);
	if (!err)
		dialect->place(c->code, blob->in, &host);
	return err;
}

int rdma_queue_make(struct rdma_slice *s, struct rdma_command *c, struct rdma_blob *blob,
		    const struct rdma_queue_call *call, uint64_t *pinned)
{
	struct laid_queue queue = {.locked = false};
	int err;

	rdma_span_init(&queue.span);
	err = lay_queue(s, c, blob, &call->shape, call->now, &queue);
	if (!err) {
		err = rdma_uverbs(&s->hca, call->uverbs, call->in, call->in_size, call->out,
				  call->out_size, &blob->udata);
		if (err)
			bypass_fail(-err, "%s refuses %s of %u entries: %s", s->hca.name,
				    call->what, call->shape.entries, strerror(-err));
	}
	if (queue.locked)
		pthread_mutex_unlock(&s->pin_lock);
	rdma_span_take_down(&queue.span);
	*pinned = queue.pinned;
	return err;
}
