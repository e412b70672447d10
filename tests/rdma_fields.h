/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tries each field that a guest can write, as the table in docs/threat-model.md has them, through
 * the virtqueues of a slice: 0, 1, the limits and the values beside them, all ones, the sign bit. A
 * bad value must get the status of the table.
 */
#ifndef TESTS_RDMA_FIELDS_H
#define TESTS_RDMA_FIELDS_H

#include <infiniband/verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "rdma_guest.h"

struct field {
	uint32_t command;
	const char *name;
	uint32_t at, size; /* of the field in the body … */
	uint32_t body;	   /* … and the size of the body */
	uint32_t status;   /* of what is not good */
	uint64_t least, most;
	uint64_t also; /* one more good value */
	/* In place of a range: */
	uint64_t known;		  /* good bits */
	uint64_t needing, needed; /* of which each of these is good only with this one … */
	uint32_t unmet;		  /* … and else gets this status */
};

/* A guest, the limits of its slice, and the objects of the process that tries one value. */
struct fields {
	struct rdma_guest *g;
	uint32_t ports, vectors, active_mtu, gids, pkeys;
	uint32_t max_cqe, max_qp_wr, max_send_sge, max_recv_sge, max_srq_wr, max_srq_sge;
	uint32_t max_init_rd, max_dest_rd;
	bool real; /* the HCA may refuse what is within the limits */
	uint32_t pd, cq, srq, qp, mr;
	uint64_t page;		       /* guest-physical */
	struct bypass_rdma_ah_attr av; /* a good address vector: to the slice itself */
	unsigned int tried, refused, wrong;
};

union body {
	uint8_t bytes[256];
	struct bypass_rdma_port_query port;
	struct bypass_rdma_handle handle;
	struct bypass_rdma_reg_mr reg;
	struct bypass_rdma_rereg_mr rereg;
	struct bypass_rdma_alloc_mw mw;
	struct bypass_rdma_create_cq cq;
	struct bypass_rdma_resize_cq resize;
	struct bypass_rdma_create_srq srq;
	struct bypass_rdma_create_xsrq xsrq;
	struct bypass_rdma_modify_srq modify_srq;
	struct bypass_rdma_create_qp qp;
	struct bypass_rdma_modify_qp modify;
	struct bypass_rdma_query_qp query;
	struct bypass_rdma_create_ah ah;
	struct bypass_rdma_mcast mcast;
	struct bypass_rdma_cm_connect connect;
};

/* How a queue pair gets from one state to the next. */
static const struct fields_step {
	uint8_t to;
	uint32_t mask[2]; /* RC, UD */
} fields_steps[] = {
	{IBV_QPS_INIT,
	 {IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS,
	  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY}},
	{IBV_QPS_RTR,
	 {IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
		  IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
	  IBV_QP_STATE}},
	{IBV_QPS_RTS,
	 {IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
		  IBV_QP_MAX_QP_RD_ATOMIC,
	  IBV_QP_STATE | IBV_QP_SQ_PSN}},
};

/* Where an attribute of MODIFY_QP can be set: the number of steps before, and the mask. */
static const struct fields_place {
	const char *prefix;
	bool ud;
	unsigned int steps;
	uint32_t mask; /* 0: that of the next step */
	uint8_t state; /* with a mask of its own */
} fields_places[] = {
	{"MODIFY_QP.attr.cur_qp_state", false, 3, IBV_QP_STATE | IBV_QP_CUR_STATE, IBV_QPS_RTS},
	{"MODIFY_QP.attr.path_mig_state", false, 3, IBV_QP_PATH_MIG_STATE, 0},
	{"MODIFY_QP.attr.en_sqd", false, 3, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY, IBV_QPS_SQD},
	{"MODIFY_QP.attr.alt_", false, 3, IBV_QP_ALT_PATH, 0},
	{"MODIFY_QP.attr.qkey", true, 0, 0, 0},
	{"MODIFY_QP.attr.pkey_index", false, 0, 0, 0},
	{"MODIFY_QP.attr.port", false, 0, 0, 0},
	{"MODIFY_QP.attr.access", false, 0, 0, 0},
	{"MODIFY_QP.attr.sq_psn", false, 2, 0, 0},
	{"MODIFY_QP.attr.max_rd_atomic", false, 2, 0, 0},
	{"MODIFY_QP.attr.timeout", false, 2, 0, 0},
	{"MODIFY_QP.attr.retry_cnt", false, 2, 0, 0},
	{"MODIFY_QP.attr.rnr_retry", false, 2, 0, 0},
	{"MODIFY_QP.", false, 1, 0, 0},
};

static inline bool fields_begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static inline uint32_t fields_call(struct fields *f, uint32_t command, const void *body,
				   uint32_t body_size, void *reply, uint32_t reply_size)
{
	static const uint64_t blob[2];
	bool has_list = command == BYPASS_RDMA_REG_MR, has_blob = command == BYPASS_RDMA_MODIFY_SRQ;

	return rdma_guest_call(f->g, &(struct rdma_guest_call){
					     .command = command,
					     .body = body,
					     .body_size = body_size,
					     .reply = reply,
					     .reply_size = reply_size,
					     .udata = blob,
					     .udata_size = has_blob ? sizeof(blob[0]) : 0,
					     .udata_room = 64,
					     .tail = &f->page,
					     .tail_size = has_list ? sizeof(f->page) : 0,
				     });
}

/* A command that has to work; returns the handle that it brings. */
static inline uint32_t fields_must(struct fields *f, uint32_t command, const void *body,
				   uint32_t body_size, uint32_t reply_size)
{
	struct bypass_rdma_qp reply = {0}; /* the longest of those with a handle */
	uint32_t status = fields_call(f, command, body, body_size, &reply, reply_size);

	if (status) {
		printf("command %u: status %u\n", command, status);
		exit(1);
	}
	return reply.handle;
}

static inline struct bypass_rdma_reg_mr fields_reg(struct fields *f)
{
	const struct bypass_rdma_run run = {.gpa = f->page, .size = GUEST_PAGE};

	memcpy(f->g->guest.ram + f->page, &run, sizeof(run));
	return (struct bypass_rdma_reg_mr){
		.pd = f->pd,
		.access = 1,
		.iova = 0x10000,
		.length = GUEST_PAGE,
		.run_pages = 1,
		.last_runs = 1,
	};
}

static inline struct bypass_rdma_create_qp fields_qp(const struct fields *f, bool ud)
{
	return (struct bypass_rdma_create_qp){
		.pd = f->pd,
		.send_cq = f->cq,
		.recv_cq = f->cq,
		.srq = BYPASS_RDMA_NONE,
		.type = ud ? IBV_QPT_UD : IBV_QPT_RC,
		.max_send_wr = 4,
		.max_recv_wr = 4,
		.max_send_sge = 1,
		.max_recv_sge = 1,
	};
}

/* Attributes that are good in each step; @to: the state wanted. */
static inline struct bypass_rdma_qp_attr fields_attr(const struct fields *f, uint8_t to)
{
	return (struct bypass_rdma_qp_attr){
		.qp_state = to,
		.cur_qp_state = IBV_QPS_RTS,
		.path_mtu = IBV_MTU_256,
		.qkey = 0x11111111,
		.dest_qpn = 0x800000,
		.ah = f->av,
		.alt_ah = f->av,
		.max_rd_atomic = 1,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.port = 1,
		.timeout = 8,
		.retry_cnt = 1,
		.alt_port = 1,
	};
}

/* A queue pair in the state where the attribute can be set, and a request that sets it. */
static inline void fields_modify(struct fields *f, const char *name, union body *body)
{
	const struct fields_place *p = fields_places;
	struct bypass_rdma_create_qp qp;

	while (!fields_begins(name, p->prefix))
		p++;
	qp = fields_qp(f, p->ud);
	f->qp = fields_must(f, BYPASS_RDMA_CREATE_QP, &qp, sizeof(qp),
			    sizeof(struct bypass_rdma_qp));
	body->modify.handle = f->qp;
	for (unsigned int i = 0; i <= p->steps && i < 3; i++) {
		body->modify.mask = fields_steps[i].mask[p->ud];
		body->modify.attr = fields_attr(f, fields_steps[i].to);
		if (i < p->steps)
			fields_must(f, BYPASS_RDMA_MODIFY_QP, body, sizeof(body->modify), 0);
	}
	if (!p->mask)
		return;
	body->modify.mask = p->mask;
	body->modify.attr = fields_attr(f, p->state);
}

/* Fill in a good request for the field; returns the size of its reply. */
static inline uint32_t fields_prepare(struct fields *f, const struct field *field, union body *body)
{
	const struct bypass_rdma_create_srq srq = {.pd = f->pd, .max_wr = 8, .max_sge = 1};
	struct bypass_rdma_reg_mr reg;
	struct bypass_rdma_create_qp qp;

	switch (field->command) {
	case BYPASS_RDMA_QUERY_PORT:
	case BYPASS_RDMA_QUERY_GIDS:
	case BYPASS_RDMA_QUERY_PKEYS:
	case BYPASS_RDMA_QUERY_COUNTERS:
		body->port.port = 1;
		return 0;
	case BYPASS_RDMA_REG_MR:
		body->reg = fields_reg(f);
		return 0;
	case BYPASS_RDMA_REREG_MR:
		reg = fields_reg(f);
		body->rereg.handle = fields_must(f, BYPASS_RDMA_REG_MR, &reg, sizeof(reg),
						 sizeof(struct bypass_rdma_mr));
		body->rereg.flags = BYPASS_RDMA_REREG_ACCESS;
		return 0;
	case BYPASS_RDMA_ALLOC_MW:
		body->mw.pd = f->pd;
		body->mw.type = 1;
		return 0;
	case BYPASS_RDMA_CREATE_CQ:
		body->cq.cqe = 8;
		return 0;
	case BYPASS_RDMA_RESIZE_CQ:
		body->resize.handle = f->cq;
		body->resize.cqe = 8;
		return 0;
	case BYPASS_RDMA_CREATE_SRQ:
		body->srq = srq;
		return 0;
	case BYPASS_RDMA_MODIFY_SRQ:
		body->modify_srq.handle = fields_must(f, BYPASS_RDMA_CREATE_SRQ, &srq, sizeof(srq),
						      sizeof(struct bypass_rdma_srq));
		body->modify_srq.mask = BYPASS_RDMA_SRQ_MAX_WR;
		body->modify_srq.max_wr = 8;
		return 0;
	case BYPASS_RDMA_CREATE_QP:
		body->qp = fields_qp(f, false);
		return 0;
	case BYPASS_RDMA_MODIFY_QP:
		fields_modify(f, field->name, body);
		return 0;
	case BYPASS_RDMA_CREATE_AH:
		body->ah.pd = f->pd;
		body->ah.attr = f->av;
		return 0;
	case BYPASS_RDMA_ATTACH_MCAST:
	case BYPASS_RDMA_DETACH_MCAST:
		qp = fields_qp(f, true);
		body->mcast.qp = fields_must(f, BYPASS_RDMA_CREATE_QP, &qp, sizeof(qp),
					     sizeof(struct bypass_rdma_qp));
		body->mcast.gid[0] = 0xff;
		body->mcast.gid[1] = 0x0e;
		return 0;
	}
	body->handle.handle = BYPASS_RDMA_NONE; /* of no object: what comes first is the field */
	return 0;
}

/* The status that a good value gets. */
static inline uint32_t fields_good(const struct field *field)
{
	switch (field->command) {
	case BYPASS_RDMA_DETACH_MCAST:
		return BYPASS_RDMA_E_INVALID; /* it was not attached */
	case BYPASS_RDMA_DEALLOC_UCONTEXT:
	case BYPASS_RDMA_DEALLOC_PD:
	case BYPASS_RDMA_DEREG_MR:
	case BYPASS_RDMA_DEALLOC_MW:
	case BYPASS_RDMA_DESTROY_CQ:
	case BYPASS_RDMA_QUERY_SRQ:
	case BYPASS_RDMA_DESTROY_SRQ:
	case BYPASS_RDMA_DESTROY_QP:
	case BYPASS_RDMA_DESTROY_AH:
	case BYPASS_RDMA_DEALLOC_XRCD:
		return BYPASS_RDMA_E_HANDLE;
	}
	return BYPASS_RDMA_OK;
}

/* The status that a value gets when the value is bad, or OK. */
static inline uint32_t fields_bad(const struct field *field, uint64_t value)
{
	if (field->known) {
		if (value & ~field->known)
			return field->status;
		return (value & field->needing) && !(value & field->needed) ? field->unmet
									    : BYPASS_RDMA_OK;
	}
	if ((value >= field->least && value <= field->most) || value == field->also)
		return BYPASS_RDMA_OK;
	return field->status;
}

/* One value, by a process of its own, with which all goes that it made. */
static inline void fields_try(struct fields *f, const struct field *field, uint64_t value)
{
	const struct bypass_rdma_create_cq cq = {.cqe = 16};
	uint32_t status, bad = fields_bad(field, value), want = bad ? bad : fields_good(field);
	union body body;

	f->g->ucontext = BYPASS_RDMA_NONE;
	f->g->ucontext = fields_must(f, BYPASS_RDMA_ALLOC_UCONTEXT, NULL, 0,
				     sizeof(struct bypass_rdma_handle));
	f->pd = fields_must(f, BYPASS_RDMA_ALLOC_PD, NULL, 0, sizeof(struct bypass_rdma_handle));
	f->cq = fields_must(f, BYPASS_RDMA_CREATE_CQ, &cq, sizeof(cq),
			    sizeof(struct bypass_rdma_cq));
	memset(&body, 0, sizeof(body));
	fields_prepare(f, field, &body);
	memcpy(body.bytes + field->at, &value, field->size);
	status = fields_call(f, field->command, &body, field->body, NULL, 0);
	f->tried++;
	f->refused += !!status;
	if (status != want && !(!bad && f->real && status != BYPASS_RDMA_E_MALFORMED)) {
		printf("%s = %#llx: status %u, not %u\n", field->name, (unsigned long long)value,
		       status, want);
		f->wrong++;
	}
	rdma_guest_destroy(f->g, BYPASS_RDMA_DEALLOC_UCONTEXT, f->g->ucontext);
	f->g->ucontext = BYPASS_RDMA_NONE;
}

static inline void fields_try_all(struct fields *f, const struct field *field)
{
	uint64_t top = field->size >= 8 ? -1ull : (1ull << 8 * field->size) - 1;
	const uint64_t values[] = {0,
				   1,
				   field->least,
				   field->most,
				   field->least - 1,
				   field->most - 1,
				   field->most + 1,
				   top,
				   top / 2 + 1};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		bool again = values[i] > top;

		for (size_t k = 0; k < i && !again; k++)
			again = values[k] == values[i];
		if (!again)
			fields_try(f, field, values[i]);
	}
}

/* Each bit alone, with the bit that others need, and beside all that are known. */
static inline void fields_try_bits(struct fields *f, const struct field *field)
{
	fields_try(f, field, 0);
	fields_try(f, field, field->known);
	fields_try(f, field, field->known & ~field->needed);
	fields_try(f, field, 0xffffffff);
	for (unsigned int i = 0; i < 32; i++) {
		uint64_t bit = 1ull << i;

		fields_try(f, field, bit);
		fields_try(f, field, bit | field->needed);
		fields_try(f, field, bit | field->known);
	}
}

/* What the slice says of its limits; then every field of the table. */
static inline void fields_run(struct fields *f)
{
	const struct bypass_rdma_port_query query = {.port = 1};
	struct bypass_rdma_device device;
	static struct bypass_rdma_gids gids;
	struct bypass_rdma_port port;

	f->page = guest_alloc(&f->g->guest, GUEST_PAGE);
	if (rdma_guest_set_doorbell(f->g) ||
	    fields_call(f, BYPASS_RDMA_QUERY_DEVICE, NULL, 0, &device, sizeof(device)) ||
	    fields_call(f, BYPASS_RDMA_QUERY_PORT, &query, sizeof(query), &port, sizeof(port)) ||
	    fields_call(f, BYPASS_RDMA_QUERY_GIDS, &query, sizeof(query), &gids, sizeof(gids)))
		guest_die("first commands");
	/* The last GID in use is an address, where there is one. */
	f->av = (struct bypass_rdma_ah_attr){.is_global = 1, .hop_limit = 64, .port = 1};
	for (uint32_t i = 0; i < gids.count; i++) {
		static const uint8_t none[16];

		if (!memcmp(gids.gid[i], none, sizeof(none)))
			continue;
		f->av.sgid_index = i;
		memcpy(f->av.dgid, gids.gid[i], sizeof(f->av.dgid));
	}
	f->ports = f->g->config.ports;
	f->vectors = f->g->config.vectors;
	f->active_mtu = port.active_mtu;
	f->gids = port.gid_tbl_len;
	f->pkeys = port.pkey_tbl_len;
	f->max_cqe = device.max_cqe;
	f->max_qp_wr = device.max_qp_wr;
	f->max_send_sge = device.max_send_sge;
	f->max_recv_sge = device.max_recv_sge;
	f->max_srq_wr = device.max_srq_wr;
	f->max_srq_sge = device.max_srq_sge;
	f->max_init_rd = device.max_qp_init_rd_atom;
	f->max_dest_rd = device.max_qp_rd_atom;

#define LIMIT(name) ((uint64_t)f->name)
#define PLACE(code, type, member)                                                                  \
	.command = BYPASS_RDMA_##code, .name = #code "." #member,                                  \
	.at = offsetof(struct bypass_rdma_##type, member),                                         \
	.size = sizeof(((struct bypass_rdma_##type *)0)->member),                                  \
	.body = sizeof(struct bypass_rdma_##type)
#define FIELD(code, type, member, low, high, other, bad)                                           \
	fields_try_all(f, &(const struct field){PLACE(code, type, member), .least = low,           \
						.most = high, .also = other,                       \
						.status = BYPASS_RDMA_E_##bad});
#define BITS(code, type, member, all, some, one, bad, alone)                                       \
	fields_try_bits(f, &(const struct field){PLACE(code, type, member), .known = all,          \
						 .needing = some, .needed = one,                   \
						 .status = BYPASS_RDMA_E_##bad,                    \
						 .unmet = BYPASS_RDMA_E_##alone});
#define HANDLE(code, type, member)                                                                 \
	fields_try(                                                                                \
		f,                                                                                 \
		&(const struct field){PLACE(code, type, member), .status = BYPASS_RDMA_E_HANDLE},  \
		0x80000000);
#include "threat-model.h"
#undef FIELD
#undef BITS
#undef PLACE
#undef HANDLE
#undef LIMIT
}

#endif
