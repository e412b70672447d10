// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The receiving side: the next receive request of a QP or of its SRQ, filled with data and completed.
 */
#include "completion.h"
#include "layout.h"
#include "request.h"

#define END_OF_LIST 0x100 /* key of an entry that ends the list */
#define RQ_SEGMENTS (HCA_RQ_ENTRY / 16)
#define GRH_SIZE    40

/* A receive request: where its entry comes from, and what the entry says */
struct taken {
	struct srq *srq;
	uint32_t srqn;
	uint16_t index;
	uint8_t raw[HCA_RQ_ENTRY];
	struct segment segments[RQ_SEGMENTS];
	unsigned int n_segments;
};

static bool posted(const struct hca *hca, uint64_t record, uint16_t used, uint8_t log_size,
		   uint16_t *count)
{
	uint8_t producer[4];

	if (!dma_read(hca, record, producer, sizeof(producer)))
		return false;
	*count = get_be32(producer) - used;
	return *count && *count <= 1u << log_size;
}

static uint32_t srq_of(const struct qp *qp, uint32_t srqn)
{
	return is_xrc(qp) ? srqn : field_get(qp->context, QPC_SRQN);
}

bool receive_empty(const struct qp *qp, uint32_t srqn)
{
	uint32_t number = srq_of(qp, srqn);
	const struct srq *srq = number ? table_get(&qp->hca->srqs, number) : NULL;
	uint16_t count;

	if (srq)
		return !posted(qp->hca, srq->record, srq->used, srq->log_size, &count);
	return !qp->has_rq || !posted(qp->hca, field_get(qp->context, QPC_RECORD),
				      qp->receive_index, qp->log_rq, &count);
}

static void read_segments(struct taken *taken, const uint8_t *raw, unsigned int max)
{
	for (taken->n_segments = 0; taken->n_segments < max; raw += 16) {
		uint32_t key = get_be32(raw + 4);

		if (key == END_OF_LIST)
			return;
		taken->segments[taken->n_segments++] = (struct segment){
			.length = get_be32(raw) & 0x7fffffff,
			.key = key,
			.address = get_be64(raw + 8),
		};
	}
}

/* An entry of an SRQ begins with the index of the next one. */
static bool take_shared(struct hca *hca, struct srq *srq, uint32_t number, struct taken *taken)
{
	uint32_t stride = 1u << srq->log_stride;
	uint16_t count;

	if (!posted(hca, srq->record, srq->used, srq->log_size, &count))
		return false;
	taken->srq = srq;
	taken->srqn = number;
	taken->index = srq->next & ((1u << srq->log_size) - 1);
	if (!ring_read(hca, &srq->ring, (uint64_t)taken->index << srq->log_stride, taken->raw,
		       stride))
		return false;
	srq->next = get_be16(taken->raw + 2);
	srq->used++;
	if (srq->limit && count - 1 < srq->limit) {
		srq->limit = 0;
		event_of_object(hca, EVENT_SRQ_LIMIT, number);
	}
	read_segments(taken, taken->raw + 16, stride / 16 - 1);
	return true;
}

static bool take_own(struct qp *qp, struct taken *taken)
{
	uint32_t stride = 1u << qp->log_rq_stride;
	uint16_t count;

	if (!qp->has_rq || !posted(qp->hca, field_get(qp->context, QPC_RECORD), qp->receive_index,
				   qp->log_rq, &count))
		return false;
	taken->index = qp->receive_index;
	if (!ring_read(qp->hca, &qp->ring,
		       (uint64_t)(taken->index & ((1u << qp->log_rq) - 1)) << qp->log_rq_stride,
		       taken->raw, stride))
		return false;
	qp->receive_index++;
	read_segments(taken, taken->raw, stride / 16);
	return true;
}

static bool take(struct qp *qp, uint32_t srqn, struct taken *taken)
{
	uint32_t number = srq_of(qp, srqn);
	struct srq *srq;

	*taken = (struct taken){0};
	if (!number)
		return take_own(qp, taken);
	srq = is_xrc(qp) ? srq_of_target(qp, number) : table_get(&qp->hca->srqs, number);
	return srq && take_shared(qp->hca, srq, number, taken);
}

/* The GRH comes first where the transport is a datagram: the room is there in any case. */
static enum copy_result scatter(struct qp *to, const struct qp *from, const struct request *request,
				const struct taken *taken)
{
	const struct segment grh = {.data = request->grh, .length = GRH_SIZE};
	struct flow head = {.segments = &grh, .n_segments = 1};
	struct flow source = {
		.access = {from->hca, field_get(from->context, QPC_PD), from->number, LOCAL_READ},
		.segments = request->segments,
		.n_segments = request->n_segments,
	};
	struct flow target = {
		.access = {to->hca, field_get(to->context, QPC_PD), to->number, LOCAL_WRITE},
		.segments = taken->segments,
		.n_segments = taken->n_segments,
	};
	enum copy_result result = COPIED;

	if (taken->srq)
		target.access.pd = taken->srq->pd;
	if (is_datagram(field_get(to->context, QPC_TRANSPORT)))
		result = copy(&head, &target, GRH_SIZE);
	return result ? result : copy(&source, &target, request->length);
}

static enum cqe_opcode opcode_of(const struct request *request)
{
	switch (request->opcode) {
	case OP_WRITE_IMMEDIATE:
		return CQE_RECEIVE_WRITE_IMMEDIATE;
	case OP_SEND_IMMEDIATE:
		return CQE_RECEIVE_SEND_IMMEDIATE;
	case OP_SEND_INVALIDATE:
		return CQE_RECEIVE_SEND_INVALIDATE;
	}
	return CQE_RECEIVE_SEND;
}

static bool complete(struct qp *to, const struct qp *from, const struct request *request,
		     const struct taken *taken, enum syndrome syndrome)
{
	bool datagram = is_datagram(field_get(to->context, QPC_TRANSPORT));
	uint32_t cqn = taken->srq && taken->srq->xrc ? taken->srq->cqn
						     : field_get(to->context, QPC_RECEIVE_CQ);
	uint8_t cqe[64] = {0};

	put_be16(cqe + CQE_REMOTE_LID, from->hca->lid);
	put_be32(cqe + CQE_FLAGS_QPN,
		 from->number | (datagram && request->has_grh ? CQE_HAS_GRH : 0));
	put_be32(cqe + CQE_SRQN, taken->srqn);
	put_be32(cqe + CQE_IMMEDIATE, request->immediate);
	put_be32(cqe + CQE_BYTES, request->length + (datagram ? GRH_SIZE : 0));
	put_be32(cqe + CQE_QPN, to->number);
	put_be16(cqe + CQE_INDEX, taken->index);
	if (syndrome)
		cqe[CQE_SYNDROME] = syndrome;
	else
		put_be64(cqe + CQE_TIME, now_ns());
	return cq_post(to->hca, cqn, cqe, syndrome ? CQE_RECEIVE_ERROR : opcode_of(request),
		       request->solicited || syndrome);
}

enum receive_result receive(struct qp *to, const struct qp *from, const struct request *request,
			    bool data)
{
	enum copy_result result;
	struct taken taken;

	if (!take(to, request->srqn, &taken))
		return RECEIVE_NONE;
	result = data ? scatter(to, from, request, &taken) : COPIED;
	switch (result) {
	case COPY_SOURCE_FAULT: /* cannot be: the sender has checked that side */
	case COPY_TARGET_FAULT:
		complete(to, from, request, &taken, SYNDROME_LOCAL_PROTECTION);
		return RECEIVE_FAULT;
	case COPY_TARGET_SHORT:
		complete(to, from, request, &taken, SYNDROME_LOCAL_LENGTH);
		return RECEIVE_SHORT;
	case COPIED:
		break;
	}
	return complete(to, from, request, &taken, SYNDROME_NONE) ? RECEIVED : RECEIVE_BROKEN;
}
