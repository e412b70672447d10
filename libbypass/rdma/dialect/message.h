/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages of RDMA_VERBS_IOCTL (rdma/rdma_user_ioctl_cmds.h): a header, and attributes by their
 * numbers.
 */
#ifndef BYPASS_RDMA_DIALECT_MESSAGE_H
#define BYPASS_RDMA_DIALECT_MESSAGE_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/rdma_user_ioctl_cmds.h>

#define RDMA_MESSAGE_ATTRS 9

/* A header with room for its attributes. */
union rdma_message {
	struct ib_uverbs_ioctl_hdr header;
	uint8_t room[sizeof(struct ib_uverbs_ioctl_hdr) +
		     RDMA_MESSAGE_ATTRS * sizeof(struct ib_uverbs_attr)];
};

static inline union rdma_message rdma_message(uint32_t driver_id, uint16_t object, uint16_t method)
{
	return (union rdma_message){
		.header =
			{
				.length = sizeof(struct ib_uverbs_ioctl_hdr),
				.object_id = object,
				.method_id = method,
				.driver_id = driver_id,
			},
	};
}

/* Handles: the kernel reads or writes the attribute's own data. */
static inline struct ib_uverbs_attr *rdma_message_add(union rdma_message *m, uint16_t id,
						      uint32_t size)
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

static inline void rdma_message_in(union rdma_message *m, uint16_t id, const void *data,
				   uint32_t size)
{
	struct ib_uverbs_attr *attr;

	if (!size)
		return;
	attr = rdma_message_add(m, id, size);
	/* What fits into the attribute itself travels there, and only there. */
	if (size <= sizeof(attr->data))
		memcpy(&attr->data, data, size);
	else
		attr->data = (uintptr_t)data;
}

static inline void rdma_message_out(union rdma_message *m, uint16_t id, void *data, uint32_t size)
{
	if (size)
		rdma_message_add(m, id, size)->data = (uintptr_t)data;
}

/* 0 or a negative errno; -ENODEV once the HCA is closed. */
static inline int rdma_message_send(int fd, union rdma_message *m)
{
	if (fd < 0)
		return -ENODEV;
	return ioctl(fd, RDMA_VERBS_IOCTL, m) ? -errno : 0;
}

#endif
