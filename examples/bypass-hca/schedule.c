// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which QPs have work, and which wait for a time. */
#include <stddef.h>
#include <time.h>

#include "hca.h"
#include "layout.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

uint64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static struct qp_list *list_of(struct qp *qp)
{
	return qp->wake ? &qp->hca->subnet->waiting : &qp->hca->subnet->ready;
}

void qp_unlist(struct qp *qp)
{
	struct qp_list *list = list_of(qp);

	if (!qp->queued)
		return;
	*(qp->prev ? &qp->prev->next : &list->first) = qp->next;
	*(qp->next ? &qp->next->prev : &list->last) = qp->prev;
	qp->prev = qp->next = NULL;
	qp->queued = false;
}

static void append(struct qp *qp, uint64_t wake)
{
	struct qp_list *list;

	qp_unlist(qp);
	qp->wake = wake;
	list = list_of(qp);
	qp->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = qp;
	list->last = qp;
	qp->queued = true;
}

void qp_ready(struct qp *qp)
{
	append(qp, 0);
}

void qp_wait(struct qp *qp, uint64_t ns)
{
	append(qp, now_ns() + ns);
}

/* More requests than fit are none. */
uint16_t qp_pending(const struct qp *qp)
{
	uint8_t producer[4];
	uint16_t count;

	if (!qp->has_sq ||
	    !dma_read(qp->hca, field_get(qp->context, QPC_RECORD) + 4, producer, sizeof(producer)))
		return 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	count = get_be32(producer) - qp->send_index;
	return count <= 1u << qp->log_sq ? count : 0;
}
