// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Shared receive queues. The driver makes an ordinary one as a receive memory pool (RMP), and the one
 * of XRC as an XRC SRQ; both are the same list of entries.
 */
#include <stdlib.h>

#include "hca.h"
#include "layout.h"

static enum status add(struct hca *hca, struct srq *srq, const struct command *cmd, uint32_t pages,
		       uint32_t log_page, uint32_t page_offset)
{
	enum status status = STATUS_BAD_PARAMETER;
	uint32_t number;

	if (srq->log_size > HCA_LOG_QUEUE || srq->log_stride < 5 ||
	    1u << srq->log_stride > HCA_RQ_ENTRY)
		goto fail;
	status = ring_open(&srq->ring, cmd->in + pages, command_left(cmd, pages), log_page,
			   page_offset, 1ull << (srq->log_size + srq->log_stride));
	if (status)
		goto fail;
	number = table_add(&hca->srqs, srq);
	if (!number) {
		status = STATUS_LIMIT;
		goto fail;
	}
	field_set(cmd->out, CMD_NUMBER, number);
	return STATUS_OK;

fail:
	ring_close(&srq->ring);
	free(srq);
	return status;
}

enum status rmp_create(struct hca *hca, const struct command *cmd)
{
	const uint8_t *wq = cmd->in + CMD_RMPC + RMPC_WQ;
	struct srq *srq = calloc(1, sizeof(*srq));

	if (!srq)
		return STATUS_LIMIT;
	memcpy(srq->context, wq, sizeof(srq->context));
	srq->log_size = field_get(wq, WQ_LOG_SIZE);
	srq->log_stride = field_get(wq, WQ_LOG_STRIDE);
	srq->pd = field_get(wq, WQ_PD);
	srq->record = field_get(wq, WQ_RECORD);
	srq->limit = field_get(wq, WQ_LIMIT);
	return add(hca, srq, cmd, CMD_RMPC + RMPC_WQ + WQ_PAGES, field_get(wq, WQ_LOG_PAGE),
		   field_get(wq, WQ_PAGE_OFFSET));
}

enum status srq_create(struct hca *hca, const struct command *cmd)
{
	const uint8_t *context = cmd->in + CMD_CONTEXT;
	struct srq *srq = calloc(1, sizeof(*srq));

	if (!srq)
		return STATUS_LIMIT;
	memcpy(srq->context, context, sizeof(srq->context));
	srq->xrc = true;
	srq->log_size = field_get(context, XSRQC_LOG_SIZE);
	srq->log_stride = field_get(context, XSRQC_LOG_STRIDE) + 4;
	srq->pd = field_get(context, XSRQC_PD);
	srq->xrcd = field_get(context, XSRQC_XRCD);
	srq->cqn = field_get(context, XSRQC_CQN);
	srq->record = field_get(context, XSRQC_RECORD);
	srq->limit = field_get(context, XSRQC_LIMIT);
	return add(hca, srq, cmd, CMD_PAGES, field_get(context, XSRQC_LOG_PAGE),
		   field_get(context, XSRQC_PAGE_OFFSET));
}

static struct srq *named(struct hca *hca, const struct command *cmd)
{
	return table_get(&hca->srqs, field_get(cmd->in, CMD_NUMBER));
}

enum status rmp_modify(struct hca *hca, const struct command *cmd)
{
	struct srq *srq = named(hca, cmd);

	if (!srq)
		return STATUS_BAD_RESOURCE;
	srq->limit = field_get(cmd->in + CMD_RMPC + RMPC_WQ, WQ_LIMIT);
	return STATUS_OK;
}

enum status rmp_query(struct hca *hca, const struct command *cmd)
{
	const struct srq *srq = named(hca, cmd);
	uint8_t *context = cmd->out + CMD_RMPC;

	if (!srq)
		return STATUS_BAD_RESOURCE;
	field_set(context, RMPC_STATE, 1);
	memcpy(context + RMPC_WQ, srq->context, sizeof(srq->context));
	field_set(context + RMPC_WQ, WQ_LIMIT, srq->limit);
	return STATUS_OK;
}

enum status srq_arm(struct hca *hca, const struct command *cmd)
{
	struct srq *srq = named(hca, cmd);

	if (!srq)
		return STATUS_BAD_RESOURCE;
	srq->limit = field_get(cmd->in, CMD_INDEX);
	return STATUS_OK;
}

enum status srq_query(struct hca *hca, const struct command *cmd)
{
	const struct srq *srq = named(hca, cmd);

	if (!srq)
		return STATUS_BAD_RESOURCE;
	memcpy(cmd->out + CMD_CONTEXT, srq->context, sizeof(srq->context));
	field_set(cmd->out + CMD_CONTEXT, XSRQC_LIMIT, srq->limit);
	return STATUS_OK;
}

struct srq *srq_of_target(const struct qp *qp, uint32_t number)
{
	struct srq *srq = table_get(&qp->hca->srqs, number);

	return srq && srq->xrc && srq->xrcd == field_get(qp->context, QPC_XRCD) ? srq : NULL;
}

void srq_free(struct hca *hca, uint32_t number)
{
	struct srq *srq = table_get(&hca->srqs, number);

	if (!srq)
		return;
	table_remove(&hca->srqs, number);
	ring_close(&srq->ring);
	free(srq);
}

enum status srq_destroy(struct hca *hca, const struct command *cmd)
{
	if (!named(hca, cmd))
		return STATUS_BAD_RESOURCE;
	srq_free(hca, field_get(cmd->in, CMD_NUMBER));
	return STATUS_OK;
}
