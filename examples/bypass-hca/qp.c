// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Queue pairs: creation, and the states that the driver takes them through. */
#include <stdlib.h>

#include "hca.h"
#include "layout.h"

#define RQ_OF_QP     0 /* QPC_RQ_TYPE */
#define RQ_OF_SRQ    1
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Bits of CMD_OPTIONAL, and what each says is meant */
static const struct {
	uint8_t bit;
	uint32_t field; /* 0: the address path */
} optional[] = {
	{1, QPC_REMOTE_READ},
	{2, QPC_REMOTE_ATOMIC},
	{3, QPC_REMOTE_WRITE},
	{4, QPC_PKEY_INDEX},
	{5, QPC_QKEY},
	{6, QPC_MIN_RNR},
	{7, 0},
	{8, QPC_LOG_SRA_MAX},
	{9, QPC_LOG_RRA_MAX},
	{10, QPC_PM_STATE},
	{12, QPC_RETRY_COUNT},
	{13, QPC_RNR_RETRY},
	{14, QPC_ACK_TIMEOUT},
};

static const uint32_t to_init[] = {
	QPC_QKEY,	   QPC_REMOTE_READ, QPC_REMOTE_WRITE,
	QPC_REMOTE_ATOMIC, QPC_ATOMIC_MODE, QPC_PM_STATE,
};
static const uint32_t to_rtr[] = {
	QPC_REMOTE_QPN, QPC_MTU, QPC_LOG_MSG_MAX, QPC_RECEIVE_PSN, QPC_MIN_RNR, QPC_LOG_RRA_MAX,
};
static const uint32_t to_rts[] = {
	QPC_RNR_RETRY, QPC_RETRY_COUNT, QPC_SEND_PSN, QPC_LOG_SRA_MAX, QPC_ACK_TIMEOUT,
};

static struct qp *named(struct hca *hca, const struct command *cmd)
{
	return table_get(&hca->qps, field_get(cmd->in, CMD_NUMBER));
}

static void set_path(struct qp *qp, const uint8_t *context)
{
	memcpy(qp->context + QPC_PATH, context + QPC_PATH, QPC_PATH_SIZE);
}

static void set_fields(struct qp *qp, const uint8_t *context, const uint32_t *fields,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		field_set(qp->context, fields[i], field_get(context, fields[i]));
}

static void set_optional(struct qp *qp, const struct command *cmd)
{
	uint32_t mask = field_get(cmd->in, CMD_OPTIONAL);
	const uint8_t *context = cmd->in + CMD_QPC;

	for (unsigned int i = 0; i < COUNT(optional); i++) {
		if (!(mask >> optional[i].bit & 1))
			continue;
		if (optional[i].field)
			set_fields(qp, context, &optional[i].field, 1);
		else
			set_path(qp, context);
	}
}

/* Checks the old state, sets the new one. */
static enum status advance(struct hca *hca, const struct command *cmd, enum qp_state from,
			   enum qp_state to, struct qp **qp)
{
	*qp = named(hca, cmd);
	if (!*qp)
		return STATUS_BAD_RESOURCE;
	if (field_get((*qp)->context, QPC_STATE) != from)
		return STATUS_BAD_QP_STATE;
	field_set((*qp)->context, QPC_STATE, to);
	return STATUS_OK;
}

enum status qp_reset_to_init(struct hca *hca, const struct command *cmd)
{
	struct qp *qp;
	enum status status = advance(hca, cmd, QP_RESET, QP_INIT, &qp);

	if (status)
		return status;
	set_path(qp, cmd->in + CMD_QPC);
	set_fields(qp, cmd->in + CMD_QPC, to_init, COUNT(to_init));
	return STATUS_OK;
}

enum status qp_init_to_init(struct hca *hca, const struct command *cmd)
{
	struct qp *qp;
	enum status status = advance(hca, cmd, QP_INIT, QP_INIT, &qp);

	if (!status)
		set_optional(qp, cmd);
	return status;
}

enum status qp_init_to_rtr(struct hca *hca, const struct command *cmd)
{
	struct qp *qp;
	enum status status = advance(hca, cmd, QP_INIT, QP_RTR, &qp);

	if (status)
		return status;
	set_path(qp, cmd->in + CMD_QPC);
	set_fields(qp, cmd->in + CMD_QPC, to_rtr, COUNT(to_rtr));
	set_optional(qp, cmd);
	qp->established = false;
	return STATUS_OK;
}

/* Requests may have been posted before. */
enum status qp_rtr_to_rts(struct hca *hca, const struct command *cmd)
{
	struct qp *qp;
	enum status status = advance(hca, cmd, QP_RTR, QP_RTS, &qp);

	if (status)
		return status;
	set_fields(qp, cmd->in + CMD_QPC, to_rts, COUNT(to_rts));
	set_optional(qp, cmd);
	qp_ready(qp);
	return STATUS_OK;
}

enum status qp_rts_to_rts(struct hca *hca, const struct command *cmd)
{
	struct qp *qp;
	enum status status = advance(hca, cmd, QP_RTS, QP_RTS, &qp);

	if (!status)
		set_optional(qp, cmd);
	return status;
}

enum status qp_to_error(struct hca *hca, const struct command *cmd)
{
	struct qp *qp = named(hca, cmd);

	if (!qp)
		return STATUS_BAD_RESOURCE;
	qp_error(qp);
	return STATUS_OK;
}

enum status qp_to_reset(struct hca *hca, const struct command *cmd)
{
	struct qp *qp = named(hca, cmd);

	if (!qp)
		return STATUS_BAD_RESOURCE;
	qp_unlist(qp);
	field_set(qp->context, QPC_STATE, QP_RESET);
	field_set(qp->context, QPC_REMOTE_QPN, 0);
	qp->send_index = qp->receive_index = 0;
	qp->retries = qp->rnr_retries = 0;
	return STATUS_OK;
}

/* The receive queue comes first. */
static enum status make_queues(struct qp *qp, const struct command *cmd)
{
	const uint8_t *context = qp->context;
	uint64_t size = 0;

	qp->has_rq = field_get(context, QPC_RQ_TYPE) == RQ_OF_QP;
	qp->has_sq = !field_get(context, QPC_NO_SQ);
	qp->log_rq = field_get(context, QPC_LOG_RQ);
	qp->log_rq_stride = field_get(context, QPC_LOG_RQ_STRIDE) + 4;
	qp->log_sq = field_get(context, QPC_LOG_SQ);
	if (1u << qp->log_rq_stride > HCA_RQ_ENTRY)
		return STATUS_BAD_PARAMETER;
	if (field_get(context, QPC_RQ_TYPE) != RQ_OF_SRQ)
		field_set(qp->context, QPC_SRQN, 0);
	if (qp->has_rq)
		size = 1ull << (qp->log_rq + qp->log_rq_stride);
	qp->send_offset = size;
	if (qp->has_sq)
		size += 64ull << qp->log_sq;
	return ring_open(&qp->ring, cmd->in + CMD_PAGES, command_left(cmd, CMD_PAGES),
			 field_get(context, QPC_LOG_PAGE), field_get(context, QPC_PAGE_OFFSET),
			 size);
}

/* QP 0 and QP 1 are those of management, one of each. False: taken, or no number is free. */
static bool give_number(struct hca *hca, struct qp *qp)
{
	switch (field_get(qp->context, QPC_TRANSPORT)) {
	case TRANSPORT_QP0:
		qp->number = 0;
		return table_add_at(&hca->qps, 0, qp);
	case TRANSPORT_QP1:
		qp->number = 1;
		return table_add_at(&hca->qps, 1, qp);
	}
	qp->number = table_add(&hca->qps, qp);
	return qp->number;
}

static bool is_known(enum transport transport)
{
	switch (transport) {
	case TRANSPORT_RC:
	case TRANSPORT_UC:
	case TRANSPORT_UD:
	case TRANSPORT_XRC:
	case TRANSPORT_QP0:
	case TRANSPORT_QP1:
	case TRANSPORT_UMR:
		return true;
	}
	return false;
}

enum status qp_create(struct hca *hca, const struct command *cmd)
{
	struct qp *qp = calloc(1, sizeof(*qp));
	enum status status;

	if (!qp)
		return STATUS_LIMIT;
	qp->hca = hca;
	memcpy(qp->context, cmd->in + CMD_QPC, sizeof(qp->context));
	field_set(qp->context, QPC_STATE, QP_RESET);
	status = STATUS_BAD_PARAMETER;
	if (!is_known(field_get(qp->context, QPC_TRANSPORT)))
		goto fail;
	status = make_queues(qp, cmd);
	if (status)
		goto fail;
	if (!give_number(hca, qp)) {
		status = STATUS_LIMIT;
		goto fail;
	}
	uar_join_qp(qp);
	field_set(cmd->out, CMD_NUMBER, qp->number);
	return STATUS_OK;

fail:
	ring_close(&qp->ring);
	free(qp);
	return status;
}

void qp_free(struct hca *hca, uint32_t number)
{
	struct qp *qp = table_get(&hca->qps, number);

	if (!qp)
		return;
	qp_unlist(qp);
	uar_leave(&qp->uar);
	group_leave_all(hca, number);
	table_remove(&hca->qps, number);
	ring_close(&qp->ring);
	free(qp);
}

enum status qp_destroy(struct hca *hca, const struct command *cmd)
{
	if (!named(hca, cmd))
		return STATUS_BAD_RESOURCE;
	qp_free(hca, field_get(cmd->in, CMD_NUMBER));
	return STATUS_OK;
}

enum status qp_query(struct hca *hca, const struct command *cmd)
{
	const struct qp *qp = named(hca, cmd);

	if (!qp)
		return STATUS_BAD_RESOURCE;
	memcpy(cmd->out + CMD_QPC, qp->context, sizeof(qp->context));
	return STATUS_OK;
}
