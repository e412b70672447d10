// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Multicast groups that queue pairs attach to.
 */
#include "internal.h"

static int mcast(struct ib_qp *ibqp, u32 number, const union ib_gid *gid, u16 lid)
{
	const struct bypass_object *qp = &to_qp(ibqp)->object;
	struct bypass_rdma_mcast request = {
		.qp = cpu_to_le32(qp->handle),
		.lid = cpu_to_le32(lid),
	};
	struct bypass_command command = {
		.number = number,
		.ucontext = qp->owner,
		.request = &request,
		.request_size = sizeof(request),
	};

	memcpy(request.gid, gid->raw, sizeof(request.gid));
	return bypass_execute(to_dev(ibqp->device), &command);
}

int bypass_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	return mcast(ibqp, BYPASS_RDMA_ATTACH_MCAST, gid, lid);
}

int bypass_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	int err = mcast(ibqp, BYPASS_RDMA_DETACH_MCAST, gid, lid);

	return READ_ONCE(to_dev(ibqp->device)->gone) ? 0 : err;
}
