// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the guest has not heard of yet: one mask of event types for each port and object, one bit
 * for each CQ that has completions. The space does not grow, however much the HCA reports.
 */
#include "internal.h"

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

/* The mask for events of @type of the port or object @element; NULL: there is none. */
static uint32_t *mask_of(struct rdma_slice *s, uint32_t type, uint32_t element)
{
	enum rdma_kind kind = RDMA_QP;
	struct rdma_object *object;

	switch (type) {
	case BYPASS_RDMA_EVENT_PORT_ACTIVE ... BYPASS_RDMA_EVENT_SM_CHANGE:
	case BYPASS_RDMA_EVENT_CLIENT_REREGISTER:
	case BYPASS_RDMA_EVENT_GID_CHANGE:
		return element < RDMA_PORTS ? &s->port_events[element] : NULL;
	case BYPASS_RDMA_EVENT_CM:
		return &s->port_events[0];
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

/*
 * A queue pair in ERR takes its last work request from an SRQ once, and says so once. rxe says so again
 * with each packet that arrives afterwards, and programs with UCX end on the second event. True: this is
 * the first one, and the queue pair remembers that it has come.
 */
static bool first_last_wqe(struct rdma_slice *s, uint32_t handle)
{
	struct rdma_object *qp = rdma_table_get(&s->tables[RDMA_QP], handle);
	bool first = qp && !qp->last_wqe;

	if (qp)
		qp->last_wqe = true;
	return first;
}

void rdma_pending_event(struct rdma_slice *s, uint32_t type, uint32_t element)
{
	uint32_t *mask = type < 32 ? mask_of(s, type, element) : NULL;

	if (!mask || (*mask & 1u << type))
		return;
	if (type == BYPASS_RDMA_EVENT_QP_LAST_WQE_REACHED && !first_last_wqe(s, element))
		return;
	*mask |= 1u << type;
	s->events_waiting++;
}

bool rdma_pending_next_event(struct rdma_slice *s, uint32_t *type, uint32_t *element)
{
	uint32_t *mask;

	if (!s->events_waiting)
		return false;
	for (;; s->event_next++) {
		mask = mask_at(s, s->event_next, element);
		if (!mask)
			s->event_next = -1; /* from the beginning */
		else if (*mask)
			break;
	}
	*type = __builtin_ctz(*mask);
	return true;
}

void rdma_pending_event_done(struct rdma_slice *s)
{
	uint32_t element, *mask = mask_at(s, s->event_next, &element);

	*mask &= *mask - 1;
	s->events_waiting--;
	s->event_next++;
}

void rdma_pending_completion(struct rdma_slice *s, unsigned int vector, uint32_t cq)
{
	struct rdma_completions *c = &s->completions[vector];

	c->waiting += !c->cqs[cq];
	c->cqs[cq] = true;
}

bool rdma_pending_next_completion(struct rdma_slice *s, unsigned int vector, uint32_t *cq)
{
	struct rdma_completions *c = &s->completions[vector];

	if (!c->waiting)
		return false;
	while (!c->cqs[c->next])
		c->next = (c->next + 1) % s->tables[RDMA_CQ].size;
	*cq = c->next;
	return true;
}

void rdma_pending_completion_done(struct rdma_slice *s, unsigned int vector)
{
	struct rdma_completions *c = &s->completions[vector];

	c->cqs[c->next] = false;
	c->waiting--;
}

void rdma_pending_forget(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
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
