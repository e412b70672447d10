// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Doorbells: stores that trap, and stores to memory. Doorbells in memory overwrite each other, so that
 * their values count for nothing: when one has rung, the doorbell records of all queues that use the page
 * are looked at.
 */
#include <stddef.h>
#include <string.h>

#include "hca.h"
#include "layout.h"

#define DOORBELL_CQ	 0x20
#define DOORBELL_EQ	 0x40
#define DOORBELL_EQ_MUTE 0x48  /* consumer only, without arming */
#define DOORBELL_SEND	 0x800 /* from here on: send queues */

#define OBJECT_OF(user, type) ((type *)(void *)((char *)(user)-offsetof(type, uar)))

/*
 * Where doorbells of 8 bytes ring. No doorbell is 0: queues of completions begin with number 1, and a
 * request has at least one segment. A page has four send doorbells, of which the kernel takes the last two
 * for itself, and each alternates between two places.
 */
static const uint16_t places[] = {
	DOORBELL_CQ, DOORBELL_SEND, 0x900, 0xa00, 0xb00, 0xc00, 0xd00, 0xe00, 0xf00,
};

/* The record in memory says what is posted. A QP that waits for a timer goes on waiting. */
static void ring_qp(struct qp *qp)
{
	if (!qp->queued || (qp->wake && field_get(qp->context, QPC_STATE) == QP_ERROR))
		qp_ready(qp);
}

/* The exchange loses no doorbell that rings at this moment. */
static bool has_rung(uint8_t *page)
{
	bool rung = false;

	for (unsigned int i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint64_t *place = (uint64_t *)(void *)(page + places[i]);

		if (__atomic_load_n(place, __ATOMIC_RELAXED))
			rung |= __atomic_exchange_n(place, 0, __ATOMIC_SEQ_CST) != 0;
	}
	return rung;
}

bool doorbells_look(struct hca *hca)
{
	bool rung = false;

	for (const struct uar_page *page = hca->used_uars; page; page = page->next) {
		if (!has_rung(uar_memory(hca, page - hca->uar_pages)))
			continue;
		rung = true;
		hca->doorbells++;
		for (struct uar_user *user = page->qps; user; user = user->next)
			if (qp_pending(OBJECT_OF(user, struct qp)))
				ring_qp(OBJECT_OF(user, struct qp));
		for (struct uar_user *user = page->cqs; user; user = user->next)
			cq_look(hca, OBJECT_OF(user, struct cq));
	}
	return rung;
}

/* A VMM that maps nothing writes what its guest would have written. */
static void store(struct hca *hca, uint64_t offset, const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	__atomic_store_n(
		(uint64_t *)(void *)(uar_memory(hca, offset / HCA_PAGE) + offset % HCA_PAGE), value,
		__ATOMIC_RELEASE);
}

void doorbell_write(struct hca *hca, uint64_t offset, const uint8_t *data, uint32_t size)
{
	uint32_t place = offset % HCA_PAGE;
	struct qp *qp;

	if (uar_is_shared(hca, offset / HCA_PAGE)) {
		if (size == 8)
			store(hca, offset, data);
		return;
	}
	hca->doorbells++;
	if (place >= DOORBELL_SEND && size == 8) {
		qp = table_get(&hca->qps, get_be32(data + 4) >> 8);
		if (qp)
			ring_qp(qp);
	} else if (place == DOORBELL_CQ && size == 8) {
		cq_doorbell(hca, get_be32(data + 4) & 0xffffff, get_be32(data));
	} else if ((place == DOORBELL_EQ || place == DOORBELL_EQ_MUTE) && size == 4) {
		eq_doorbell(hca, get_be32(data), place == DOORBELL_EQ);
	}
}
