// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queue pairs.
 */
#include <errno.h>
#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

/* Bits of verbs' enum ib_qp_attr_mask that mean something here: STATE (0) to DEST_QPN (20). */
#define ATTRIBUTES ((1u << 21) - 1)

/* No HCA inlines as much. Verbs has no limit to ask for, and so each driver checks its own. */
#define INLINE_MAX 4096u

static bool is_xrc(uint32_t type)
{
	return type == IB_UVERBS_QPT_XRC_INI || type == IB_UVERBS_QPT_XRC_TGT;
}

static bool has_type(const struct rdma_slice *s, uint32_t type)
{
	return type == IB_UVERBS_QPT_RC || type == IB_UVERBS_QPT_UC || type == IB_UVERBS_QPT_UD ||
	       (s->dialect->xrc && is_xrc(type));
}

static int check_caps(struct rdma_slice *s, const struct bypass_rdma_create_qp *body)
{
	uint32_t wr = le32toh(s->limits.max_qp_wr);

	if (!has_type(s, le32toh(body->type)))
		return bypass_fail(EOPNOTSUPP,
				   "queue pairs of type %u cannot be had through a slice",
				   le32toh(body->type));
	if (body->create_flags)
		return bypass_fail(EOPNOTSUPP, "flags %#x of a queue pair cannot be had",
				   le32toh(body->create_flags));
	if (le32toh(body->sq_sig_all) > 1)
		return bypass_fail(EPROTO, "sq_sig_all is neither 0 nor 1");
	if (le32toh(body->max_send_wr) > wr || le32toh(body->max_recv_wr) > wr)
		return bypass_fail(EINVAL,
				   "a queue pair cannot have %u and %u requests: at most %u each "
				   "(depth=)",
				   le32toh(body->max_send_wr), le32toh(body->max_recv_wr), wr);
	if (le32toh(body->max_send_sge) > le32toh(s->limits.max_send_sge) ||
	    le32toh(body->max_recv_sge) > le32toh(s->limits.max_recv_sge))
		return bypass_fail(
			EINVAL, "a queue pair cannot have %u and %u SGEs: at most %u and %u",
			le32toh(body->max_send_sge), le32toh(body->max_recv_sge),
			le32toh(s->limits.max_send_sge), le32toh(s->limits.max_recv_sge));
	if (le32toh(body->max_inline_data) > INLINE_MAX)
		return bypass_fail(EINVAL, "a queue pair of %u bytes of inline data: at most %u",
				   le32toh(body->max_inline_data), INLINE_MAX);
	return 0;
}

/* The uverbs handle of an object, if the queue pair has one of this kind; else @handle must be none. */
static int find_part(struct rdma_slice *s, bool has, enum rdma_kind kind, __le32 handle,
		     uint32_t *host)
{
	const struct rdma_object *object;

	if (!has && le32toh(handle) != BYPASS_RDMA_NONE)
		return bypass_fail(EBADF, "handle %u of %s for a queue pair that has none of them",
				   le32toh(handle), s->tables[kind].what);
	if (!has)
		return 0;
	object = rdma_table_get(&s->tables[kind], le32toh(handle));
	if (!object)
		return -EBADF;
	*host = object->host;
	return 0;
}

/*
 * The objects that a new queue pair refers to, by their uverbs handles. XRC splits a queue pair:
 * the initiator only sends; the target only receives, into queues of its domain, and has nothing
 * else.
 */
static int find_parts(struct rdma_slice *s, const struct bypass_rdma_create_qp *body,
		      struct ib_uverbs_create_qp *in)
{
	bool target = in->qp_type == IB_UVERBS_QPT_XRC_TGT;
	int err;

	in->is_srq = le32toh(body->srq) != BYPASS_RDMA_NONE;
	err = find_part(s, true, target ? RDMA_XRCD : RDMA_PD, body->pd, &in->pd_handle);
	if (!err)
		err = find_part(s, !target, RDMA_CQ, body->send_cq, &in->send_cq_handle);
	if (!err)
		err = find_part(s, !is_xrc(in->qp_type), RDMA_CQ, body->recv_cq,
				&in->recv_cq_handle);
	if (!err)
		err = find_part(s, in->is_srq && !is_xrc(in->qp_type), RDMA_SRQ, body->srq,
				&in->srq_handle);
	return err;
}

int rdma_create_qp(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_create_qp *body = c->body;
	struct bypass_rdma_qp *reply = (void *)c->reply;
	struct rdma_mapping owner = {.ucontext = c->ucontext, .kind = RDMA_QP};
	struct ib_uverbs_create_qp in = {
		.max_send_wr = le32toh(body->max_send_wr),
		.max_recv_wr = le32toh(body->max_recv_wr),
		.max_send_sge = le32toh(body->max_send_sge),
		.max_recv_sge = le32toh(body->max_recv_sge),
		.max_inline_data = le32toh(body->max_inline_data),
		.sq_sig_all = le32toh(body->sq_sig_all),
		.qp_type = le32toh(body->type),
	};
	struct ib_uverbs_create_qp_resp out;
	const struct rdma_queue_call call = {
		.what = "a queue pair",
		.uverbs = IB_USER_VERBS_CMD_CREATE_QP,
		.in = &in,
		.in_size = sizeof(in),
		.out = &out,
		.out_size = sizeof(out),
		.shape = {.entries = in.max_send_wr + in.max_recv_wr},
	};
	struct rdma_object *qp;
	struct rdma_blob blob;
	uint64_t pinned;
	int err;

	err = check_caps(s, body);
	if (!err)
		err = find_parts(s, body, &in);
	if (!err)
		err = in.qp_type == IB_UVERBS_QPT_XRC_TGT ? rdma_blob_none(s, c, &blob)
							  : rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_QP], c->ucontext, &owner.handle);
	if (err)
		return err;

	in.user_handle = owner.handle;
	err = rdma_queue_make(s, c, &blob, &call, &pinned);
	if (err) {
		rdma_table_put(&s->tables[RDMA_QP], owner.handle);
		return err;
	}
	rdma_count(&s->stats.objects, 1);
	qp = &s->tables[RDMA_QP].objects[owner.handle];
	rdma_quota_set(s, qp, pinned);
	qp->host = out.qp_handle;
	qp->qp_type = in.qp_type;
	qp->qpn = out.qpn;
	err = rdma_blob_out(s, c, &blob, &owner, in.qp_type);
	if (err) {
		rdma_object_undo(s, RDMA_QP, owner.handle);
		return err;
	}
	atomic_store(&s->qp_hosts[owner.handle], out.qp_handle + 1);
	*reply = (struct bypass_rdma_qp){
		.handle = htole32(owner.handle),
		.qpn = htole32(out.qpn),
		.max_send_wr = htole32(out.max_send_wr),
		.max_recv_wr = htole32(out.max_recv_wr),
		.max_send_sge = htole32(out.max_send_sge),
		.max_recv_sge = htole32(out.max_recv_sge),
		.max_inline_data = htole32(out.max_inline_data),
	};
	return 0;
}

/*
 * Ask the host for the state of a queue pair, which can fall to SQE or ERR by itself. No other
 * state comes without MODIFY_QP, and none at all while the queue pair is in RESET.
 */
static int refresh_state(struct rdma_slice *s, struct rdma_object *qp)
{
	struct ib_uverbs_query_qp in = {.qp_handle = qp->host, .attr_mask = IBV_QP_STATE};
	struct ib_uverbs_query_qp_resp out;
	int err;

	if (qp->qp_state == IBV_QPS_RESET)
		return 0;
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_QUERY_QP, &in, sizeof(in), &out, sizeof(out),
			  NULL);
	if (err)
		return bypass_fail(-err, "%s does not tell the state of a queue pair: %s",
				   s->hca.name, strerror(-err));
	qp->qp_state = out.qp_state;
	return 0;
}

/* May this queue pair be modified so? Then its state is the host's. */
static int check_modify(struct rdma_slice *s, struct rdma_object *qp,
			const struct bypass_rdma_qp_attr *attr, uint32_t mask)
{
	uint8_t to;
	int err;

	if (mask & ~ATTRIBUTES)
		return bypass_fail(EOPNOTSUPP, "the attributes %#x of a queue pair cannot be set",
				   mask & ~ATTRIBUTES);
	err = refresh_state(s, qp);
	if (err)
		return err;
	if ((mask & IBV_QP_CUR_STATE) && attr->cur_qp_state != qp->qp_state)
		return bypass_fail(EINVAL, "a queue pair is in state %u, not %u", qp->qp_state,
				   attr->cur_qp_state);
	/* Without a new state the queue pair stays in its own, and the rules of that hold. */
	to = mask & IBV_QP_STATE ? attr->qp_state : qp->qp_state;
	err = rdma_qp_check_transition(qp->qp_type, qp->qp_state, to, mask);
	if (err)
		return err;
	if (qp->qp_state != IBV_QPS_INIT && (mask & s->dialect->fixed_in_use))
		return bypass_fail(EOPNOTSUPP,
				   "the attributes %#x of a queue pair cannot be set once it "
				   "receives",
				   mask & s->dialect->fixed_in_use);
	return rdma_qp_check_attributes(s, qp, attr, mask);
}

/* What the guest names by indices of its own tables. Nothing is known of fields outside the mask. */
static int translate_paths(struct rdma_slice *s, const struct bypass_rdma_qp_attr *attr,
			   uint32_t mask, struct ib_uverbs_modify_qp *in)
{
	int err = 0;

	if (mask & IBV_QP_PKEY_INDEX)
		in->pkey_index = rdma_scope_pkey_to_host(s, le16toh(attr->pkey_index));
	if (mask & IBV_QP_AV)
		err = rdma_av_to_dest(s, &attr->ah, &in->dest);
	if (err || !(mask & IBV_QP_ALT_PATH))
		return err;
	in->alt_pkey_index = rdma_scope_pkey_to_host(s, le16toh(attr->alt_pkey_index));
	return rdma_av_to_dest(s, &attr->alt_ah, &in->alt_dest);
}

/* A queue pair in RESET has no work requests. Events that it had in ERR are read before it has new ones. */
static void forget_past(struct rdma_slice *s, struct rdma_object *qp, uint32_t handle)
{
	rdma_events_read(s);
	qp->last_wqe = false;
	if (s->guarded)
		rdma_guard_reset(s, handle);
}

int rdma_modify_qp(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_modify_qp *body = c->body;
	const struct bypass_rdma_qp_attr *attr = &body->attr;
	struct rdma_object *qp = rdma_table_get(&s->tables[RDMA_QP], le32toh(body->handle));
	const struct rdma_mapping owner = {.kind = RDMA_QP, .handle = le32toh(body->handle)};
	uint32_t mask = le32toh(body->mask);
	struct ib_uverbs_modify_qp in = {
		/* The driver knows the current state, and would believe a false one from the guest. */
		.attr_mask = mask & ~(uint32_t)IBV_QP_CUR_STATE,
		.qkey = le32toh(attr->qkey),
		.rq_psn = le32toh(attr->rq_psn),
		.sq_psn = le32toh(attr->sq_psn),
		.dest_qp_num = le32toh(attr->dest_qpn),
		.qp_access_flags = le32toh(attr->access),
		.qp_state = attr->qp_state,
		.path_mtu = attr->path_mtu,
		.path_mig_state = attr->path_mig_state,
		.en_sqd_async_notify = attr->en_sqd_async_notify,
		.max_rd_atomic = attr->max_rd_atomic,
		.max_dest_rd_atomic = attr->max_dest_rd_atomic,
		.min_rnr_timer = attr->min_rnr_timer,
		.port_num = attr->port,
		.timeout = attr->timeout,
		.retry_cnt = attr->retry_cnt,
		.rnr_retry = attr->rnr_retry,
		.alt_port_num = attr->alt_port,
		.alt_timeout = attr->alt_timeout,
	};
	struct rdma_blob blob;
	int err;

	if (!qp)
		return -EBADF;
	err = check_modify(s, qp, attr, mask);
	if (!err)
		err = translate_paths(s, attr, mask, &in);
	if (!err)
		err = rdma_blob_in(s, c, &blob);
	if (err)
		return err;
	in.qp_handle = qp->host;
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_MODIFY_QP, &in, sizeof(in), NULL, 0,
			  &blob.udata);
	if (err)
		return bypass_fail(-err,
				   "%s refuses to modify a queue pair (mask %#x, state %u): %s",
				   s->hca.name, in.attr_mask, in.qp_state, strerror(-err));
	if (mask & IBV_QP_STATE)
		qp->qp_state = attr->qp_state;
	if (qp->qp_state == IBV_QPS_RESET)
		forget_past(s, qp, owner.handle);
	if (mask & IBV_QP_PORT)
		qp->port = attr->port;
	return rdma_blob_out(s, c, &blob, &owner, qp->qp_type);
}

int rdma_query_qp(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_query_qp *body = c->body;
	struct rdma_object *qp = rdma_table_get(&s->tables[RDMA_QP], le32toh(body->handle));
	struct bypass_rdma_qp_state *reply = (void *)c->reply;
	struct ib_uverbs_query_qp in = {.attr_mask = le32toh(body->mask) & ATTRIBUTES};
	struct ib_uverbs_query_qp_resp out;
	int err;

	if (!qp)
		return -EBADF;
	in.qp_handle = qp->host;
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_QUERY_QP, &in, sizeof(in), &out, sizeof(out),
			  NULL);
	if (err)
		return bypass_fail(-err, "%s cannot query a queue pair: %s", s->hca.name,
				   strerror(-err));
	reply->attr = (struct bypass_rdma_qp_attr){
		.qp_state = out.qp_state,
		.cur_qp_state = out.cur_qp_state,
		.path_mtu = out.path_mtu,
		.path_mig_state = out.path_mig_state,
		.qkey = htole32(out.qkey),
		.rq_psn = htole32(out.rq_psn),
		.sq_psn = htole32(out.sq_psn),
		.dest_qpn = htole32(out.dest_qp_num),
		.access = htole32(out.qp_access_flags),
		.pkey_index = htole16(rdma_scope_pkey_from_host(s, out.pkey_index)),
		.alt_pkey_index = htole16(rdma_scope_pkey_from_host(s, out.alt_pkey_index)),
		.sq_draining = out.sq_draining,
		.max_rd_atomic = out.max_rd_atomic,
		.max_dest_rd_atomic = out.max_dest_rd_atomic,
		.min_rnr_timer = out.min_rnr_timer,
		.port = out.port_num,
		.timeout = out.timeout,
		.retry_cnt = out.retry_cnt,
		.rnr_retry = out.rnr_retry,
		.alt_port = out.alt_port_num,
		.alt_timeout = out.alt_timeout,
	};
	rdma_av_from_dest(s, &out.dest, &reply->attr.ah);
	rdma_av_from_dest(s, &out.alt_dest, &reply->attr.alt_ah);
	reply->init = (struct bypass_rdma_qp){
		.handle = body->handle,
		.max_send_wr = htole32(out.max_send_wr),
		.max_recv_wr = htole32(out.max_recv_wr),
		.max_send_sge = htole32(out.max_send_sge),
		.max_recv_sge = htole32(out.max_recv_sge),
		.max_inline_data = htole32(out.max_inline_data),
	};
	reply->sq_sig_all = htole32(out.sq_sig_all);
	return 0;
}
