// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XRC domains. The core finds the domain that processes share by a file, and ends it when the last
 * process has left. The first one may have left long before. So a domain has no owner.
 */
#include "internal.h"

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_ALLOC_XRCD,
	.destroy = BYPASS_RDMA_DEALLOC_XRCD,
	.response_size = sizeof(struct bypass_rdma_handle),
};

int bypass_alloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata)
{
	struct bypass_rdma_handle response;

	return bypass_create(to_dev(ibxrcd->device), &to_xrcd(ibxrcd)->object, &kind, NULL,
			     &response, NULL);
}

int bypass_dealloc_xrcd(struct ib_xrcd *ibxrcd, struct ib_udata *udata)
{
	return bypass_destroy(to_dev(ibxrcd->device), &to_xrcd(ibxrcd)->object);
}
