// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: from a request to the end of a connection. The queue pairs are those that the guest has
 * made by verbs: rdma_cm only tells the peer their numbers, and says with which attributes the guest is
 * to modify them.
 */
#include <errno.h>
#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_cm.h>

#include <bypass/error.h>

#include "internal.h"

#define COUNT_MOST 7 /* of retries, three bits on the wire */

static bool has_qp(const struct rdma_slice *s, uint32_t qpn)
{
	const struct rdma_table *qps = &s->tables[RDMA_QP];

	for (uint32_t i = 0; i < qps->size; i++) {
		if (qps->objects[i].live && qps->objects[i].qpn == qpn)
			return true;
	}
	return false;
}

/* The parameters as rdma_cm has them. Nothing but the private data is passed on unseen. */
static int convert(struct rdma_slice *s, const struct rdma_object *id,
		   const struct bypass_rdma_cm_conn *conn, struct rdma_ucm_conn_param *to)
{
	/* A client of UD names no queue pair to its peer. */
	if (!has_qp(s, le32toh(conn->qpn)) && (id->qp_type == RDMA_PS_TCP || conn->qpn))
		return bypass_fail(EINVAL, "the guest has no queue pair of number %#x",
				   le32toh(conn->qpn));
	if (conn->srq > 1 || conn->flow_control > 1 || conn->retry_count > COUNT_MOST ||
	    conn->rnr_retry_count > COUNT_MOST)
		return bypass_fail(EINVAL,
				   "parameters of a connection: SRQ %u, flow control %u, retries "
				   "%u "
				   "and %u: at most 1, 1, %u, %u",
				   conn->srq, conn->flow_control, conn->retry_count,
				   conn->rnr_retry_count, COUNT_MOST, COUNT_MOST);
	*to = (struct rdma_ucm_conn_param){
		.qp_num = le32toh(conn->qpn),
		.qkey = le32toh(conn->qkey),
		.private_data_len = conn->private_data_len,
		.srq = conn->srq,
		.responder_resources = conn->responder_resources,
		.initiator_depth = conn->initiator_depth,
		.flow_control = conn->flow_control,
		.retry_count = conn->retry_count,
		.rnr_retry_count = conn->rnr_retry_count,
		.valid = 1,
	};
	memcpy(to->private_data, conn->private_data, sizeof(to->private_data));
	return 0;
}

static struct rdma_ucm_ece convert_ece(const struct bypass_rdma_cm_conn *conn)
{
	return (struct rdma_ucm_ece){
		.vendor_id = le32toh(conn->ece_vendor),
		.attr_mod = le32toh(conn->ece_attr_mod),
	};
}

int rdma_cm_connect(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_connect *body = c->body;
	struct rdma_ucm_connect in = {.ece = convert_ece(&body->conn)};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && le32toh(body->valid) != 1)
		err = bypass_fail(EINVAL, "a connection has parameters");
	if (!err)
		err = convert(s, id, &body->conn, &in.conn_param);
	if (err)
		return err;
	in.id = id->host;
	return rdma_cm_call(s, RDMA_USER_CM_CMD_CONNECT, &in, sizeof(in), 0, "connect");
}

/* Without parameters the side that connects confirms the peer's answer. */
int rdma_cm_accept(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_connect *body = c->body;
	struct rdma_ucm_accept in = {.uid = le32toh(body->id) + 1};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && le32toh(body->valid) > 1)
		err = bypass_fail(EINVAL, "parameters are valid (1), or not (0)");
	if (!err && body->valid) {
		in.ece = convert_ece(&body->conn);
		err = convert(s, id, &body->conn, &in.conn_param);
	}
	if (err)
		return err;
	in.id = id->host;
	return rdma_cm_call(s, RDMA_USER_CM_CMD_ACCEPT, &in, sizeof(in), 0, "accept");
}

#define REASON_CONSUMER 28 /* IBTA 12.6.7.2: rejected by the consumer … */
#define REASON_ECE	35 /* … or an option that is not supported */

int rdma_cm_reject(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_reject *body = c->body;
	struct rdma_ucm_reject in = {
		.private_data_len = body->private_data_len,
		.reason = body->reason,
	};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && body->reason && body->reason != REASON_CONSUMER && body->reason != REASON_ECE)
		err = bypass_fail(EINVAL, "reason %u of a rejection: 0, %u and %u can be given",
				  body->reason, REASON_CONSUMER, REASON_ECE);
	if (err)
		return err;
	in.id = id->host;
	memcpy(in.private_data, body->private_data, sizeof(in.private_data));
	return rdma_cm_call(s, RDMA_USER_CM_CMD_REJECT, &in, sizeof(in), 0, "reject");
}

int rdma_cm_disconnect(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	struct rdma_ucm_disconnect in = {0};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->handle), &err);
	if (!id)
		return err;
	in.id = id->host;
	return rdma_cm_call(s, RDMA_USER_CM_CMD_DISCONNECT, &in, sizeof(in), 0, "disconnect");
}

int rdma_cm_notify(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_notify *body = c->body;
	struct rdma_ucm_notify in = {.event = BYPASS_RDMA_EVENT_COMM_EST};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && le32toh(body->event) != in.event)
		err = bypass_fail(EINVAL, "event %u cannot be told to an id: only %u",
				  le32toh(body->event), in.event);
	if (err)
		return err;
	in.id = id->host;
	return rdma_cm_call(s, RDMA_USER_CM_CMD_NOTIFY, &in, sizeof(in), 0, "tell an event");
}

void rdma_cm_from_av(struct rdma_slice *s, const struct ib_uverbs_ah_attr *from,
		     struct bypass_rdma_ah_attr *to)
{
	struct ib_uverbs_qp_dest dest = {
		.flow_label = from->grh.flow_label,
		.dlid = from->dlid,
		.sgid_index = from->grh.sgid_index,
		.hop_limit = from->grh.hop_limit,
		.traffic_class = from->grh.traffic_class,
		.sl = from->sl,
		.src_path_bits = from->src_path_bits,
		.static_rate = from->static_rate,
		.is_global = from->is_global,
		.port_num = from->port_num,
	};

	memcpy(dest.dgid, from->grh.dgid, sizeof(dest.dgid));
	rdma_av_from_dest(s, &dest, to);
}

/* The guest gives the attributes back with MODIFY_QP, where each one is checked. */
int rdma_cm_init_qp_attr(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_init_qp *body = c->body;
	struct bypass_rdma_modify_qp *reply = (void *)c->reply;
	struct ib_uverbs_qp_attr out = {0};
	struct rdma_ucm_init_qp_attr in = {.response = (uintptr_t)&out,
					   .qp_state = le32toh(body->qp_state)};
	const struct rdma_object *id;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && in.qp_state > IBV_QPS_ERR)
		err = bypass_fail(EINVAL, "state %u of a queue pair: at most %u", in.qp_state,
				  IBV_QPS_ERR);
	if (err)
		return err;
	in.id = id->host;
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_INIT_QP_ATTR, &in, sizeof(in), sizeof(out),
			   "give the attributes of a queue pair");
	if (err)
		return err;
	reply->mask = htole32(out.qp_attr_mask);
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
		.max_rd_atomic = out.max_rd_atomic,
		.max_dest_rd_atomic = out.max_dest_rd_atomic,
		.min_rnr_timer = out.min_rnr_timer,
		.port = out.port_num,
		.timeout = out.timeout,
		.retry_cnt = out.retry_cnt,
		.rnr_retry = out.rnr_retry,
	};
	rdma_cm_from_av(s, &out.ah_attr, &reply->attr.ah);
	return 0;
}
