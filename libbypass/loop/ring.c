// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The serving side of a loop slice. The guest can write every byte of the window
 * at any time: an entry is copied once, and only the copy is checked and used.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

void loop_raise(struct loop *loop)
{
	uint64_t one = 1;

	if (!atomic_load_explicit(&loop->connected, memory_order_acquire) ||
	    !atomic_load_explicit(&loop->bus_master, memory_order_acquire))
		return;
	/* Counted first: who has seen the interrupt must find it counted. */
	atomic_fetch_add_explicit(&loop->interrupts, 1, memory_order_relaxed);
	/* Fails only when the counter is full: then an interrupt is pending anyway. */
	if (write(loop->raise_fd, &one, sizeof(one)) != sizeof(one))
		atomic_fetch_sub_explicit(&loop->interrupts, 1, memory_order_relaxed);
}

static int64_t serve_in_data(struct loop *loop, const struct bypass_loop_entry *req)
{
	const struct bypass_loop_place *place = &req->place;

	if (req->length > loop->data_size || place->request > loop->data_size - req->length ||
	    place->room > loop->data_size || place->response > loop->data_size - place->room)
		return -EFAULT;
	return loop->config.serve(loop->config.opaque, loop->data + place->request, req->length,
				  loop->data + place->response, place->room);
}

/* NULL unless all of it is guest RAM within reach. */
static void *guest_memory(struct loop *loop, uint64_t gpa, uint64_t size)
{
	for (unsigned int i = 0; i < loop->n_ranges && loop->bus_master; i++) {
		const struct bypass_memory_range *range = &loop->ranges[i];

		if (gpa >= range->gpa && size <= range->size &&
		    gpa - range->gpa <= range->size - size)
			return (uint8_t *)range->hva + (gpa - range->gpa);
	}
	return NULL;
}

static int64_t serve_in_memory(struct loop *loop, const struct bypass_loop_entry *req)
{
	const struct bypass_loop_place *place = &req->place;
	int64_t ret = -EFAULT;
	const void *request;
	void *response;

	pthread_mutex_lock(&loop->memory_lock);
	request = guest_memory(loop, place->request, req->length);
	response = guest_memory(loop, place->response, place->room);
	if (request && response)
		ret = loop->config.serve(loop->config.opaque, request, req->length, response,
					 place->room);
	pthread_mutex_unlock(&loop->memory_lock);
	return ret;
}

static inline int64_t serve_entry(struct loop *loop, const struct bypass_loop_entry *req,
				  struct bypass_loop_entry *done)
{
	switch (req->flags & (BYPASS_LOOP_IN_DATA | BYPASS_LOOP_IN_MEMORY)) {
	case 0:
		if (req->length > BYPASS_LOOP_INLINE)
			return -EMSGSIZE;
		return loop->config.serve(loop->config.opaque, req->data, req->length, done->data,
					  BYPASS_LOOP_INLINE);
	case BYPASS_LOOP_IN_DATA:
		return serve_in_data(loop, req);
	case BYPASS_LOOP_IN_MEMORY:
		return serve_in_memory(loop, req);
	default:
		return -EINVAL;
	}
}

/* Takes request @loop->next if it is there. True with the completion published. */
static inline bool serve_next(struct loop *loop, bool *interrupt)
{
	struct bypass_loop_entry *entry = &loop->requests[loop->next & loop->mask];
	struct bypass_loop_entry done = {0}; /* the guest sees all of it: nothing of our stack */
	struct bypass_loop_entry req;
	int64_t ret;

	if (__atomic_load_n(&entry->seq, __ATOMIC_ACQUIRE) != loop->next + 1)
		return false;
	req = *entry;
	__asm__ volatile("" ::: "memory"); /* the copy is made here, and once */

	ret = serve_entry(loop, &req, &done);
	done.length = ret < 0 ? 0 : (uint32_t)ret;
	done.status = ret < 0 ? (uint16_t)-ret : 0;
	done.tag = req.tag;
	*interrupt |= req.flags & BYPASS_LOOP_INTERRUPT;

	entry = &loop->completions[loop->next & loop->mask];
	memcpy(entry, &done, offsetof(struct bypass_loop_entry, seq));
	__atomic_store_n(&entry->seq, ++loop->next, __ATOMIC_RELEASE);
	return true;
}

int loop_serve(struct loop *loop, unsigned int budget)
{
	uint32_t start = atomic_load_explicit(&loop->start, memory_order_acquire);
	bool interrupt = false;
	unsigned int n = 0;

	if (start != loop->seen)
		loop->next = loop->seen = start;
	while (n < budget && serve_next(loop, &interrupt))
		n++;
	if (interrupt)
		loop_raise(loop);
	return (int)n;
}

int bypass_loop_poll(struct bypass_slice *slice, unsigned int budget)
{
	struct loop *loop = (struct loop *)slice;

	if (loop->config.trap)
		return bypass_fail(EBUSY,
				   "%s: cannot be polled: it serves its requests in the trap; "
				   "open it without one",
				   slice->name);
	return loop_serve(loop, budget);
}
