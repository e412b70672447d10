// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The device at work: QPs that have requests take turns, so that none keeps the others from theirs. */
#include "hca.h"
#include "layout.h"

#define TURNS	 64 /* between two looks at the outside */
#define REQUESTS 16 /* in one turn */

static void wake_waiting(struct subnet *subnet)
{
	uint64_t now = subnet->waiting.first ? now_ns() : 0;

	for (struct qp *qp = subnet->waiting.first, *next; qp; qp = next) {
		next = qp->next;
		if (qp->wake <= now)
			qp_ready(qp);
	}
}

/* Requests that the driver has posted and the model has not taken; more than fit are none. */
static uint16_t pending(const struct qp *qp)
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

static void take_turn(struct qp *qp)
{
	qp_unlist(qp);
	if (field_get(qp->context, QPC_STATE) == QP_ERROR)
		qp_flush(qp);
	if (field_get(qp->context, QPC_STATE) != QP_RTS)
		return;
	for (unsigned int i = 0; i < REQUESTS; i++)
		if (!pending(qp) || !send_one(qp))
			return;
	if (pending(qp))
		qp_ready(qp);
}

int64_t subnet_run(struct subnet *subnet)
{
	uint64_t first = UINT64_MAX, now;

	wake_waiting(subnet);
	for (unsigned int i = 0; i < TURNS && subnet->ready.first; i++)
		take_turn(subnet->ready.first);
	if (subnet->ready.first)
		return 0;
	if (!subnet->waiting.first)
		return -1;
	for (const struct qp *qp = subnet->waiting.first; qp; qp = qp->next)
		if (qp->wake < first)
			first = qp->wake;
	now = now_ns();
	return first > now ? first - now : 0;
}
