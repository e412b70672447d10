// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XRC domains. A domain belongs to the guest, not to the process that asks for it: the guest's
 * processes share a domain by a file of the guest, and the guest's kernel knows when the last one
 * has left. To the host the domain has no file, so that nobody else can open it.
 */
#include <errno.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_alloc_xrcd(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct ib_uverbs_open_xrcd in = {.fd = UINT32_MAX};
	struct ib_uverbs_open_xrcd_resp out;
	uint32_t handle;
	int err;

	if (!s->dialect->xrc)
		return bypass_fail(EOPNOTSUPP, "%s has no XRC domains for a slice", s->hca.name);
	c->ucontext = BYPASS_RDMA_NONE;
	err = rdma_object_create(s, c, RDMA_XRCD, IB_USER_VERBS_CMD_OPEN_XRCD, &in, sizeof(in),
				 &out, sizeof(out), &handle);
	if (err)
		return err;
	reply->handle = htole32(handle);
	return 0;
}
