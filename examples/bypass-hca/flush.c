// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The error state of a QP: all requests end with a flush error. A receive request that is posted in
 * this state rings no doorbell, so that the doorbell record is looked at again and again.
 */
#include "completion.h"
#include "hca.h"
#include "layout.h"

#define LOOK_AGAIN 20000000ull /* ns */

static bool flush_one(struct qp *qp, bool send, uint16_t index, uint8_t opcode)
{
	uint8_t cqe[64] = {0};

	put_be32(cqe + CQE_QPN, (uint32_t)opcode << 24 | qp->number);
	put_be16(cqe + CQE_INDEX, index);
	cqe[CQE_SYNDROME] = SYNDROME_FLUSHED;
	return cq_post(qp->hca, field_get(qp->context, send ? QPC_SEND_CQ : QPC_RECEIVE_CQ), cqe,
		       send ? CQE_REQUEST_ERROR : CQE_RECEIVE_ERROR, true);
}

static void flush_sends(struct qp *qp, uint16_t producer)
{
	uint32_t blocks = 1u << qp->log_sq;

	if ((uint16_t)(producer - qp->send_index) > blocks)
		return;
	while (producer != qp->send_index) {
		uint8_t control[16];
		uint16_t index = qp->send_index, ds;

		if (!ring_read(qp->hca, &qp->ring,
			       qp->send_offset + (uint64_t)(index & (blocks - 1)) * 64, control,
			       sizeof(control)))
			return;
		ds = control[7] & 0x3f;
		ds = ds ? (ds + 3) / 4 : 1;
		if (ds > (uint16_t)(producer - index))
			ds = producer - index;
		qp->send_index += ds;
		if (!flush_one(qp, true, index, control[3]))
			return;
	}
}

static void flush_receives(struct qp *qp, uint16_t producer)
{
	if ((uint16_t)(producer - qp->receive_index) > 1u << qp->log_rq)
		return;
	while (producer != qp->receive_index)
		if (!flush_one(qp, false, qp->receive_index++, 0))
			return;
}

void qp_flush(struct qp *qp)
{
	uint8_t record[8];

	if (!dma_read(qp->hca, field_get(qp->context, QPC_RECORD), record, sizeof(record)))
		return;
	if (qp->has_rq)
		flush_receives(qp, get_be32(record));
	if (qp->has_sq)
		flush_sends(qp, get_be32(record + 4));
	if (qp->has_rq)
		qp_wait(qp, LOOK_AGAIN);
}

void qp_error(struct qp *qp)
{
	if (field_get(qp->context, QPC_STATE) == QP_ERROR)
		return;
	field_set(qp->context, QPC_STATE, QP_ERROR);
	qp_unlist(qp);
	qp_flush(qp);
	if (field_get(qp->context, QPC_SRQN))
		event_of_object(qp->hca, EVENT_SRQ_LAST, qp->number);
}
