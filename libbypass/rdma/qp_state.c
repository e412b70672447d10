// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The states of a queue pair: which one follows which, and the attributes that a transition needs
 * or may set. The source is the InfiniBand Architecture Specification, volume 1, chapters 10.3.1
 * and 11.2.5.2, and annex A14 for XRC, whose initiator has the half of a connection that sends, and
 * whose target has the half that receives. Drivers leave this check to their callers, or make it
 * for a part of the masks only: a queue pair that is in a state without the attributes of that
 * state crashes rxe.
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
#define SQD_SENDS    (IBV_QP_PORT | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY)
#define SQD_RECEIVES (IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define SQD_INI	     (SQD_UC | SQD_SENDS | IBV_QP_MAX_QP_RD_ATOMIC)
#define SQD_TGT	     (SQD_UC | SQD_RECEIVES | IBV_QP_PORT | IBV_QP_TIMEOUT)
#define SQD_RC	     (SQD_INI | SQD_RECEIVES)
#define NOTIFY	     IBV_QP_EN_SQD_ASYNC_NOTIFY

struct attributes {
	uint32_t needed;
	uint32_t allowed; /* besides */
};

static const struct transition {
	uint8_t from, to;
	struct attributes rc, uc, ud, ini, tgt;
} transitions[] = {
	{.from = IBV_QPS_RESET,
	 .to = IBV_QPS_INIT,
	 .rc = {INIT_CONNECTED, 0},
	 .uc = {INIT_CONNECTED, 0},
	 .ud = {INIT_DATAGRAM, 0},
	 .ini = {INIT_CONNECTED, 0},
	 .tgt = {INIT_CONNECTED, 0}},
	{.from = IBV_QPS_INIT,
	 .to = IBV_QPS_INIT,
	 .rc = {0, INIT_CONNECTED},
	 .uc = {0, INIT_CONNECTED},
	 .ud = {0, INIT_DATAGRAM},
	 .ini = {0, INIT_CONNECTED},
	 .tgt = {0, INIT_CONNECTED}},
	{.from = IBV_QPS_INIT,
	 .to = IBV_QPS_RTR,
	 .rc = {RTR_RC, RTR_MAY},
	 .uc = {RTR_CONNECTED, RTR_MAY},
	 .ud = {0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY},
	 .ini = {RTR_CONNECTED, RTR_MAY},
	 .tgt = {RTR_RC, RTR_MAY}},
	{.from = IBV_QPS_RTR,
	 .to = IBV_QPS_RTS,
	 .rc = {RTS_RC, SEND_RC},
	 .uc = {IBV_QP_SQ_PSN, SEND_UC},
	 .ud = {IBV_QP_SQ_PSN, SEND_UD},
	 .ini = {RTS_RC, SEND_UC},
	 .tgt = {IBV_QP_TIMEOUT | IBV_QP_SQ_PSN, SEND_RC}},
	{.from = IBV_QPS_RTS,
	 .to = IBV_QPS_RTS,
	 .rc = {0, SEND_RC},
	 .uc = {0, SEND_UC},
	 .ud = {0, SEND_UD},
	 .ini = {0, SEND_UC},
	 .tgt = {0, SEND_RC}},
	{.from = IBV_QPS_RTS,
	 .to = IBV_QPS_SQD,
	 .rc = {0, NOTIFY},
	 .uc = {0, NOTIFY},
	 .ud = {0, NOTIFY},
	 .ini = {0, NOTIFY},
	 .tgt = {0, NOTIFY}},
	{.from = IBV_QPS_SQD,
	 .to = IBV_QPS_RTS,
	 .rc = {0, SEND_RC},
	 .uc = {0, SEND_UC},
	 .ud = {0, SEND_UD},
	 .ini = {0, SEND_UC},
	 .tgt = {0, SEND_RC}},
	{.from = IBV_QPS_SQD,
	 .to = IBV_QPS_SQD,
	 .rc = {0, SQD_RC},
	 .uc = {0, SQD_UC},
	 .ud = {0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY},
	 .ini = {0, SQD_INI},
	 .tgt = {0, SQD_TGT}},
	{.from = IBV_QPS_SQE,
	 .to = IBV_QPS_RTS,
	 .uc = {0, IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS},
	 .ud = {0, SEND_UD}},
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

static const struct attributes *of_type(const struct transition *t, uint32_t type)
{
	switch (type) {
	case IB_UVERBS_QPT_RC:
		return &t->rc;
	case IB_UVERBS_QPT_UC:
		return &t->uc;
	case IB_UVERBS_QPT_XRC_INI:
		return &t->ini;
	case IB_UVERBS_QPT_XRC_TGT:
		return &t->tgt;
	}
	return &t->ud;
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
			return of_type(t, type);
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
