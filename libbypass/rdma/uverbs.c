// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uverbs without libibverbs: the write commands, carried by RDMA_VERBS_IOCTL
 * (rdma/rdma_user_ioctl_cmds.h, method INVOKE_WRITE).
 */
#include <rdma/ib_user_ioctl_cmds.h>

#include "dialect/message.h"
#include "internal.h"

int rdma_uverbs(const struct rdma_hca *hca, uint32_t command, const void *in, size_t in_size,
		void *out, size_t out_size, const struct rdma_udata *udata)
{
	union rdma_message m =
		rdma_message(hca->driver_id, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE);

	rdma_message_add(&m, UVERBS_ATTR_WRITE_CMD, sizeof(m.header.attrs[0].data))->data = command;
	rdma_message_in(&m, UVERBS_ATTR_CORE_IN, in, in_size);
	rdma_message_out(&m, UVERBS_ATTR_CORE_OUT, out, out_size);
	if (udata) {
		rdma_message_in(&m, UVERBS_ATTR_UHW_IN, udata->in, udata->in_size);
		rdma_message_out(&m, UVERBS_ATTR_UHW_OUT, udata->out, udata->out_size);
	}
	return rdma_message_send(hca->cmd_fd, &m);
}
