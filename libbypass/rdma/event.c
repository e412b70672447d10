// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events on their way to the guest. The kernel keeps an event until the event is read, without
 * a limit. So all are read at once, and what the guest has no buffer for yet is kept here: one
 * bit for each CQ that has completions, one mask of event types for each object and port.
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

static const enum rdma_kind with_events[] = {RDMA_CQ, RDMA_SRQ, RDMA_QP};

/*
 * All masks in a row: those of ports by number, then those of objects by handle. @element: which
 * port or object. NULL: @at is behind the last.
 */
static uint32_t *mask_at(struct rdma_slice *s, uint32_t at, uint32_t *element)
{
	*element = at;
	if (at < RDMA_PORTS)
		return &s->port_events[at];
	at -= RDMA_PORTS;
	for (size_t k = 0; k < sizeof(with_events) / sizeof(with_events[0]); k++) {
		const struct rdma_table *table = &s->tables[with_events[k]];

		*element = at;
		if (at < table->size)
			return &table->objects[at].events;
		at -= table->size;
	}
	return NULL;
}

/* The mask that has an event of @type and of the port or object @element; NULL: it is unknown. */
static uint32_t *mask_of(struct rdma_slice *s, uint32_t type, uint32_t element)
{
	enum rdma_kind kind = RDMA_QP;
	struct rdma_object *object;

	switch (type) {
	case BYPASS_RDMA_EVENT_PORT_ACTIVE ... BYPASS_RDMA_EVENT_SM_CHANGE:
	case BYPASS_RDMA_EVENT_CLIENT_REREGISTER:
	case BYPASS_RDMA_EVENT_GID_CHANGE:
		return element < RDMA_PORTS ? &s->port_events[element] : NULL;
	case BYPASS_RDMA_EVENT_CQ_ERR:
		kind = RDMA_CQ;
		break;
	case BYPASS_RDMA_EVENT_SRQ_ERR:
	case BYPASS_RDMA_EVENT_SRQ_LIMIT_REACHED:
		kind = RDMA_SRQ;
		break;
	}
	object = rdma_table_get(&s->tables[kind], element);
	return object ? &object->events : NULL;
}

static void read_events(struct rdma_slice *s)
{
	struct ib_uverbs_async_event_desc desc;
	uint32_t *mask;

	while (s->hca_state == RDMA_HCA_WORKS &&
	       read(s->hca.async_fd, &desc, sizeof(desc)) == sizeof(desc)) {
		if (desc.event_type == BYPASS_RDMA_EVENT_DEVICE_FATAL) {
			s->hca_state = RDMA_HCA_LOST;
			return;
		}
		/* The element is the user_handle of a CQ, QP or SRQ, or else a port's number. */
		mask = desc.event_type < 32 ? mask_of(s, desc.event_type, desc.element) : NULL;
		if (mask && !(*mask & 1u << desc.event_type)) {
			*mask |= 1u << desc.event_type;
			s->events_waiting++;
		}
	}
}

/* The next event in turn, so that no object keeps another's from the guest. With one waiting. */
static uint32_t *next_event(struct rdma_slice *s, struct bypass_rdma_event *event, uint32_t *bit)
{
	uint32_t element, *mask;

	for (;; s->event_next++) {
		mask = mask_at(s, s->event_next, &element);
		if (!mask)
			s->event_next = -1; /* from the beginning */
		else if (*mask)
			break;
	}
	*bit = *mask & -*mask;
	event->type = htole32(__builtin_ctz(*bit));
	event->handle = htole32(element);
	return mask;
}

static void deliver_events(struct rdma_slice *s)
{
	struct bypass_rdma_event event;
	uint32_t *mask, bit;

	read_events(s);
	while (s->events_waiting) {
		mask = next_event(s, &event, &bit);
		if (!put_record(s, BYPASS_RDMA_QUEUE_EVENT, &event, &s->stats.events))
			return;
		*mask &= ~bit;
		s->events_waiting--;
		s->event_next++;
	}
	if (s->hca_state != RDMA_HCA_CLOSED)
		return;
	event = (struct bypass_rdma_event){.type = htole32(BYPASS_RDMA_EVENT_DEVICE_FATAL)};
	if (put_record(s, BYPASS_RDMA_QUEUE_EVENT, &event, &s->stats.events))
		s->hca_state = RDMA_HCA_TOLD;
}

void rdma_events_forget(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	struct rdma_object *object = &s->tables[kind].objects[handle];

	s->events_waiting -= __builtin_popcount(object->events);
	object->events = 0;
	for (unsigned int v = 0; kind == RDMA_CQ && v < s->options.vectors; v++) {
		struct rdma_completions *c = &s->completions[v];

		c->waiting -= c->cqs[handle];
		c->cqs[handle] = false;
	}
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
	struct rdma_completions *c = &s->completions[vector];
	struct ib_uverbs_comp_event_desc desc;
	int fd = s->channels[vector];
	bool moved, came = false;

	while (fd >= 0 && read(fd, &desc, sizeof(desc)) == sizeof(desc)) {
		came = true;
		if (!rdma_table_get(&s->tables[RDMA_CQ], desc.cq_handle))
			continue;
		if (s->guarded && !rdma_guard_notified(s, desc.cq_handle))
			continue;
		c->waiting += !c->cqs[desc.cq_handle];
		c->cqs[desc.cq_handle] = true;
	}
	if (s->guarded && came)
		rdma_guard_move(s, &moved);
}

void rdma_completions_deliver(struct rdma_slice *s, unsigned int vector)
{
	struct rdma_completions *c = &s->completions[vector];
	struct bypass_rdma_completion completion = {0};

	read_completions(s, vector);
	while (c->waiting) {
		while (!c->cqs[c->next])
			c->next = (c->next + 1) % s->tables[RDMA_CQ].size;
		completion.cq = htole32(c->next);
		if (!put_record(s, BYPASS_RDMA_QUEUE_VECTOR + vector, &completion,
				&s->stats.completions))
			return;
		c->cqs[c->next] = false;
		c->waiting--;
	}
}
