// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory windows. Processes bind them by work requests.
 */
#include "internal.h"

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_ALLOC_MW,
	.destroy = BYPASS_RDMA_DEALLOC_MW,
	.request_size = sizeof(struct bypass_rdma_alloc_mw),
	.response_size = sizeof(struct bypass_rdma_mr),
};

int bypass_alloc_mw(struct ib_mw *ibmw, struct ib_udata *udata)
{
	const struct bypass_rdma_alloc_mw request = {
		.pd = cpu_to_le32(to_pd(ibmw->pd)->object.handle),
		.type = cpu_to_le32(ibmw->type),
	};
	struct bypass_rdma_mr response;
	int err;

	err = bypass_create(to_dev(ibmw->device), &to_mw(ibmw)->object, &kind, &request, &response,
			    udata);
	if (err)
		return err;
	ibmw->rkey = le32_to_cpu(response.rkey);
	return 0;
}

int bypass_dealloc_mw(struct ib_mw *ibmw)
{
	return bypass_destroy(to_dev(ibmw->device), &to_mw(ibmw)->object);
}
