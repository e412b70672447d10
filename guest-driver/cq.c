// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Completion queues: creation, size and end. The process polls its own mapping of the
 * HCA's queue.
 */
#include "internal.h"

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_CREATE_CQ,
	.destroy = BYPASS_RDMA_DESTROY_CQ,
	.request_size = sizeof(struct bypass_rdma_create_cq),
	.response_size = sizeof(struct bypass_rdma_cq),
};

int bypass_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr, BYPASS_CQ_ATTRS *attrs)
{
	struct bypass_dev *dev = to_dev(ibcq->device);
	struct bypass_cq *cq = to_cq(ibcq);
	const struct bypass_rdma_create_cq request = {
		.cqe = cpu_to_le32(attr->cqe),
		.vector = cpu_to_le32(attr->comp_vector),
		.flags = cpu_to_le32(attr->flags),
	};
	struct bypass_rdma_cq response;
	int err;

	mutex_init(&cq->arming);
	cq->object.table = &dev->cqs;
	err = bypass_create(dev, &cq->object, &kind, &request, &response, bypass_cq_udata(attrs));
	if (err)
		return err;
	ibcq->cqe = le32_to_cpu(response.cqe);
	return 0;
}

int bypass_resize_cq(struct ib_cq *ibcq, BYPASS_CQE cqe, struct ib_udata *udata)
{
	struct bypass_object *cq = &to_cq(ibcq)->object;
	struct bypass_rdma_resize_cq request = {
		.handle = cpu_to_le32(cq->handle),
		.cqe = cpu_to_le32(cqe),
	};
	struct bypass_rdma_cq response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_RESIZE_CQ,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
	};
	int err = bypass_change(to_dev(ibcq->device), cq, &command);

	if (err)
		return err;
	ibcq->cqe = le32_to_cpu(response.cqe);
	return 0;
}

int bypass_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	return bypass_destroy(to_dev(ibcq->device), &to_cq(ibcq)->object);
}
