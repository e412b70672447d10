// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The states of a queue pair: which one follows which, and the attributes that a transition needs
 * or may set. The source is the InfiniBand Architecture Specification, volume 1, chapters 10.3.1
 * and 11.2.5.2. Drivers leave this check to their callers, or make it for a part of the masks
 * only: a queue pair that is in a state without the attributes of that state crashes rxe.
 */
#include <errno.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include <bypass/error.h>

#include "internal.h"

#define INIT_CONNECTED (IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)
#define INIT_DATAGRAM  (IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY)
#define RTR_CONNECTED  (IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN)
#define RTR_RC	       (RTR_CONNECTED | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define RTR_MAY	       (IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX)
#define RTS_RC                                                                                     \
	(IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |                    \
	 IBV_QP_MAX_QP_RD_ATOMIC)
/* What a queue pair that sends, or is about to, may change. */
#define SEND_UC (IBV_QP_CUR_STATE | IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PATH_MIG_STATE)
#define SEND_RC (SEND_UC | IBV_QP_MIN_RNR_TIMER)
#define SEND_UD (IBV_QP_CUR_STATE | IBV_QP_QKEY)
/* What a queue pair with a drained send queue may change. */
#define SQD_UC                                                                                     \
	(IBV_QP_AV | IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX |                   \
	 IBV_QP_PATH_MIG_STATE)
#define SQD_RC                                                                                     \
	(SQD_UC | IBV_QP_PORT | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |             \
	 IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define NOTIFY IBV_QP_EN_SQD_ASYNC_NOTIFY

struct attributes {
	uint32_t needed;
	uint32_t allowed; /* besides */
};

static const struct transition {
	uint8_t from, to;
	struct attributes rc, uc, ud;
} transitions[] = {
	{IBV_QPS_RESET, IBV_QPS_INIT, {INIT_CONNECTED, 0}, {INIT_CONNECTED, 0}, {INIT_DATAGRAM, 0}},
	{IBV_QPS_INIT, IBV_QPS_INIT, {0, INIT_CONNECTED}, {0, INIT_CONNECTED}, {0, INIT_DATAGRAM}},
	{IBV_QPS_INIT,
	 IBV_QPS_RTR,
	 {RTR_RC, RTR_MAY},
	 {RTR_CONNECTED, RTR_MAY},
	 {0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY}},
	{IBV_QPS_RTR,
	 IBV_QPS_RTS,
	 {RTS_RC, SEND_RC},
	 {IBV_QP_SQ_PSN, SEND_UC},
	 {IBV_QP_SQ_PSN, SEND_UD}},
	{IBV_QPS_RTS, IBV_QPS_RTS, {0, SEND_RC}, {0, SEND_UC}, {0, SEND_UD}},
	{IBV_QPS_RTS, IBV_QPS_SQD, {0, NOTIFY}, {0, NOTIFY}, {0, NOTIFY}},
	{IBV_QPS_SQD, IBV_QPS_RTS, {0, SEND_RC}, {0, SEND_UC}, {0, SEND_UD}},
	{IBV_QPS_SQD, IBV_QPS_SQD, {0, SQD_RC}, {0, SQD_UC}, {0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY}},
	{IBV_QPS_SQE,
	 IBV_QPS_RTS,
	 {0, 0},
	 {0, IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS},
	 {0, SEND_UD}},
};

static const char *state_name(uint8_t state)
{
	static const char *const names[] = {
		[IBV_QPS_RESET] = "RESET", [IBV_QPS_INIT] = "INIT", [IBV_QPS_RTR] = "RTR",
		[IBV_QPS_RTS] = "RTS",	   [IBV_QPS_SQD] = "SQD",   [IBV_QPS_SQE] = "SQE",
		[IBV_QPS_ERR] = "ERR",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "no state";
}

/* The attributes of a transition, or NULL: the transition does not exist. */
static const struct attributes *find_attributes(uint32_t type, uint8_t from, uint8_t to)
{
	static const struct attributes none;

	/* To RESET from every state, to ERR from every state but RESET. */
	if (to == IBV_QPS_RESET || (to == IBV_QPS_ERR && from != IBV_QPS_RESET))
		return &none;
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
		const struct transition *t = &transitions[i];

		if (t->from == from && t->to == to)
			return type == IB_UVERBS_QPT_RC	  ? &t->rc
			       : type == IB_UVERBS_QPT_UC ? &t->uc
							  : &t->ud;
	}
	return NULL;
}

int rdma_qp_check_transition(uint32_t type, uint8_t from, uint8_t to, uint32_t mask)
{
	const struct attributes *attributes = find_attributes(type, from, to);
	uint32_t set = mask & ~(uint32_t)IBV_QP_STATE;

	if (!attributes)
		return bypass_fail(EINVAL, "a queue pair cannot go from %s to %s (%u)",
				   state_name(from), state_name(to), to);
	if (attributes->needed & ~set)
		return bypass_fail(EINVAL,
				   "a queue pair that goes from %s to %s lacks the attributes %#x",
				   state_name(from), state_name(to), attributes->needed & ~set);
	set &= ~(attributes->needed | attributes->allowed);
	if (set)
		return bypass_fail(EINVAL,
				   "the attributes %#x of a queue pair cannot be set from %s to %s",
				   set, state_name(from), state_name(to));
	return 0;
}
