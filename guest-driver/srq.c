// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Shared receive queues.
 */
#include "internal.h"

int bypass_create_srq(struct ib_srq *ibsrq, struct ib_srq_init_attr *init, struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibsrq->device);
	struct bypass_srq *srq = to_srq(ibsrq);
	struct bypass_rdma_create_srq request = {
		.pd = cpu_to_le32(to_pd(ibsrq->pd)->handle),
		.max_wr = cpu_to_le32(init->attr.max_wr),
		.max_sge = cpu_to_le32(init->attr.max_sge),
		.srq_limit = cpu_to_le32(init->attr.srq_limit),
	};
	struct bypass_rdma_srq response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_CREATE_SRQ,
		.undo = BYPASS_RDMA_DESTROY_SRQ,
		.ucontext = bypass_caller(udata),
		.request = &request,
		.request_size = sizeof(request),
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
		.mmaps = &srq->mmaps,
	};
	int err;

	if (init->srq_type != IB_SRQT_BASIC)
		return -EOPNOTSUPP;
	err = bypass_execute(dev, &command);
	if (err)
		return err;
	srq->owner = command.ucontext;
	srq->handle = le32_to_cpu(response.handle);
	init->attr.max_wr = le32_to_cpu(response.max_wr);
	init->attr.max_sge = le32_to_cpu(response.max_sge);
	err = bypass_publish(&dev->srqs, srq->handle, BYPASS_MAX_OBJECTS, srq);
	if (err) {
		bypass_destroy(dev, BYPASS_RDMA_DESTROY_SRQ, srq->owner, srq->handle);
		bypass_mmaps_remove(&srq->mmaps);
	}
	return err;
}

int bypass_modify_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr, enum ib_srq_attr_mask mask,
		      struct ib_udata *udata)
{
	struct bypass_srq *srq = to_srq(ibsrq);
	struct bypass_rdma_modify_srq request = {
		.handle = cpu_to_le32(srq->handle),
		.mask = cpu_to_le32(mask),
		.max_wr = cpu_to_le32(attr->max_wr),
		.srq_limit = cpu_to_le32(attr->srq_limit),
	};
	struct bypass_mmaps mmaps = {};
	struct bypass_command command = {
		.number = BYPASS_RDMA_MODIFY_SRQ,
		.ucontext = srq->owner,
		.request = &request,
		.request_size = sizeof(request),
		.udata = udata,
		.mmaps = &mmaps,
	};
	int err = bypass_execute(to_dev(ibsrq->device), &command);

	if (!err)
		bypass_mmaps_replace(&srq->mmaps, &mmaps);
	return err;
}

int bypass_query_srq(struct ib_srq *ibsrq, struct ib_srq_attr *attr)
{
	struct bypass_srq *srq = to_srq(ibsrq);
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
	struct bypass_dev *dev = to_dev(ibsrq->device);
	struct bypass_srq *srq = to_srq(ibsrq);
	int err = bypass_destroy(dev, BYPASS_RDMA_DESTROY_SRQ, srq->owner, srq->handle);

	if (err)
		return err;
	bypass_unpublish(&dev->srqs, srq->handle, srq);
	bypass_mmaps_remove(&srq->mmaps);
	return 0;
}
