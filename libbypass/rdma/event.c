// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events on their way to the guest. The kernel keeps an event until the event is read, without
 * a limit. So this file reads all events at once. pending.c keeps those for which the guest has
 * no buffer yet.
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
 * Put a record into the guest's next buffer of a queue. False: there is none. @counter: counts the
 * record before the guest can see the record.
 */
static bool put_record(struct rdma_slice *s, unsigned int queue, const void *record,
		       _Atomic uint64_t *counter)
{
	struct bypass_virtqueue *vq = &s->queues[queue];
	const size_t size = sizeof(struct bypass_rdma_event);
	struct bypass_chain chain;
	int n, err = 0;

	_Static_assert(sizeof(struct bypass_rdma_completion) == sizeof(struct bypass_rdma_event),
		       "records have one size");
	if (!bypass_virtqueue_started(vq) || vq->broken)
		return false;
	pthread_rwlock_rdlock(&s->memory_lock);
	n = bypass_virtqueue_pop(vq, s->memory, &chain);
	if (n == 1) {
		rdma_count(counter, 1);
		err = bypass_chain_write(&chain, s->memory, 0, record, size);
		if (!err)
			err = bypass_virtqueue_push(vq, s->memory, &chain, size);
		bypass_virtqueue_signal(vq, s->memory);
	}
	pthread_rwlock_unlock(&s->memory_lock);
	if (n < 0 || err) {
		vq->broken = true;
		rdma_remark(s, "%s; the guest gets no more events on queue %u", bypass_error(),
			    queue);
	}
	return n == 1;
}

void rdma_events_read(struct rdma_slice *s)
{
	struct ib_uverbs_async_event_desc desc;

	while (s->hca_state == RDMA_HCA_WORKS &&
	       read(s->hca.async_fd, &desc, sizeof(desc)) == sizeof(desc)) {
		if (desc.event_type == BYPASS_RDMA_EVENT_DEVICE_FATAL) {
			s->hca_state = RDMA_HCA_LOST;
			return;
		}
		/* The element is the user_handle of a CQ, QP or SRQ, or else a port's number. */
		rdma_pending_event(s, desc.event_type, desc.element);
	}
}

static void deliver_events(struct rdma_slice *s)
{
	struct bypass_rdma_event event;
	uint32_t type, element;

	rdma_events_read(s);
	while (rdma_pending_next_event(s, &type, &element)) {
		event.type = htole32(type);
		event.handle = htole32(element);
		if (!put_record(s, BYPASS_RDMA_QUEUE_EVENT, &event, &s->stats.events))
			return;
		rdma_pending_event_done(s);
	}
	if (s->hca_state != RDMA_HCA_CLOSED)
		return;
	event = (struct bypass_rdma_event){.type = htole32(BYPASS_RDMA_EVENT_DEVICE_FATAL)};
	if (put_record(s, BYPASS_RDMA_QUEUE_EVENT, &event, &s->stats.events))
		s->hca_state = RDMA_HCA_TOLD;
}

/*
 * A driver that cannot take its HCA away from under an open file (rxe) waits until the
 * file is closed and its pages are unmapped.
 */
static void give_up(struct rdma_slice *s)
{
	s->hca_state = RDMA_HCA_CLOSED;
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
	s->hca_state = RDMA_HCA_LOST;
	rdma_events_deliver(s);
}

/*
 * The guest hears of a lost HCA last, when its shared memory region is empty: it answers with a reset, and
 * QEMU 11.1 dies of a request about the region that it finds after one.
 */
void rdma_events_deliver(struct rdma_slice *s)
{
	deliver_events(s);
	if (s->hca_state == RDMA_HCA_LOST) {
		give_up(s);
		deliver_events(s);
	}
}

static void read_completions(struct rdma_slice *s, unsigned int vector)
{
	struct ib_uverbs_comp_event_desc desc;
	int fd = s->channels[vector];
	bool moved, came = false;

	while (fd >= 0 && read(fd, &desc, sizeof(desc)) == sizeof(desc)) {
		came = true;
		if (!rdma_table_get(&s->tables[RDMA_CQ], desc.cq_handle))
			continue;
		if (s->guarded && !rdma_guard_notified(s, desc.cq_handle))
			continue;
		rdma_pending_completion(s, vector, desc.cq_handle);
	}
	if (s->guarded && came)
		rdma_guard_move(s, &moved);
}

void rdma_completions_deliver(struct rdma_slice *s, unsigned int vector)
{
	struct bypass_rdma_completion completion = {0};
	uint32_t cq;

	read_completions(s, vector);
	while (rdma_pending_next_completion(s, vector, &cq)) {
		completion.cq = htole32(cq);
		if (!put_record(s, BYPASS_RDMA_QUEUE_VECTOR + vector, &completion,
				&s->stats.completions))
			return;
		rdma_pending_completion_done(s, vector);
	}
}
