// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which QPs have work, and which wait for a time. */
#include <stddef.h>
#include <time.h>

#include "hca.h"

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
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
