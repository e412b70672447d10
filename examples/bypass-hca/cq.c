// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Completion queues. The last byte of an entry hands the entry to the driver. A queue that is armed
 * posts one event, on the next completion or on the next solicited one.
 */
#include <stdlib.h>

#include "completion.h"
#include "hca.h"
#include "layout.h"

#define CQE_SIZE	    64
#define CQE_OWNER	    63
#define CQ_COUNTER	    0xffffffu /* consumer and producer have 24 bits in doorbells */
#define EVENT_CQ_SYNDROME   11	      /* byte of an event's data */
#define SYNDROME_CQ_OVERRUN 1
#define SYNDROME_CQ_ACCESS  2	       /* the queue's memory cannot be written */
#define MODIFY_RESIZE	    1	       /* modifier of the command that modifies a queue */
#define ARM_FLAG	    (1u << 24) /* of a doorbell: solicited completions only */

static void fire(struct hca *hca, struct cq *cq, uint32_t number)
{
	uint8_t data[28] = {0};

	cq->arm = ARM_NONE;
	cq->notified = cq->producer;
	put_be32(data + 24, number);
	eq_post(hca, cq->eqn, EVENT_COMPLETION, 0, data);
}

/* Entries that the driver has not taken */
static uint32_t held(const struct hca *hca, const struct cq *cq)
{
	uint8_t consumer[4];

	if (!dma_read(hca, cq->record, consumer, sizeof(consumer)))
		return 0;
	return (cq->producer - get_be32(consumer)) & CQ_COUNTER;
}

static bool is_full(const struct hca *hca, const struct cq *cq)
{
	return !cq->ignore_overrun && held(hca, cq) >= 1u << cq->log_size;
}

/* The driver names the syndrome in the kernel's log. */
static void overrun(struct hca *hca, struct cq *cq, uint32_t number)
{
	uint8_t data[28] = {0};

	cq->overrun = true;
	field_set(cq->context, CQC_STATUS, CQC_STATUS_ERROR);
	put_be32(data, number);
	data[EVENT_CQ_SYNDROME] = is_full(hca, cq) ? SYNDROME_CQ_OVERRUN : SYNDROME_CQ_ACCESS;
	event_post(hca, EVENT_CQ_ERROR, 0, data);
}

static bool append(struct hca *hca, struct cq *cq, uint8_t cqe[CQE_SIZE], uint8_t opcode)
{
	uint64_t at;

	if (is_full(hca, cq))
		return false;
	at = (uint64_t)(cq->producer & ((1u << cq->log_size) - 1)) << cq->log_stride;
	/* A large entry has its data first. */
	at += (1u << cq->log_stride) - CQE_SIZE;
	cqe[CQE_OWNER] = opcode << 4 | (cq->producer >> cq->log_size & 1);
	if (!ring_write(hca, &cq->ring, at, cqe, CQE_OWNER))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	ring_write(hca, &cq->ring, at + CQE_OWNER, cqe + CQE_OWNER, 1);
	cq->producer++;
	return true;
}

bool cq_post(struct hca *hca, uint32_t number, uint8_t cqe[CQE_SIZE], uint8_t opcode,
	     bool solicited)
{
	struct cq *cq = table_get(&hca->cqs, number);

	if (!cq || cq->overrun)
		return false;
	if (!append(hca, cq, cqe, opcode)) {
		overrun(hca, cq, number);
		return false;
	}
	if (solicited)
		cq->last_solicited = cq->producer;
	if (cq->arm == ARM_ANY || (cq->arm == ARM_SOLICITED && solicited))
		fire(hca, cq, number);
	return true;
}

/*
 * @value says up to which completion the driver knows of them. An event comes at once when there are
 * others, but one completion causes one event only.
 */
void cq_doorbell(struct hca *hca, uint32_t number, uint32_t value)
{
	struct cq *cq = table_get(&hca->cqs, number);
	uint32_t upto, ahead;

	if (!cq)
		return;
	cq->arm = value & ARM_FLAG ? ARM_SOLICITED : ARM_ANY;
	upto = value & ARM_FLAG ? cq->last_solicited : cq->producer;
	ahead = (upto - value) & CQ_COUNTER;
	if (ahead && ahead <= CQ_COUNTER / 2 && (int32_t)(upto - cq->notified) > 0)
		fire(hca, cq, number);
}

/* What is written in the record and not in the doorbell: see doorbell.c. */
void cq_look(struct hca *hca, struct cq *cq)
{
	uint8_t arm[4];

	if (!dma_read(hca, cq->record + 4, arm, sizeof(arm)) || get_be32(arm) == cq->seen)
		return;
	cq->seen = get_be32(arm);
	cq_doorbell(hca, cq->number, cq->seen);
}

/* The driver's first arm may be the 0 that the driver has begun with: another value begins here. */
static void listen(struct hca *hca, struct cq *cq)
{
	uint8_t arm[4];

	cq->seen = UINT32_MAX;
	put_be32(arm, cq->seen);
	if (uar_is_shared(hca, field_get(cq->context, CQC_UAR)))
		dma_write(hca, cq->record + 4, arm, sizeof(arm));
	uar_join_cq(hca, cq);
}

enum status cq_create(struct hca *hca, const struct command *cmd)
{
	const uint8_t *context = cmd->in + CMD_CONTEXT;
	struct cq *cq = calloc(1, sizeof(*cq));
	enum status status;

	if (!cq)
		return STATUS_LIMIT;
	memcpy(cq->context, context, sizeof(cq->context));
	cq->log_size = field_get(context, CQC_LOG_SIZE);
	cq->log_stride = field_get(context, CQC_CQE_SIZE) ? 7 : 6;
	cq->record = field_get(context, CQC_RECORD);
	cq->eqn = field_get(context, CQC_EQN);
	cq->ignore_overrun = field_get(context, CQC_IGNORE);
	status = STATUS_BAD_PARAMETER;
	if (cq->log_size > HCA_LOG_CQ_ENTRIES || !table_get(&hca->eqs, cq->eqn))
		goto fail;
	status = ring_open(&cq->ring, cmd->in + CMD_PAGES, command_left(cmd, CMD_PAGES),
			   field_get(context, CQC_LOG_PAGE), field_get(context, CQC_PAGE_OFFSET),
			   1ull << (cq->log_size + cq->log_stride));
	if (status)
		goto fail;
	cq->number = table_add(&hca->cqs, cq);
	if (!cq->number) {
		status = STATUS_LIMIT;
		goto fail;
	}
	listen(hca, cq);
	field_set(cmd->out, CMD_NUMBER, cq->number);
	return STATUS_OK;

fail:
	ring_close(&cq->ring);
	free(cq);
	return status;
}

void cq_free(struct hca *hca, uint32_t number)
{
	struct cq *cq = table_get(&hca->cqs, number);

	if (!cq)
		return;
	uar_leave(&cq->uar);
	table_remove(&hca->cqs, number);
	ring_close(&cq->ring);
	free(cq);
}

enum status cq_destroy(struct hca *hca, const struct command *cmd)
{
	uint32_t number = field_get(cmd->in, CMD_NUMBER);

	if (!table_get(&hca->cqs, number))
		return STATUS_BAD_RESOURCE;
	cq_free(hca, number);
	return STATUS_OK;
}

enum status cq_query(struct hca *hca, const struct command *cmd)
{
	const struct cq *cq = table_get(&hca->cqs, field_get(cmd->in, CMD_NUMBER));
	uint8_t *context = cmd->out + CMD_CONTEXT;

	if (!cq)
		return STATUS_BAD_RESOURCE;
	memcpy(context, cq->context, sizeof(cq->context));
	field_set(context, CQC_PRODUCER, cq->producer);
	return STATUS_OK;
}

/*
 * The last entry in the old memory says that the next ones are in the new memory. The driver itself moves
 * the entries that it has not taken, and the last entry is one of those that the new memory has room for.
 */
static enum status resize(struct hca *hca, struct cq *cq, const struct command *cmd)
{
	const uint8_t *context = cmd->in + CMD_CONTEXT;
	uint8_t log_size = field_get(context, CQC_LOG_SIZE);
	uint8_t log_stride = field_get(context, CQC_CQE_SIZE) ? 7 : 6;
	uint8_t cqe[CQE_SIZE] = {0};
	struct ring ring = {0};
	enum status status;

	if (log_size > HCA_LOG_CQ_ENTRIES)
		return STATUS_BAD_PARAMETER;
	if (held(hca, cq) >= 1u << log_size)
		return STATUS_BAD_SIZE;
	status = ring_open(&ring, cmd->in + CMD_PAGES, command_left(cmd, CMD_PAGES),
			   field_get(context, CQC_LOG_PAGE), field_get(context, CQC_PAGE_OFFSET),
			   1ull << (log_size + log_stride));
	if (!status && (cq->overrun || !append(hca, cq, cqe, CQE_RESIZE)))
		status = STATUS_BAD_STATE;
	if (status) {
		ring_close(&ring);
		return status;
	}
	ring_close(&cq->ring);
	cq->ring = ring;
	cq->log_size = log_size;
	cq->log_stride = log_stride;
	field_set(cq->context, CQC_LOG_SIZE, log_size);
	field_set(cq->context, CQC_CQE_SIZE, field_get(context, CQC_CQE_SIZE));
	field_set(cq->context, CQC_LOG_PAGE, field_get(context, CQC_LOG_PAGE));
	field_set(cq->context, CQC_PAGE_OFFSET, field_get(context, CQC_PAGE_OFFSET));
	return STATUS_OK;
}

/* Moderation has no effect: an event comes at once. */
enum status cq_modify(struct hca *hca, const struct command *cmd)
{
	struct cq *cq = table_get(&hca->cqs, field_get(cmd->in, CMD_NUMBER));

	if (!cq)
		return STATUS_BAD_RESOURCE;
	return cmd->modifier == MODIFY_RESIZE ? resize(hca, cq, cmd) : STATUS_OK;
}
