// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events on their way to the guest. The kernel keeps them until they are read, and they
 * are read only when the guest has a buffer for them: there is no queue in between.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

/*
 * Fill one buffer of a queue with the result of @next, which returns false when there is
 * nothing more. Returns false when it was so, or the guest has no buffer.
 */
static bool fill_one(struct rdma_slice *s, unsigned int queue, size_t size,
		     bool (*next)(struct rdma_slice *s, unsigned int queue, void *record))
{
	struct bypass_virtqueue *vq = &s->queues[queue];
	struct bypass_chain chain;
	uint64_t record = 0;
	bool filled = false;
	int n;

	_Static_assert(sizeof(struct bypass_rdma_event) == sizeof(record) &&
			       sizeof(struct bypass_rdma_completion) == sizeof(record),
		       "records are 8 bytes");
	if (!bypass_virtqueue_started(vq) || vq->broken)
		return false;
	pthread_rwlock_rdlock(&s->memory_lock);
	n = bypass_virtqueue_pop(vq, s->memory, &chain);
	if (n == 1 && !next(s, queue, &record)) {
		/* Nothing to put into it: it was not taken. */
		vq->queue.next--;
	} else if (n == 1) {
		filled = true;
		n = bypass_chain_write(&chain, s->memory, 0, &record, size);
		if (!n)
			n = bypass_virtqueue_push(vq, s->memory, &chain, size);
		bypass_virtqueue_signal(vq, s->memory);
	}
	pthread_rwlock_unlock(&s->memory_lock);
	if (n < 0) {
		vq->broken = true;
		bypass_log(BYPASS_LOG_WARN, "%s: %s; the guest gets no more events on queue %u",
			   s->dev.name, bypass_error(), queue);
	}
	return filled;
}

static bool next_event(struct rdma_slice *s, unsigned int queue, void *record)
{
	struct bypass_rdma_event *event = record;
	struct ib_uverbs_async_event_desc desc = {.event_type = BYPASS_RDMA_EVENT_DEVICE_FATAL};

	(void)queue;
	if (!s->lost && read(s->hca.async_fd, &desc, sizeof(desc)) != sizeof(desc))
		return false;
	if (desc.event_type == BYPASS_RDMA_EVENT_DEVICE_FATAL) {
		s->lost = true;
		if (!s->given_up || s->lost_told)
			return false;
		s->lost_told = true;
	}
	/* The element is the user_handle of a CQ, QP or SRQ, or else a port's number. */
	event->type = htole32(desc.event_type);
	event->handle = htole32(desc.element);
	rdma_count(&s->stats.events, 1);
	return true;
}

static bool next_completion(struct rdma_slice *s, unsigned int queue, void *record)
{
	struct bypass_rdma_completion *completion = record;
	struct ib_uverbs_comp_event_desc desc;
	int fd = s->channels[queue - BYPASS_RDMA_QUEUE_VECTOR];

	if (fd < 0 || read(fd, &desc, sizeof(desc)) != sizeof(desc))
		return false;
	completion->cq = htole32(desc.cq_handle);
	rdma_count(&s->stats.completions, 1);
	return true;
}

/*
 * A driver that cannot take its HCA away from under an open file (rxe) waits until the
 * file is closed and its pages are unmapped.
 */
static void give_up(struct rdma_slice *s)
{
	s->given_up = true;
	rdma_doorbell_stop(s);
	rdma_objects_destroy(s, RDMA_ALL);
	for (unsigned int v = 0; v < s->options.vectors; v++) {
		close(s->channels[v]);
		s->channels[v] = -1;
	}
	rdma_hca_close(&s->hca);
	bypass_log(BYPASS_LOG_WARN, "%s: the HCA was removed", s->dev.name);
	s->lost_event = true;
	eventfd_write(s->lost_fd, 1);
}

void rdma_lost(struct rdma_slice *s)
{
	s->lost = true;
	rdma_events_deliver(s);
}

static void deliver_events(struct rdma_slice *s)
{
	while (fill_one(s, BYPASS_RDMA_QUEUE_EVENT, sizeof(struct bypass_rdma_event), next_event))
		;
}

/*
 * The guest hears of a lost HCA last, when its shared memory region is empty: it answers with a reset, and
 * QEMU 11.1 dies of a request about the region that it finds after one.
 */
void rdma_events_deliver(struct rdma_slice *s)
{
	deliver_events(s);
	if (s->lost && !s->given_up) {
		give_up(s);
		deliver_events(s);
	}
}

void rdma_completions_deliver(struct rdma_slice *s, unsigned int vector)
{
	while (fill_one(s, BYPASS_RDMA_QUEUE_VECTOR + vector, sizeof(struct bypass_rdma_completion),
			next_completion))
		;
}
