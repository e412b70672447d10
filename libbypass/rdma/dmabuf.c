// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Registrations by dma-buf, where no mapping can lay the guest's runs side by side: parts of the host's
 * huge pages, or more runs than the process may have mappings. The kernel's udmabuf takes runs of sealed
 * memfds (linux/udmabuf.h), and an HCA's driver takes the dma-buf (UVERBS_METHOD_REG_DMABUF_MR).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/udmabuf.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "dialect/dialect.h"
#include "dialect/message.h"
#include "internal.h"

#define PARAMETERS "/sys/module/udmabuf/parameters/"

static uint64_t read_parameter(const char *path, uint64_t otherwise)
{
	unsigned long long value = otherwise;
	FILE *f = fopen(path, "re");

	if (f) {
		if (fscanf(f, "%llu", &value) != 1)
			value = otherwise;
		fclose(f);
	}
	return value;
}

void rdma_udmabuf_open(struct rdma_udmabuf *u, const struct rdma_dialect *dialect)
{
	*u = (struct rdma_udmabuf){.fd = -1};
	if (!dialect->dmabuf)
		return;
	u->fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (u->fd < 0)
		return;
	u->runs = read_parameter(PARAMETERS "list_limit", 1024);
	u->bytes = read_parameter(PARAMETERS "size_limit_mb", 64) << 20;
}

static int fail_create(const struct rdma_span *span)
{
	if (errno == EINVAL || errno == EBADFD)
		return bypass_fail(EINVAL, "udmabuf takes guest RAM only from a memfd that is "
					   "sealed against "
					   "shrinking (of QEMU: memory-backend-memfd, not "
					   "memory-backend-file)");
	return bypass_fail(errno, "udmabuf cannot gather %u runs of guest memory: %m", span->n);
}

int rdma_span_gather(const struct rdma_udmabuf *u, struct rdma_span *span)
{
	struct udmabuf_create_list *list;

	if (span->n > u->runs || span->size > u->bytes)
		return bypass_fail(E2BIG,
				   "the guest's buffer is scattered over %u runs of %llu bytes "
				   "altogether, "
				   "and udmabuf takes %u runs of %llu bytes: raise list_limit and "
				   "size_limit_mb in " PARAMETERS ", or let the guest use huge "
				   "pages",
				   span->n, (unsigned long long)span->size, u->runs,
				   (unsigned long long)u->bytes);
	list = calloc(1, sizeof(*list) + span->n * sizeof(list->list[0]));
	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of %u runs", span->n);
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = span->n;
	for (uint32_t i = 0; i < span->n; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = span->pieces[i].fd,
			.offset = span->pieces[i].offset,
			.size = span->pieces[i].size,
		};
	span->dmabuf_fd = ioctl(u->fd, UDMABUF_CREATE_LIST, list);
	free(list);
	return span->dmabuf_fd < 0 ? fail_create(span) : 0;
}

int rdma_dmabuf_reg(const struct rdma_hca *hca, const struct rdma_span *span,
		    const struct ib_uverbs_reg_mr *in, struct ib_uverbs_reg_mr_resp *out)
{
	union rdma_message m =
		rdma_message(hca->driver_id, UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR);
	const uint64_t offset = in->hca_va % RDMA_PAGE, length = in->length, iova = in->hca_va;
	const uint32_t access = in->access_flags, fd = span->dmabuf_fd;
	struct ib_uverbs_attr *handle;
	int err;

	handle = rdma_message_add(&m, UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0);
	rdma_message_add(&m, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0)->data = in->pd_handle;
	rdma_message_in(&m, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, &offset, sizeof(offset));
	rdma_message_in(&m, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, &length, sizeof(length));
	rdma_message_in(&m, UVERBS_ATTR_REG_DMABUF_MR_IOVA, &iova, sizeof(iova));
	rdma_message_in(&m, UVERBS_ATTR_REG_DMABUF_MR_FD, &fd, sizeof(fd));
	rdma_message_in(&m, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, &access, sizeof(access));
	rdma_message_out(&m, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, &out->lkey, sizeof(out->lkey));
	rdma_message_out(&m, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, &out->rkey, sizeof(out->rkey));
	err = rdma_message_send(hca->cmd_fd, &m);
	out->mr_handle = handle->data;
	return err;
}
