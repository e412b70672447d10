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

static void take_turn(struct qp *qp)
{
	qp_unlist(qp);
	if (field_get(qp->context, QPC_STATE) == QP_ERROR)
		qp_flush(qp);
	if (field_get(qp->context, QPC_STATE) != QP_RTS)
		return;
	for (unsigned int i = 0; i < REQUESTS; i++) {
		if (!qp_pending(qp))
			return;
		qp->hca->subnet->worked = true;
		if (!send_one(qp))
			return;
	}
	if (qp_pending(qp))
		qp_ready(qp);
}

/* Doorbells in shared memory */
static void listen(struct subnet *subnet)
{
	subnet->worked = subnet->listens = false;
	for (unsigned int i = 0; i < HCA_FUNCTIONS; i++) {
		struct hca *hca = subnet->functions[i];

		if (!hca || !hca->used_uars)
			continue;
		subnet->listens = true;
		subnet->worked |= doorbells_look(hca);
	}
}

int64_t subnet_run(struct subnet *subnet)
{
	uint64_t first = UINT64_MAX, now;

	wake_waiting(subnet);
	listen(subnet);
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
