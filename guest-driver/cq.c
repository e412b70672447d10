// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Completion queues. The process polls its own mapping of the HCA's queue; what comes
 * through here is creation, size and end.
 */
#include "internal.h"

int bypass_create_cq(struct ib_cq *ibcq, const struct ib_cq_init_attr *attr, BYPASS_CQ_ATTRS *attrs)
{
	struct bypass_dev *dev = to_dev(ibcq->device);
	struct ib_udata *udata = bypass_cq_udata(attrs);
	struct bypass_cq *cq = to_cq(ibcq);
	struct bypass_rdma_create_cq request = {
		.cqe = cpu_to_le32(attr->cqe),
		.vector = cpu_to_le32(attr->comp_vector),
		.flags = cpu_to_le32(attr->flags),
	};
	struct bypass_rdma_cq response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_CREATE_CQ,
		.undo = BYPASS_RDMA_DESTROY_CQ,
		.ucontext = bypass_caller(udata),
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
		.mmaps = &cq->mmaps,
	};
	int err = bypass_execute(dev, &command);

	if (err)
		return err;
	mutex_init(&cq->arming);
	cq->owner = command.ucontext;
	cq->handle = le32_to_cpu(response.handle);
	ibcq->cqe = le32_to_cpu(response.cqe);
	err = bypass_publish(&dev->cqs, cq->handle, le32_to_cpu(dev->config.max_cq), cq);
	if (err) {
		bypass_destroy(dev, BYPASS_RDMA_DESTROY_CQ, cq->owner, cq->handle);
		bypass_mmaps_remove(&cq->mmaps);
	}
	return err;
}

int bypass_resize_cq(struct ib_cq *ibcq, BYPASS_CQE cqe, struct ib_udata *udata)
{
	struct bypass_cq *cq = to_cq(ibcq);
	struct bypass_rdma_resize_cq request = {
		.handle = cpu_to_le32(cq->handle),
		.cqe = cpu_to_le32(cqe),
	};
	struct bypass_rdma_cq response;
	struct bypass_mmaps mmaps = {};
	struct bypass_command command = {
		.number = BYPASS_RDMA_RESIZE_CQ,
		.ucontext = cq->owner,
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
		.mmaps = &mmaps,
	};
	int err = bypass_execute(to_dev(ibcq->device), &command);

	if (err)
		return err;
	bypass_mmaps_replace(&cq->mmaps, &mmaps);
	ibcq->cqe = le32_to_cpu(response.cqe);
	return 0;
}

int bypass_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibcq->device);
	struct bypass_cq *cq = to_cq(ibcq);
	int err = bypass_destroy(dev, BYPASS_RDMA_DESTROY_CQ, cq->owner, cq->handle);

	if (err)
		return err;
	bypass_unpublish(&dev->cqs, cq->handle, cq);
	bypass_mmaps_remove(&cq->mmaps);
	return 0;
}
