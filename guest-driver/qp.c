// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queue pairs: RC, UC, UD, and the two halves of an XRC connection. The numbers of states, masks
 * and access flags are those of verbs on both sides. The host resolves addresses.
 */
#include "internal.h"

static u32 srq_handle(struct ib_srq *ibsrq)
{
	return ibsrq ? to_srq(ibsrq)->object.handle : BYPASS_RDMA_NONE;
}

static u32 cq_handle(struct ib_cq *ibcq)
{
	return ibcq ? to_cq(ibcq)->object.handle : BYPASS_RDMA_NONE;
}

static void unpack_caps(struct ib_qp_cap *cap, const struct bypass_rdma_qp *from)
{
	cap->max_send_wr = le32_to_cpu(from->max_send_wr);
	cap->max_recv_wr = le32_to_cpu(from->max_recv_wr);
	cap->max_send_sge = le32_to_cpu(from->max_send_sge);
	cap->max_recv_sge = le32_to_cpu(from->max_recv_sge);
	cap->max_inline_data = le32_to_cpu(from->max_inline_data);
}

static bool has_type(const struct bypass_dev *dev, enum ib_qp_type type)
{
	switch (type) {
	case IB_QPT_RC:
	case IB_QPT_UC:
	case IB_QPT_UD:
		return true;
	case IB_QPT_XRC_INI:
	case IB_QPT_XRC_TGT:
		return virtio_has_feature(dev->vdev, BYPASS_RDMA_F_XRC);
	default:
		return false;
	}
}

/* What the queue pair belongs to: a target to an XRC domain, all others to a protection domain. */
static u32 domain_handle(struct ib_qp *ibqp, const struct ib_qp_init_attr *init)
{
	return init->qp_type == IB_QPT_XRC_TGT ? to_xrcd(init->xrcd)->object.handle
					       : to_pd(ibqp->pd)->object.handle;
}

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_CREATE_QP,
	.destroy = BYPASS_RDMA_DESTROY_QP,
	.request_size = sizeof(struct bypass_rdma_create_qp),
	.response_size = sizeof(struct bypass_rdma_qp),
};

int bypass_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *init, struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibqp->device);
	struct bypass_qp *qp = to_qp(ibqp);
	struct bypass_rdma_create_qp request = {
		.send_cq = cpu_to_le32(cq_handle(init->send_cq)),
		.recv_cq = cpu_to_le32(cq_handle(init->recv_cq)),
		.srq = cpu_to_le32(srq_handle(init->srq)),
		.type = cpu_to_le32(init->qp_type),
		.sq_sig_all = cpu_to_le32(init->sq_sig_type == IB_SIGNAL_ALL_WR),
		.max_send_wr = cpu_to_le32(init->cap.max_send_wr),
		.max_recv_wr = cpu_to_le32(init->cap.max_recv_wr),
		.max_send_sge = cpu_to_le32(init->cap.max_send_sge),
		.max_recv_sge = cpu_to_le32(init->cap.max_recv_sge),
		.max_inline_data = cpu_to_le32(init->cap.max_inline_data),
		.create_flags = cpu_to_le32(init->create_flags),
	};
	struct bypass_rdma_qp response;
	int err;

	if (!has_type(dev, init->qp_type))
		return -EOPNOTSUPP;
	request.pd = cpu_to_le32(domain_handle(ibqp, init));
	qp->object.table = &dev->qps;
	err = bypass_create(dev, &qp->object, &kind, &request, &response, udata);
	if (err)
		return err;
	ibqp->qp_num = le32_to_cpu(response.qpn);
	unpack_caps(&init->cap, &response);
	return 0;
}

static void pack_attr(struct bypass_rdma_qp_attr *to, const struct ib_qp_attr *from, int mask)
{
	if (mask & IB_QP_AV)
		bypass_pack_ah(&to->ah, &from->ah_attr);
	if (mask & IB_QP_ALT_PATH) {
		bypass_pack_ah(&to->alt_ah, &from->alt_ah_attr);
		to->alt_pkey_index = cpu_to_le16(from->alt_pkey_index);
		to->alt_port = from->alt_port_num;
		to->alt_timeout = from->alt_timeout;
	}
	to->qp_state = from->qp_state;
	to->cur_qp_state = from->cur_qp_state;
	to->path_mtu = from->path_mtu;
	to->path_mig_state = from->path_mig_state;
	to->qkey = cpu_to_le32(from->qkey);
	to->rq_psn = cpu_to_le32(from->rq_psn);
	to->sq_psn = cpu_to_le32(from->sq_psn);
	to->dest_qpn = cpu_to_le32(from->dest_qp_num);
	to->access = cpu_to_le32(from->qp_access_flags);
	to->pkey_index = cpu_to_le16(from->pkey_index);
	to->en_sqd_async_notify = from->en_sqd_async_notify;
	to->max_rd_atomic = from->max_rd_atomic;
	to->max_dest_rd_atomic = from->max_dest_rd_atomic;
	to->min_rnr_timer = from->min_rnr_timer;
	to->port = from->port_num;
	to->timeout = from->timeout;
	to->retry_cnt = from->retry_cnt;
	to->rnr_retry = from->rnr_retry;
	to->rate_limit = cpu_to_le32(from->rate_limit);
}

int bypass_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask, struct ib_udata *udata)
{
	struct bypass_qp *qp = to_qp(ibqp);
	struct bypass_rdma_modify_qp request = {
		.handle = cpu_to_le32(qp->object.handle),
		.mask = cpu_to_le32(mask),
	};
	struct bypass_command command = {
		.number = BYPASS_RDMA_MODIFY_QP,
		.ucontext = qp->object.owner,
		.request = &request,
		.request_size = sizeof(request),
		.udata = udata,
	};
	int err;

	pack_attr(&request.attr, attr, mask);
	/* Two threads may modify one queue pair: the last state is that of the last command. */
	mutex_lock(&qp->object.lock);
	err = bypass_execute(to_dev(ibqp->device), &command);
	if (!err && mask & IB_QP_STATE)
		WRITE_ONCE(qp->state, attr->qp_state);
	mutex_unlock(&qp->object.lock);
	return err;
}

static void unpack_attr(struct bypass_dev *dev, struct ib_qp_attr *to,
			const struct bypass_rdma_qp_attr *from)
{
	memset(to, 0, sizeof(*to));
	bypass_unpack_ah(dev, &to->ah_attr, &from->ah);
	bypass_unpack_ah(dev, &to->alt_ah_attr, &from->alt_ah);
	to->qp_state = from->qp_state;
	to->cur_qp_state = from->cur_qp_state;
	to->path_mtu = from->path_mtu;
	to->path_mig_state = from->path_mig_state;
	to->qkey = le32_to_cpu(from->qkey);
	to->rq_psn = le32_to_cpu(from->rq_psn);
	to->sq_psn = le32_to_cpu(from->sq_psn);
	to->dest_qp_num = le32_to_cpu(from->dest_qpn);
	to->qp_access_flags = le32_to_cpu(from->access);
	to->pkey_index = le16_to_cpu(from->pkey_index);
	to->alt_pkey_index = le16_to_cpu(from->alt_pkey_index);
	to->en_sqd_async_notify = from->en_sqd_async_notify;
	to->sq_draining = from->sq_draining;
	to->max_rd_atomic = from->max_rd_atomic;
	to->max_dest_rd_atomic = from->max_dest_rd_atomic;
	to->min_rnr_timer = from->min_rnr_timer;
	to->port_num = from->port;
	to->timeout = from->timeout;
	to->retry_cnt = from->retry_cnt;
	to->rnr_retry = from->rnr_retry;
	to->alt_port_num = from->alt_port;
	to->alt_timeout = from->alt_timeout;
	to->rate_limit = le32_to_cpu(from->rate_limit);
}

int bypass_query_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
		    struct ib_qp_init_attr *init)
{
	struct bypass_dev *dev = to_dev(ibqp->device);
	const struct bypass_object *qp = &to_qp(ibqp)->object;
	struct bypass_rdma_query_qp request = {
		.handle = cpu_to_le32(qp->handle),
		.mask = cpu_to_le32(mask),
	};
	struct bypass_rdma_qp_state response = {};
	struct bypass_command command = {
		.number = BYPASS_RDMA_QUERY_QP,
		.ucontext = qp->owner,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
	};
	int err = bypass_execute(dev, &command);

	if (err)
		return err;
	unpack_attr(dev, attr, &response.attr);
	unpack_caps(&attr->cap, &response.init);
	memset(init, 0, sizeof(*init));
	init->cap = attr->cap;
	init->qp_type = ibqp->qp_type;
	init->send_cq = ibqp->send_cq;
	init->recv_cq = ibqp->recv_cq;
	init->srq = ibqp->srq;
	init->qp_context = ibqp->qp_context;
	init->event_handler = ibqp->event_handler;
	init->sq_sig_type = response.sq_sig_all ? IB_SIGNAL_ALL_WR : IB_SIGNAL_REQ_WR;
	return 0;
}

int bypass_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata)
{
	return bypass_destroy(to_dev(ibqp->device), &to_qp(ibqp)->object);
}
