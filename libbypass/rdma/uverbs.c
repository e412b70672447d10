// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uverbs without libibverbs: the write commands, carried by RDMA_VERBS_IOCTL
 * (rdma/rdma_user_ioctl_cmds.h, method INVOKE_WRITE).
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "internal.h"

#define ATTRS_MAX 5

/* A header with room for its attributes. */
union message {
	struct ib_uverbs_ioctl_hdr header;
	uint8_t room[sizeof(struct ib_uverbs_ioctl_hdr) +
		     ATTRS_MAX * sizeof(struct ib_uverbs_attr)];
};

static struct ib_uverbs_attr *add(union message *m, uint16_t id, uint32_t size)
{
	struct ib_uverbs_attr *attr = &m->header.attrs[m->header.num_attrs++];

	*attr = (struct ib_uverbs_attr){
		.attr_id = id,
		.len = size,
		.flags = UVERBS_ATTR_F_MANDATORY,
	};
	m->header.length += sizeof(*attr);
	return attr;
}

static void add_in(union message *m, uint16_t id, const void *data, uint32_t size)
{
	struct ib_uverbs_attr *attr;

	if (!size)
		return;
	attr = add(m, id, size);
	/* What fits into the attribute itself travels there, and only there. */
	if (size <= sizeof(attr->data))
		memcpy(&attr->data, data, size);
	else
		attr->data = (uintptr_t)data;
}

static void add_out(union message *m, uint16_t id, void *data, uint32_t size)
{
	if (size)
		add(m, id, size)->data = (uintptr_t)data;
}

int rdma_uverbs(const struct rdma_hca *hca, uint32_t command, const void *in, size_t in_size,
		void *out, size_t out_size, const struct rdma_udata *udata)
{
	union message m = {
		.header =
			{
				.length = sizeof(m.header),
				.object_id = UVERBS_OBJECT_DEVICE,
				.method_id = UVERBS_METHOD_INVOKE_WRITE,
				.driver_id = hca->driver_id,
			},
	};

	if (hca->cmd_fd < 0)
		return -ENODEV;
	add(&m, UVERBS_ATTR_WRITE_CMD, sizeof(m.header.attrs[0].data))->data = command;
	add_in(&m, UVERBS_ATTR_CORE_IN, in, in_size);
	add_out(&m, UVERBS_ATTR_CORE_OUT, out, out_size);
	if (udata) {
		add_in(&m, UVERBS_ATTR_UHW_IN, udata->in, udata->in_size);
		add_out(&m, UVERBS_ATTR_UHW_OUT, udata->out, udata->out_size);
	}
	return ioctl(hca->cmd_fd, RDMA_VERBS_IOCTL, &m) ? -errno : 0;
}
