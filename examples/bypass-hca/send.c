// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sending side: one request, carried out in one step between the memory of two functions, then
 * completed. A request that the other side cannot take yet waits, as RNR and acknowledge timers say.
 */
#include "completion.h"
#include "layout.h"
#include "request.h"

#define LATER	      -1 /* in place of a syndrome */
#define RNR_FOREVER   7
#define MULTICAST_LID 0xc000
#define MULTICAST_QPN 0xffffff
#define ATOMIC_SIZE   8
#define NO_TIMEOUT    100000000ull /* ns between two looks at a peer, with timeout 0 */

/* What the receiver's RNR timer codes mean, in units of 10 us: InfiniBand 1.4, table 45 */
static const uint32_t rnr_delay[32] = {
	65536, 1,    2,	   3,	 4,    6,     8,     12,    16,	   24,	  32,
	48,    64,   96,   128,	 192,  256,   384,   512,   768,   1024,  1536,
	2048,  3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152,
};

static struct flow local_side(const struct qp *qp, const struct request *request, enum right right)
{
	return (struct flow){
		.access = {qp->hca, field_get(qp->context, QPC_PD), qp->number, right},
		.segments = request->segments,
		.n_segments = request->n_segments,
	};
}

/* An XRC target has no protection domain of its own: the one of the SRQ that the request names counts. */
static uint32_t remote_pd(const struct qp *to, const struct request *request)
{
	const struct srq *srq = is_xrc(to) ? srq_of_target(to, request->srqn) : NULL;

	return srq ? srq->pd : field_get(to->context, QPC_PD);
}

static struct flow remote_side(const struct qp *to, const struct request *request,
			       const struct segment *segment, enum right right)
{
	return (struct flow){
		.access = {to->hca, remote_pd(to, request), to->number, right},
		.segments = segment,
		.n_segments = 1,
	};
}

static bool can_receive(const struct qp *qp)
{
	uint32_t state = field_get(qp->context, QPC_STATE);

	return state >= QP_RTR && state <= QP_SQD;
}

/* The QP at the other end of a connection, when both ends agree and the other one is ready */
static struct qp *find_peer(const struct qp *qp)
{
	struct hca *hca = port_find(qp->hca, field_get(qp->context, QPC_REMOTE_LID));
	struct qp *to = hca ? table_get(&hca->qps, field_get(qp->context, QPC_REMOTE_QPN)) : NULL;

	if (!to || !can_receive(to) ||
	    field_get(to->context, QPC_TRANSPORT) != field_get(qp->context, QPC_TRANSPORT) ||
	    field_get(to->context, QPC_REMOTE_QPN) != qp->number ||
	    field_get(to->context, QPC_REMOTE_LID) != qp->hca->lid)
		return NULL;
	return to;
}

static bool is_reliable(const struct qp *qp)
{
	return field_get(qp->context, QPC_TRANSPORT) != TRANSPORT_UC;
}

static int wait_for_peer(struct qp *qp)
{
	uint32_t timeout = field_get(qp->context, QPC_ACK_TIMEOUT);

	if (!is_reliable(qp))
		return SYNDROME_NONE;
	if (timeout && qp->retries++ >= field_get(qp->context, QPC_RETRY_COUNT))
		return SYNDROME_RETRIES;
	qp_wait(qp, timeout ? 4096ull << timeout : NO_TIMEOUT);
	return LATER;
}

static int wait_for_receive(struct qp *qp, const struct qp *to)
{
	uint32_t retries = field_get(qp->context, QPC_RNR_RETRY);

	if (!is_reliable(qp))
		return SYNDROME_NONE;
	if (retries != RNR_FOREVER && qp->rnr_retries++ >= retries)
		return SYNDROME_RNR_RETRIES;
	qp_wait(qp, rnr_delay[field_get(to->context, QPC_MIN_RNR)] * 10000ull);
	return LATER;
}

/* The peer's QP fails together with a request that the peer refuses. An unreliable one only drops. */
static int refuse(struct qp *qp, struct qp *to, enum syndrome syndrome)
{
	if (!is_reliable(qp))
		return SYNDROME_NONE;
	event_of_object(to->hca,
			syndrome == SYNDROME_REMOTE_ACCESS ? EVENT_QP_ACCESS : EVENT_QP_REQUEST,
			to->number);
	qp_error(to);
	return syndrome;
}

static int deliver(struct qp *qp, struct qp *to, const struct request *request, bool data)
{
	switch (receive(to, qp, request, data)) {
	case RECEIVED:
		return SYNDROME_NONE;
	case RECEIVE_NONE:
		return wait_for_receive(qp, to);
	case RECEIVE_SHORT:
		qp_error(to);
		return is_reliable(qp) ? SYNDROME_REMOTE_REQUEST : SYNDROME_NONE;
	case RECEIVE_FAULT:
	case RECEIVE_BROKEN:
		qp_error(to);
		return is_reliable(qp) ? SYNDROME_REMOTE_OPERATION : SYNDROME_NONE;
	}
	return SYNDROME_NONE;
}

static int send_message(struct qp *qp, struct qp *to, const struct request *request)
{
	if (!can_read(local_side(qp, request, LOCAL_READ), request->length))
		return SYNDROME_LOCAL_PROTECTION;
	if (receive_empty(to, request->srqn))
		return wait_for_receive(qp, to);
	if (request->opcode == OP_SEND_INVALIDATE &&
	    !mkey_invalidate(to->hca, request->immediate, remote_pd(to, request)))
		return refuse(qp, to, SYNDROME_REMOTE_ACCESS);
	return deliver(qp, to, request, true);
}

static struct segment remote_segment(const struct request *request, uint32_t length)
{
	return (struct segment){
		.address = request->remote_address,
		.key = request->remote_key,
		.length = length,
	};
}

static int write_remote(struct qp *qp, struct qp *to, const struct request *request)
{
	struct segment remote = remote_segment(request, request->length);
	struct flow from = local_side(qp, request, LOCAL_READ);
	struct flow target = remote_side(to, request, &remote, REMOTE_WRITE);

	if (!can_read(from, request->length))
		return SYNDROME_LOCAL_PROTECTION;
	if (request->opcode == OP_WRITE_IMMEDIATE && receive_empty(to, request->srqn))
		return wait_for_receive(qp, to);
	if (!field_get(to->context, QPC_REMOTE_WRITE) || copy(&from, &target, request->length))
		return refuse(qp, to, SYNDROME_REMOTE_ACCESS);
	if (request->opcode == OP_WRITE_IMMEDIATE)
		return deliver(qp, to, request, false);
	return SYNDROME_NONE;
}

static int read_remote(struct qp *qp, struct qp *to, const struct request *request)
{
	struct segment remote = remote_segment(request, request->length);
	struct flow from = remote_side(to, request, &remote, REMOTE_READ);
	struct flow target = local_side(qp, request, LOCAL_WRITE);

	if (!field_get(to->context, QPC_REMOTE_READ))
		return refuse(qp, to, SYNDROME_REMOTE_ACCESS);
	switch (copy(&from, &target, request->length)) {
	case COPIED:
		return SYNDROME_NONE;
	case COPY_SOURCE_FAULT:
		return refuse(qp, to, SYNDROME_REMOTE_ACCESS);
	default:
		return SYNDROME_LOCAL_PROTECTION;
	}
}

/* The value is in the order of the host's CPU, as the driver chose; see capability.c. */
static uint64_t operate(uint64_t *value, const struct request *request)
{
	uint64_t old = request->compare;

	if (request->opcode == OP_FETCH_ADD)
		return __atomic_fetch_add(value, request->swap, __ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(value, &old, request->swap, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return old;
}

static int atomic_remote(struct qp *qp, struct qp *to, const struct request *request)
{
	const struct access access = {to->hca, remote_pd(to, request), to->number, REMOTE_ATOMIC};
	struct flow target = local_side(qp, request, LOCAL_WRITE);
	uint64_t n = ATOMIC_SIZE, old;
	const struct segment result = {.data = (const uint8_t *)&old, .length = ATOMIC_SIZE};
	struct flow from = {.segments = &result, .n_segments = 1};
	uint8_t *value;

	if (request->remote_address % ATOMIC_SIZE)
		return refuse(qp, to, SYNDROME_REMOTE_REQUEST);
	value = field_get(to->context, QPC_REMOTE_ATOMIC)
			? mkey_span(&access, request->remote_key, request->remote_address, &n)
			: NULL;
	if (!value || n < ATOMIC_SIZE || (uintptr_t)value % ATOMIC_SIZE)
		return refuse(qp, to, SYNDROME_REMOTE_ACCESS);
	old = operate((uint64_t *)(void *)value, request);
	return copy(&from, &target, ATOMIC_SIZE) ? SYNDROME_LOCAL_PROTECTION : SYNDROME_NONE;
}

/*
 * The first message in state RTR is an event: connection management may go on, though the message that the
 * connection stands has not come yet.
 */
static void arrive(struct qp *to)
{
	if (to->established || field_get(to->context, QPC_STATE) != QP_RTR)
		return;
	to->established = true;
	event_of_object(to->hca, EVENT_ESTABLISHED, to->number);
}

static int exchange(struct qp *qp, struct qp *to, const struct request *request)
{
	switch (request->opcode) {
	case OP_WRITE:
	case OP_WRITE_IMMEDIATE:
		return write_remote(qp, to, request);
	case OP_READ:
		return read_remote(qp, to, request);
	case OP_COMPARE_SWAP:
	case OP_FETCH_ADD:
		return atomic_remote(qp, to, request);
	}
	return send_message(qp, to, request);
}

static int send_connected(struct qp *qp, const struct request *request)
{
	bool read = request->opcode == OP_READ; /* the data go the other way */
	struct qp *to = find_peer(qp);
	int syndrome;

	if (!to)
		return wait_for_peer(qp);
	if (is_xrc(to) && !srq_of_target(to, request->srqn))
		return refuse(qp, to, SYNDROME_REMOTE_REQUEST);
	arrive(to);
	syndrome = exchange(qp, to, request);
	if (syndrome == SYNDROME_NONE) {
		traffic_add(read ? &to->hca->sent[0] : &qp->hca->sent[0], request->length);
		traffic_add(read ? &qp->hca->received[0] : &to->hca->received[0], request->length);
	}
	return syndrome;
}

static void deliver_datagram(struct qp *qp, struct qp *to, const struct request *request,
			     bool multicast)
{
	if (!to || !is_datagram(field_get(to->context, QPC_TRANSPORT)) || !can_receive(to) ||
	    field_get(to->context, QPC_QKEY) != request->qkey)
		return;
	traffic_add(&to->hca->received[multicast], request->length);
	switch (receive(to, qp, request, true)) {
	case RECEIVED:
	case RECEIVE_NONE: /* dropped */
		return;
	default:
		qp_error(to);
	}
}

/* To each member of the group but the sender */
static void send_multicast(struct qp *qp, const struct request *request)
{
	for (unsigned int lid = 1; lid <= HCA_FUNCTIONS; lid++) {
		struct hca *hca = port_find(qp->hca, lid);

		for (unsigned int i = 0; hca && i < hca->n_members; i++) {
			struct qp *to = table_get(&hca->qps, hca->members[i].qpn);

			if (to != qp &&
			    !memcmp(hca->members[i].gid, request->grh + 24, HCA_GROUP_GID))
				deliver_datagram(qp, to, request, true);
		}
	}
}

static int send_datagram(struct qp *qp, const struct request *request)
{
	struct hca *hca;
	bool multicast;

	if (!can_read(local_side(qp, request, LOCAL_READ), request->length))
		return SYNDROME_LOCAL_PROTECTION;
	multicast = request->qpn == MULTICAST_QPN && request->lid >= MULTICAST_LID &&
		    request->has_grh;
	traffic_add(&qp->hca->sent[multicast], request->length);
	if (multicast) {
		send_multicast(qp, request);
		return SYNDROME_NONE;
	}
	hca = port_find(qp->hca, request->lid);
	if (hca)
		deliver_datagram(qp, table_get(&hca->qps, request->qpn), request, false);
	return SYNDROME_NONE;
}

static int carry_out(struct qp *qp, struct request *request)
{
	int syndrome = request_parse(qp, request);

	if (syndrome || request->opcode == OP_NOP)
		return syndrome;
	if (request->opcode == OP_CHANGE_KEY)
		return mkey_change(qp, request->raw, request->ds);
	if (is_datagram(field_get(qp->context, QPC_TRANSPORT)))
		return send_datagram(qp, request);
	return send_connected(qp, request);
}

static bool complete(struct qp *qp, const struct request *request, enum syndrome syndrome)
{
	uint8_t cqe[64] = {0};

	if (!syndrome && !request->signaled)
		return true;
	put_be32(cqe + CQE_BYTES, request->length);
	put_be32(cqe + CQE_QPN, (uint32_t)request->opcode << 24 | qp->number);
	put_be16(cqe + CQE_INDEX, request->index);
	if (syndrome)
		cqe[CQE_SYNDROME] = syndrome;
	else
		put_be64(cqe + CQE_TIME, now_ns());
	return cq_post(qp->hca, field_get(qp->context, QPC_SEND_CQ), cqe,
		       syndrome ? CQE_REQUEST_ERROR : CQE_REQUEST, syndrome);
}

bool send_one(struct qp *qp)
{
	struct request request;
	int syndrome;

	request.length = 0;
	if (!request_read(qp, &request)) {
		event_of_object(qp->hca, EVENT_QP_ACCESS, qp->number);
		qp_error(qp);
		return false;
	}
	/* Taken at once: a QP that is its own peer may be flushed while the request is carried out. */
	qp->send_index += request.blocks;
	syndrome = carry_out(qp, &request);
	if (syndrome == LATER) {
		qp->send_index -= request.blocks;
		return false;
	}
	qp->retries = qp->rnr_retries = 0;
	if (complete(qp, &request, syndrome) && !syndrome)
		return true;
	qp_error(qp);
	return false;
}
