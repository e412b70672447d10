// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Shared receive queues.
 */
#include "internal.h"

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_CREATE_SRQ,
	.destroy = BYPASS_RDMA_DESTROY_SRQ,
	.request_size = sizeof(struct bypass_rdma_create_srq),
	.response_size = sizeof(struct bypass_rdma_srq),
};

static const struct bypass_kind xrc_kind = {
	.create = BYPASS_RDMA_CREATE_XSRQ,
	.destroy = BYPASS_RDMA_DESTROY_SRQ,
	.request_size = sizeof(struct bypass_rdma_create_xsrq),
	.response_size = sizeof(struct bypass_rdma_xsrq),
};

/* A queue of an XRC domain; its body and its answer begin as those of an ordinary one. */
static int create_xrc(struct ib_srq *ibsrq, struct ib_srq_init_attr *init, struct ib_udata *udata,
		      const struct bypass_rdma_create_srq *basic, struct bypass_rdma_srq *answer)
{
	struct bypass_rdma_create_xsrq request = {
		.srq = *basic,
		.xrcd = cpu_to_le32(to_xrcd(init->ext.xrc.xrcd)->object.handle),
		.cq = cpu_to_le32(to_cq(init->ext.cq)->object.handle),
	};
	struct bypass_rdma_xsrq response;
	int err = bypass_create(to_dev(ibsrq->device), &to_srq(ibsrq)->object, &xrc_kind, &request,
				&response, udata);

	if (err)
		return err;
	ibsrq->ext.xrc.srq_num = le32_to_cpu(response.srqn);
	*answer = response.srq;
	return 0;
}

int bypass_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init, struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibsrq->device);
	struct bypass_srq *srq = to_srq(ibsrq);
	const struct bypass_rdma_create_srq request = {
		.pd = cpu_to_le32(to_pd(ibsrq->pd)->object.handle),
		.max_wr = cpu_to_le32(init->attr.max_wr),
		.max_sge = cpu_to_le32(init->attr.max_sge),
		.srq_limit = cpu_to_le32(init->attr.srq_limit),
	};
	struct bypass_rdma_srq response;
	int err = -EOPNOTSUPP;

	srq->object.table = &dev->srqs;
	if (init->srq_type == IB_SRQT_BASIC)
		err = bypass_create(dev, &srq->object, &kind, &request, &response, udata);
	else if (init->srq_type == IB_SRQT_XRC && virtio_has_feature(dev->vdev, BYPASS_RDMA_F_XRC))
		err = create_xrc(ibsrq, init, udata, &request, &response);
	if (err)
		return err;
	init->attr.max_wr = le32_to_cpu(response.max_wr);
	init->attr.max_sge = le32_to_cpu(response.max_sge);
	return 0;
}

int bypass_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr, enum ib_srq_attr_mask mask,
		      struct ib_udata *udata)
{
	struct bypass_object *srq = &to_srq(ibsrq)->object;
	struct bypass_rdma_modify_srq request = {
		.handle = cpu_to_le32(srq->handle),
		.mask = cpu_to_le32(mask),
		.max_wr = cpu_to_le32(attr->max_wr),
		.srq_limit = cpu_to_le32(attr->srq_limit),
	};
	struct bypass_command command = {
		.number = BYPASS_RDMA_MODIFY_SRQ,
		.request = &request,
		.request_size = sizeof(request),
		.udata = udata,
	};

	return bypass_change(to_dev(ibsrq->device), srq, &command);
}

int bypass_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr)
{
	const struct bypass_object *srq = &to_srq(ibsrq)->object;
	struct bypass_rdma_handle request = {.handle = cpu_to_le32(srq->handle)};
	struct bypass_rdma_srq response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_QUERY_SRQ,
		.ucontext = srq->owner,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
	};
	int err = bypass_execute(to_dev(ibsrq->device), &command);

	if (err)
		return err;
	attr->max_wr = le32_to_cpu(response.max_wr);
	attr->max_sge = le32_to_cpu(response.max_sge);
	attr->srq_limit = le32_to_cpu(response.srq_limit);
	return 0;
}

int bypass_destroy_srq(struct ib_srq *ibsrq, struct ib_udata *udata)
{
	return bypass_destroy(to_dev(ibsrq->device), &to_srq(ibsrq)->object);
}
