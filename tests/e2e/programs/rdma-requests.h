/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests of the guest ABI as a driver of rxe or mlx5 would send them, about objects that earlier
 * ones have made: right when they are written, so that one wrong field goes deep.
 *
 * Everything is x86: little-endian as the ABI is.
 */
#ifndef RDMA_REQUESTS_H
#define RDMA_REQUESTS_H

#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "bypass_rdma_abi.h"
#include "chance.h"

#define KNOWN	 16
#define XSRQ	 1 /* type of an SRQ of an XRC domain */
#define MCAST	 0xff
#define RUNS_MAX 600

enum kind {
	UCONTEXT,
	PD,
	MR,
	MW,
	CQ,
	SRQ,
	QP,
	AH,
	XRCD,
	KINDS,
};

struct object {
	uint32_t handle;
	uint32_t key; /* lkey, rkey, queue pair's number, address handle's number */
	uint32_t type;
	uint32_t state;
	uint64_t iova;	/* MR: where it begins … */
	uint64_t queue; /* CQ, QP: place of its (send) queue in the shared memory */
	/* With queues in the guest's memory, also … */
	uint64_t record;   /* QP: place of its doorbell record … */
	uint32_t requests; /* … and how many its send queue has; @queue is an address then */
	uint32_t page;	   /* ucontext: its doorbell page in the shared memory */
};

/* What requests may be about. */
struct model {
	struct object objects[KINDS][KNOWN];
	uint32_t n[KINDS];
	struct bypass_rdma_mmap mmaps[KNOWN];
	uint32_t n_mmaps;
	struct bypass_rdma_mcast attached; /* the last one */
	struct bypass_rdma_config config;
	uint8_t gid[16];
	uint64_t doorbell_gpa;
	uint64_t owner_gpa;
	struct bypass_rdma_run *runs; /* room for RUNS_MAX, in pages … */
	uint64_t runs_gpa;	      /* … whose address this is */
	uint64_t memory_gpa;	      /* what may be registered … */
	uint32_t memory_pages;	      /* … and how much */
	uint64_t outside;	      /* from here on nothing is RAM */
	bool straight;		      /* write nothing but what has to succeed */
	struct object queue;	      /* of the last request: where its queue is */
};

static inline bool is_mlx5(const struct model *m)
{
	return m->config.driver_id == RDMA_DRIVER_MLX5;
}

#include "rdma-requests-mlx5.h"

static inline struct object *some(struct model *m, enum kind kind)
{
	static struct object none;

	none = (struct object){.handle = number(), .key = number(), .queue = BYPASS_RDMA_NONE};
	return m->n[kind] ? &m->objects[kind][below(m->n[kind])] : &none;
}

static inline uint32_t handle_of(struct model *m, enum kind kind)
{
	return some(m, kind)->handle;
}

static inline void fill_port(struct model *m, void *body)
{
	(void)m;
	((struct bypass_rdma_port_query *)body)->port = 1;
}

static inline void fill_doorbell(struct model *m, void *body)
{
	*(struct bypass_rdma_set_doorbell *)body = (struct bypass_rdma_set_doorbell){
		.gpa = m->doorbell_gpa,
		.size = BYPASS_RDMA_DOORBELL_BYTES(m->config.max_qp, m->config.max_cq),
	};
}

static inline void fill_owner(struct model *m, void *body)
{
	((struct bypass_rdma_set_owner *)body)->gpa = m->owner_gpa;
}

static inline void fill_release(struct model *m, void *body)
{
	struct bypass_rdma_release_mmap *release = body;
	const struct bypass_rdma_mmap *mmap = &m->mmaps[below(KNOWN)];

	release->shm_offset = mmap->shm_offset;
	release->size = mmap->size;
}

/* Runs of the memory for @pages pages; some may say what is no memory. */
static inline uint32_t write_runs(struct model *m, uint32_t pages)
{
	uint32_t n = 0, size;

	for (; pages && n < RUNS_MAX; pages -= size, n++) {
		size = 1 + below(pages < 3 ? pages : 3);
		m->runs[n] = (struct bypass_rdma_run){
			.gpa = m->memory_gpa +
			       below(m->memory_pages - size) * BYPASS_RDMA_PAGE_SIZE,
			.size = size * BYPASS_RDMA_PAGE_SIZE,
		};
	}
	if (m->straight)
		return n;
	if (one_in(8))
		m->runs[below(n)].gpa = m->outside + below(1ull << 40);
	if (one_in(16))
		m->runs[below(n)].gpa += below(8) * 512;
	if (one_in(16))
		m->runs[below(n)].size = one_in(2) ? 0 : 1ull << (32 + below(32));
	return n;
}

/* Returns the bytes of the list of run pages behind it. */
static inline uint32_t write_reg(struct model *m, struct bypass_rdma_reg_mr *reg, uint64_t *list)
{
	uint32_t pages = one_in(4) ? 1 + below(RUNS_MAX) : 1 + below(8);

	*reg = (struct bypass_rdma_reg_mr){
		.pd = handle_of(m, PD),
		.access = IBV_ACCESS_LOCAL_WRITE | (m->straight ? 15 : below(32)),
		.iova = (1 + below(1 << 20)) * BYPASS_RDMA_PAGE_SIZE + below(2) * below(4096),
	};
	reg->length = (uint64_t)pages * BYPASS_RDMA_PAGE_SIZE - reg->iova % BYPASS_RDMA_PAGE_SIZE;
	return list_runs(m, write_runs(m, pages), list, &reg->run_pages, &reg->last_runs);
}

/* The queue of an mlx5 command: the blob, and behind it where the queue lies. Returns bytes. */
static inline uint32_t write_queue(struct model *m, uint32_t code, const void *body, void *blob,
				   struct bypass_rdma_queue_memory *memory)
{
	const struct mlx5_ib_create_qp *qp = blob;
	uint64_t buffer, size = fill_mlx5_queue(m, code, body, blob, &buffer), record;
	uint64_t pages = (buffer % BYPASS_RDMA_PAGE_SIZE + size + BYPASS_RDMA_PAGE_SIZE - 1) /
			 BYPASS_RDMA_PAGE_SIZE;
	uint32_t runs, list;

	if (pages > RUNS_MAX)
		pages = RUNS_MAX;
	if (pages && pages < 8 && one_in(2)) { /* one run: then it is known where requests lie */
		m->runs[0].gpa =
			m->memory_gpa + below(m->memory_pages - pages) * BYPASS_RDMA_PAGE_SIZE;
		m->runs[0].size = pages * BYPASS_RDMA_PAGE_SIZE;
		runs = 1;
	} else {
		runs = write_runs(m, pages);
	}
	record = m->memory_gpa + below(m->memory_pages) * BYPASS_RDMA_PAGE_SIZE;
	if (!m->straight && one_in(16))
		record = one_in(2) ? m->outside : record + below(8) * 512;
	memset(memory, 0, sizeof(*memory));
	memory->size = size;
	list = list_runs(m, runs, (uint64_t *)(memory + 1), &memory->run_pages, &memory->last_runs);
	m->queue = (struct object){.queue = BYPASS_RDMA_NONE};
	if (code != BYPASS_RDMA_RESIZE_CQ)
		memory->record = record;
	if (code == BYPASS_RDMA_CREATE_QP) {
		m->queue.record = record + qp->db_addr % BYPASS_RDMA_PAGE_SIZE;
		if (runs == 1) {
			m->queue.requests = qp->sq_wqe_count;
			m->queue.queue = m->runs[0].gpa + buffer % BYPASS_RDMA_PAGE_SIZE +
					 ((uint64_t)qp->rq_wqe_count << qp->rq_wqe_shift % 64);
		}
	}
	return sizeof(*memory) + list;
}

static inline void fill_mw(struct model *m, void *body)
{
	struct bypass_rdma_alloc_mw *mw = body;

	mw->pd = handle_of(m, PD);
	mw->type = 1 + below(2);
}

static inline void fill_cq(struct model *m, void *body)
{
	struct bypass_rdma_create_cq *cq = body;

	cq->cqe = 1 + below(64);
	cq->vector = below(m->config.vectors);
}

static inline void fill_resize(struct model *m, void *body)
{
	struct bypass_rdma_resize_cq *cq = body;

	cq->handle = handle_of(m, CQ);
	cq->cqe = 1 + below(128);
}

static inline void fill_srq(struct model *m, void *body)
{
	struct bypass_rdma_create_srq *srq = body;

	srq->pd = handle_of(m, PD);
	srq->max_wr = 1 + below(64);
	srq->max_sge = 1 + below(4);
}

static inline void fill_xsrq(struct model *m, void *body)
{
	struct bypass_rdma_create_xsrq *xsrq = body;

	fill_srq(m, &xsrq->srq);
	xsrq->xrcd = handle_of(m, XRCD);
	xsrq->cq = handle_of(m, CQ);
}

static inline void fill_modify_srq(struct model *m, void *body)
{
	struct bypass_rdma_modify_srq *srq = body;

	srq->handle = handle_of(m, SRQ);
	srq->mask = BYPASS_RDMA_SRQ_LIMIT;
	srq->srq_limit = 1;
}

/* An SRQ for a queue pair, or none: those of XRC domains are not for queue pairs. */
static inline uint32_t srq_of_qp(struct model *m)
{
	const struct object *srq = some(m, SRQ);

	return m->n[SRQ] && srq->type != XSRQ && one_in(4) ? srq->handle : BYPASS_RDMA_NONE;
}

/* Make one half of an XRC connection of a queue pair. */
static inline void make_half(struct model *m, struct bypass_rdma_create_qp *qp)
{
	qp->type = one_in(2) ? IBV_QPT_XRC_SEND : IBV_QPT_XRC_RECV;
	qp->recv_cq = qp->srq = BYPASS_RDMA_NONE;
	if (qp->type == IBV_QPT_XRC_SEND)
		return;
	qp->pd = handle_of(m, XRCD);
	qp->send_cq = BYPASS_RDMA_NONE;
}

static inline void fill_qp(struct model *m, void *body)
{
	*(struct bypass_rdma_create_qp *)body = (struct bypass_rdma_create_qp){
		.pd = handle_of(m, PD),
		.send_cq = handle_of(m, CQ),
		.recv_cq = handle_of(m, CQ),
		.srq = srq_of_qp(m),
		.type = one_in(2) ? IBV_QPT_RC : IBV_QPT_RC + below(3),
		.max_send_wr = 1 + below(32),
		.max_recv_wr = 1 + below(32),
		.max_send_sge = 1 + below(4),
		.max_recv_sge = 1 + below(4),
		.max_inline_data = below(2) * 64,
	};
	if (m->n[XRCD] && one_in(4))
		make_half(m, body);
}

/* Any value for an attribute, or another mask, in a step that is right but for that. */
static inline void spread_attributes(struct bypass_rdma_modify_qp *modify)
{
	uint8_t *bytes = (uint8_t *)&modify->attr;
	static const uint8_t limits[] = {0, 1, 5, 6, 7, 8, 15, 16, 31, 32, 127, 128, 255};

	if (one_in(2))
		modify->mask ^= 1u << below(21);
	if (one_in(2))
		bytes[below(sizeof(modify->attr))] = limits[below(sizeof(limits))];
	else
		bytes[below(sizeof(modify->attr))] = number();
}

/* Mostly to the next state on the way to sending, to itself; sometimes back. */
static inline void fill_modify_qp(struct model *m, void *body)
{
	struct bypass_rdma_modify_qp *modify = body;
	struct bypass_rdma_qp_attr *attr = &modify->attr;
	struct object *qp = some(m, QP);
	bool ud = qp->type == IBV_QPT_UD;
	bool answers = qp->type == IBV_QPT_RC || qp->type == IBV_QPT_XRC_RECV;
	bool asks = qp->type == IBV_QPT_RC || qp->type == IBV_QPT_XRC_SEND;
	uint32_t to = qp->state + 1;

	if (!m->straight && (one_in(8) || to > IBV_QPS_RTS))
		to = one_in(2) ? IBV_QPS_ERR : IBV_QPS_RESET;
	modify->handle = qp->handle;
	modify->mask = IBV_QP_STATE;
	*attr = (struct bypass_rdma_qp_attr){
		.qp_state = to,
		.path_mtu = IBV_MTU_1024,
		.qkey = 0x11111111,
		.dest_qpn = qp->key,
		.access = below(16),
		.ah = {.is_global = 1, .sgid_index = 1, .hop_limit = 64, .port = 1},
		.max_rd_atomic = 1,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.port = 1,
		.timeout = 8,
		.retry_cnt = 1,
		.rnr_retry = 1,
	};
	memcpy(attr->ah.dgid, m->gid, sizeof(attr->ah.dgid));
	if (to == IBV_QPS_INIT)
		modify->mask |= IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				(ud ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS);
	else if (to == IBV_QPS_RTR && !ud)
		modify->mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				(answers ? IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER : 0);
	else if (to == IBV_QPS_RTS)
		modify->mask |=
			IBV_QP_SQ_PSN | (answers || asks ? IBV_QP_TIMEOUT : 0) |
			(asks ? IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC : 0);
	if (!m->straight && one_in(3))
		spread_attributes(modify);
}

static inline void fill_query_qp(struct model *m, void *body)
{
	struct bypass_rdma_query_qp *query = body;

	query->handle = handle_of(m, QP);
	query->mask = IBV_QP_STATE;
}

static inline void fill_ah(struct model *m, void *body)
{
	struct bypass_rdma_create_ah *ah = body;

	ah->pd = handle_of(m, PD);
	ah->attr = (struct bypass_rdma_ah_attr){
		.is_global = 1,
		.sgid_index = 1,
		.hop_limit = 64,
		.port = 1,
	};
	memcpy(ah->attr.dgid, m->gid, sizeof(ah->attr.dgid));
}

/* Few groups, so that some are attached to twice. InfiniBand has LIDs of groups, rxe has none. */
static inline void fill_mcast(struct model *m, void *body)
{
	struct bypass_rdma_mcast *mcast = body;
	const struct object *qp = some(m, QP);

	for (int i = 0; i < 8 && qp->type != IBV_QPT_UD; i++)
		qp = some(m, QP);
	mcast->qp = qp->handle;
	mcast->lid = one_in(4) + (is_mlx5(m) && !one_in(4) ? 0xc000 : 0);
	mcast->gid[0] = MCAST;
	mcast->gid[1] = 0x0e;
	mcast->gid[15] = 1 + below(2);
}

static inline void fill_detach(struct model *m, void *body)
{
	if (one_in(2))
		*(struct bypass_rdma_mcast *)body = m->attached;
	else
		fill_mcast(m, body);
}

enum effect {
	NOTHING,
	MAKES,
	ENDS,
};

struct command {
	const char *name;
	uint32_t code;
	uint16_t body, reply;
	enum effect effect;
	enum kind kind;
	uint16_t udata_in, udata_out;
	void (*fill)(struct model *m, void *body);
};

#define OF(type)   sizeof(struct bypass_rdma_##type)
#define HANDLE	   OF(handle)
#define BLOB(type) .udata_out = sizeof(struct rxe_##type##_resp)
#define COMMAND(id, size, answer, does, what, ...)                                                 \
	{                                                                                          \
		.name = #id, .code = BYPASS_RDMA_##id, .body = size, .reply = answer,              \
		.effect = does, .kind = what, __VA_ARGS__                                          \
	}

static const struct command commands[] = {
	COMMAND(QUERY_DEVICE, 0, OF(device), NOTHING, KINDS),
	COMMAND(QUERY_PORT, OF(port_query), OF(port), NOTHING, KINDS, .fill = fill_port),
	COMMAND(QUERY_GIDS, OF(port_query), OF(gids), NOTHING, KINDS, .fill = fill_port),
	COMMAND(QUERY_PKEYS, OF(port_query), OF(pkeys), NOTHING, KINDS, .fill = fill_port),
	COMMAND(QUERY_COUNTERS, OF(port_query), OF(counters), NOTHING, KINDS, .fill = fill_port),
	COMMAND(QUERY_CLOCK, 0, OF(clock), NOTHING, KINDS),
	COMMAND(SET_DOORBELL, OF(set_doorbell), 0, NOTHING, KINDS, .fill = fill_doorbell),
	COMMAND(SET_OWNER, OF(set_owner), 0, NOTHING, KINDS, .fill = fill_owner),
	COMMAND(ALLOC_UCONTEXT, 0, HANDLE, MAKES, UCONTEXT),
	COMMAND(DEALLOC_UCONTEXT, HANDLE, 0, ENDS, UCONTEXT),
	COMMAND(RELEASE_MMAP, OF(release_mmap), 0, NOTHING, KINDS, .fill = fill_release),
	COMMAND(ALLOC_PD, 0, HANDLE, MAKES, PD),
	COMMAND(DEALLOC_PD, HANDLE, 0, ENDS, PD),
	COMMAND(REG_MR, OF(reg_mr), OF(mr), MAKES, MR),
	COMMAND(REREG_MR, OF(rereg_mr), OF(mr), NOTHING, MR),
	COMMAND(DEREG_MR, HANDLE, 0, ENDS, MR),
	COMMAND(ALLOC_MW, OF(alloc_mw), OF(mr), MAKES, MW, .fill = fill_mw),
	COMMAND(DEALLOC_MW, HANDLE, 0, ENDS, MW),
	COMMAND(ALLOC_XRCD, 0, HANDLE, MAKES, XRCD),
	COMMAND(DEALLOC_XRCD, HANDLE, 0, ENDS, XRCD),
	COMMAND(CREATE_CQ, OF(create_cq), OF(cq), MAKES, CQ, .fill = fill_cq, BLOB(create_cq)),
	COMMAND(RESIZE_CQ, OF(resize_cq), OF(cq), NOTHING, CQ, .fill = fill_resize,
		BLOB(resize_cq)),
	COMMAND(DESTROY_CQ, HANDLE, 0, ENDS, CQ),
	COMMAND(CREATE_SRQ, OF(create_srq), OF(srq), MAKES, SRQ, .fill = fill_srq,
		BLOB(create_srq)),
	COMMAND(CREATE_XSRQ, OF(create_xsrq), OF(xsrq), MAKES, SRQ, .fill = fill_xsrq),
	COMMAND(MODIFY_SRQ, OF(modify_srq), 0, NOTHING, SRQ, .fill = fill_modify_srq,
		.udata_in = sizeof(struct rxe_modify_srq_cmd)),
	COMMAND(QUERY_SRQ, HANDLE, OF(srq), NOTHING, SRQ),
	COMMAND(DESTROY_SRQ, HANDLE, 0, ENDS, SRQ),
	COMMAND(CREATE_QP, OF(create_qp), OF(qp), MAKES, QP, .fill = fill_qp, BLOB(create_qp)),
	COMMAND(MODIFY_QP, OF(modify_qp), 0, NOTHING, QP, .fill = fill_modify_qp),
	COMMAND(QUERY_QP, OF(query_qp), OF(qp_state), NOTHING, QP, .fill = fill_query_qp),
	COMMAND(DESTROY_QP, HANDLE, 0, ENDS, QP),
	COMMAND(CREATE_AH, OF(create_ah), HANDLE, MAKES, AH, .fill = fill_ah, BLOB(create_ah)),
	COMMAND(DESTROY_AH, HANDLE, 0, ENDS, AH),
	COMMAND(ATTACH_MCAST, OF(mcast), 0, NOTHING, QP, .fill = fill_mcast),
	COMMAND(DETACH_MCAST, OF(mcast), 0, NOTHING, QP, .fill = fill_detach),
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static inline bool is_target(const void *body)
{
	return ((const struct bypass_rdma_create_qp *)body)->type == IBV_QPT_XRC_RECV;
}

/* Write a request; returns its size. */
static inline uint32_t write_request(struct model *m, const struct command *c, void *to)
{
	struct bypass_rdma_request *request = to;
	void *body = request + 1;
	uint16_t in = c->udata_in, out = c->udata_out;
	bool process = is_mlx5(m) || one_in(3); /* or the guest's kernel itself */
	uint32_t size;

	if (is_mlx5(m))
		find_mlx5_blobs(c->code, &in, &out);
	size = sizeof(*request) + c->body + in;
	memset(to, 0, size);
	*request = (struct bypass_rdma_request){
		.command = c->code,
		.ucontext = m->n[UCONTEXT] && process ? handle_of(m, UCONTEXT) : BYPASS_RDMA_NONE,
		.udata_in = in,
		.udata_out = out,
	};
	if (c->fill)
		c->fill(m, body);
	else if (c->body == HANDLE)
		((struct bypass_rdma_handle *)body)->handle = handle_of(m, c->kind);
	if (c->code == BYPASS_RDMA_CREATE_QP && is_target(body)) {
		/* It has neither blob nor queue, and no process. */
		m->queue = (struct object){.queue = BYPASS_RDMA_NONE};
		request->ucontext = BYPASS_RDMA_NONE;
		request->udata_in = request->udata_out = 0;
		size -= in;
	} else if (is_mlx5(m) && has_queue(c->code)) {
		size += write_queue(m, c->code, body, (uint8_t *)body + c->body,
				    (void *)((uint8_t *)to + size));
	} else if (c->code == BYPASS_RDMA_REG_MR) {
		size += write_reg(m, body, (uint64_t *)((uint8_t *)to + size));
	} else if (c->code == BYPASS_RDMA_REREG_MR) {
		struct bypass_rdma_rereg_mr *rereg = body;

		rereg->handle = handle_of(m, MR);
		rereg->flags = 1 + below(7);
		size += write_reg(m, &rereg->reg, (uint64_t *)((uint8_t *)to + size));
	}
	return size;
}

static inline struct object *find_object(struct model *m, enum kind kind, uint32_t handle)
{
	for (uint32_t i = 0; i < m->n[kind]; i++) {
		if (m->objects[kind][i].handle == handle)
			return &m->objects[kind][i];
	}
	return NULL;
}

static inline void forget_object(struct model *m, enum kind kind, uint32_t handle)
{
	struct object *object = find_object(m, kind, handle);

	if (object)
		*object = m->objects[kind][--m->n[kind]];
}

/* Remember what a request that was accepted has made; the first of a kind is not forgotten. */
static inline void note_made(struct model *m, const struct command *c, const void *sent,
			     const void *reply, const void *blob)
{
	bool mlx5 = is_mlx5(m);
	uint32_t i = m->n[c->kind] < KNOWN ? m->n[c->kind]++ : 1 + below(KNOWN - 1);
	struct object *object = &m->objects[c->kind][i];

	*object = (struct object){
		.handle = ((const struct bypass_rdma_handle *)reply)->handle,
		.queue = BYPASS_RDMA_NONE,
	};
	if (c->kind == MR) {
		object->key = ((const struct bypass_rdma_mr *)reply)->lkey;
		object->iova = ((const struct bypass_rdma_reg_mr *)sent)->iova;
	} else if (c->kind == MW) {
		object->key = ((const struct bypass_rdma_mr *)reply)->rkey;
	} else if (c->kind == CQ && mlx5) {
		object->key = ((const struct mlx5_ib_create_cq_resp *)blob)->cqn;
	} else if (c->kind == CQ) {
		object->queue = ((const struct rxe_create_cq_resp *)blob)->mi.offset;
	} else if (c->kind == AH && !mlx5) {
		object->key = ((const struct rxe_create_ah_resp *)blob)->ah_num;
	} else if (c->kind == SRQ) {
		object->type = c->code == BYPASS_RDMA_CREATE_XSRQ ? XSRQ : 0;
	} else if (c->kind == QP) {
		if (mlx5)
			*object = m->queue;
		else
			object->queue = ((const struct rxe_create_qp_resp *)blob)->sq_mi.offset;
		object->handle = ((const struct bypass_rdma_handle *)reply)->handle;
		object->key = ((const struct bypass_rdma_qp *)reply)->qpn;
		object->type = ((const struct bypass_rdma_create_qp *)sent)->type;
	}
}

/* Read the response to a request that was accepted. */
static inline void note(struct model *m, const struct command *c, const void *request,
			const void *response)
{
	const struct bypass_rdma_response *header = response;
	const void *sent = (const struct bypass_rdma_request *)request + 1;
	const struct bypass_rdma_handle *handle = sent;
	const struct bypass_rdma_mmap *mmaps =
		(const void *)((const char *)(header + 1) + c->reply);
	const struct bypass_rdma_modify_qp *modify = sent;
	struct object *qp;

	for (uint32_t i = 0; i < header->mmaps; i++)
		m->mmaps[m->n_mmaps++ % KNOWN] = mmaps[i];
	if (c->effect == MAKES)
		note_made(m, c, sent, header + 1, mmaps + header->mmaps);
	if (c->code == BYPASS_RDMA_ALLOC_UCONTEXT && header->mmaps)
		find_object(m, UCONTEXT, ((const struct bypass_rdma_handle *)(header + 1))->handle)
			->page = mmaps[0].shm_offset;
	else if (c->effect == ENDS)
		forget_object(m, c->kind, handle->handle);
	if (c->code == BYPASS_RDMA_ATTACH_MCAST)
		memcpy(&m->attached, sent, sizeof(m->attached));
	if (c->code != BYPASS_RDMA_MODIFY_QP || !(modify->mask & IBV_QP_STATE))
		return;
	qp = find_object(m, QP, modify->handle);
	if (qp)
		qp->state = modify->attr.qp_state;
}

#endif
