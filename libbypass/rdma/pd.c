// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Protection domains.
 */
#include <rdma/ib_user_verbs.h>

#include "internal.h"

int rdma_alloc_pd(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct ib_uverbs_alloc_pd in = {0};
	struct ib_uverbs_alloc_pd_resp out;
	uint32_t handle;
	int err;

	err = rdma_object_create(s, c, RDMA_PD, IB_USER_VERBS_CMD_ALLOC_PD, &in, sizeof(in), &out,
				 sizeof(out), &handle);
	if (err)
		return err;
	reply->handle = htole32(handle);
	return 0;
}
