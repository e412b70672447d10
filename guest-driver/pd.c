// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Protection domains.
 */
#include "internal.h"

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_ALLOC_PD,
	.destroy = BYPASS_RDMA_DEALLOC_PD,
	.response_size = sizeof(struct bypass_rdma_handle),
};

int bypass_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	struct bypass_rdma_handle response;
	struct bypass_pd *pd = to_pd(ibpd);

	pd->object.answer = &pd->mlx5;
	pd->object.answer_size = sizeof(pd->mlx5);
	return bypass_create(to_dev(ibpd->device), &pd->object, &kind, NULL, &response, udata);
}

int bypass_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	return bypass_destroy(to_dev(ibpd->device), &to_pd(ibpd)->object);
}
