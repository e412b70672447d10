// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the server says of its slice: the device, regions with the areas that a client maps, and
 * interrupts.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "server.h"

/* A query has a payload of at least @least bytes, whose first word says what the answer may have. */
static int check_query(const struct vfu_message *msg, uint32_t least)
{
	int ret = vfu_no_fds(msg);
	uint32_t argsz = 0;

	if (ret < 0)
		return ret;
	if (vfu_payload(msg) >= least)
		memcpy(&argsz, msg->data, sizeof(argsz));
	if (vfu_payload(msg) < least || argsz < least)
		return bypass_fail(EINVAL, "the VMM's query %u is malformed", msg->header.command);
	return 0;
}

int vfu_device_info(struct vfu_message *msg, struct vfu_answer *answer)
{
	int ret = check_query(msg, sizeof(msg->info));

	if (ret < 0)
		return ret;
	msg->info = (struct vfu_device_info){
		.argsz = sizeof(msg->info),
		.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
		.regions = VFU_REGIONS,
		.irqs = VFU_IRQS,
	};
	answer->piece[0] = (struct iovec){&msg->info, sizeof(msg->info)};
	return 0;
}

/* Whether the client can map the window: a region has one descriptor and one base. */
static bool shown(const struct bypass_bar *bar, const struct bypass_window *w,
		  const struct bypass_window **first)
{
	if (w->fd < 0 || w->fd_offset < w->offset || bar->io)
		return false;
	if (!*first)
		*first = w;
	return w->fd == (*first)->fd &&
	       w->fd_offset - w->offset == (*first)->fd_offset - (*first)->offset;
}

/*
 * Write the areas behind the description of a region, and what they change in it. Returns the
 * descriptor that the client maps, or -1.
 */
static int add_areas(struct vfu_message *msg, const struct bypass_bar *bar)
{
	struct vfio_region_info *info = &msg->region;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(msg->data + sizeof(*info));
	const size_t most =
		(sizeof(msg->data) - sizeof(*info) - sizeof(*cap)) / sizeof(cap->areas[0]);
	const struct bypass_window *first = NULL;
	uint32_t n = 0;

	for (unsigned int i = 0; i < bar->n_windows && n < most; i++) {
		const struct bypass_window *w = &bar->windows[i];

		if (shown(bar, w, &first))
			cap->areas[n++] = (struct vfio_region_sparse_mmap_area){w->offset, w->size};
	}
	if (!n)
		return -1;
	cap->header = (struct vfio_info_cap_header){VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0};
	cap->nr_areas = n;
	cap->reserved = 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	info->cap_offset = sizeof(*info);
	info->offset = first->fd_offset - first->offset;
	info->argsz += sizeof(*cap) + n * sizeof(cap->areas[0]);
	return first->fd;
}

/* An answer without room for the areas says how much room they need. QEMU asks again. */
int vfu_region_info(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		    struct vfu_answer *answer)
{
	struct vfio_region_info *info = &msg->region;
	uint32_t room = info->argsz, index = info->index;
	int fd = -1, ret = check_query(msg, sizeof(*info));

	if (ret < 0)
		return ret;
	if (index >= VFU_REGIONS)
		return bypass_fail(EINVAL, "the VMM asks for region %u, and there are %u", index,
				   VFU_REGIONS);
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
		.size = vfu_region_size(server->slice, index),
	};
	if (info->size)
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (index < BYPASS_BARS)
		fd = add_areas(msg, &server->slice->bars[index]);
	answer->piece[0] = (struct iovec){info, room < info->argsz ? sizeof(*info) : info->argsz};
	if (fd >= 0 && room >= info->argsz)
		answer->fds[answer->n_fds++] = fd;
	return 0;
}

/* The place of @fd among the descriptors of the answer; -1 when there is no room. */
static int fd_index(struct bypass_vfio_user_server *server, struct vfu_answer *answer, int fd)
{
	for (unsigned int i = 0; i < answer->n_fds; i++)
		if (answer->fds[i] == fd)
			return i;
	if (answer->n_fds == server->client_fds)
		return -1;
	answer->fds[answer->n_fds] = fd;
	return answer->n_fds++;
}

/* The doorbells of a BAR that a client with KVM can have signalled with no message. */
int vfu_io_fds(struct bypass_vfio_user_server *server, struct vfu_message *msg,
	       struct vfu_answer *answer)
{
	const struct vfu_io_fds request = msg->io_fds;
	struct vfu_io_fd *entry = (void *)(msg->data + sizeof(request));
	int index, ret = check_query(msg, sizeof(request));
	const struct bypass_bar *bar;
	uint32_t n = 0, size;

	if (ret < 0)
		return ret;
	if (request.index >= BYPASS_BARS)
		return bypass_fail(EINVAL, "the VMM asks for doorbells of region %u: no BAR",
				   request.index);
	bar = &server->slice->bars[request.index];
	for (unsigned int i = 0; i < bar->n_kicks; i++) {
		const struct bypass_kick *k = &bar->kicks[i];

		index = fd_index(server, answer, k->fd);
		if (index < 0)
			continue;
		entry[n++] = (struct vfu_io_fd){
			.offset = k->offset,
			.size = k->size,
			.fd_index = index,
			.type = VFU_IO_FD_EVENTFD,
		};
		if ((char *)&entry[n + 1] > (char *)msg->data + sizeof(msg->data))
			break;
	}
	size = sizeof(request) + n * sizeof(*entry);
	msg->io_fds = (struct vfu_io_fds){.argsz = size, .index = request.index, .count = n};
	if (request.argsz < size) {
		size = sizeof(request);
		answer->n_fds = 0;
	}
	answer->piece[0] = (struct iovec){msg->data, size};
	return 0;
}

/*
 * Vectors of MSI-X and MSI come and go one by one. VFIO_PCI_ERR_IRQ_INDEX has no vector: QEMU
 * would stop the guest for good.
 */
int vfu_irq_info(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		 struct vfu_answer *answer)
{
	static const uint32_t flags[VFU_IRQS] = {
		[VFIO_PCI_INTX_IRQ_INDEX] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
					    VFIO_IRQ_INFO_AUTOMASKED,
		[VFIO_PCI_MSI_IRQ_INDEX] = VFIO_IRQ_INFO_EVENTFD,
		[VFIO_PCI_MSIX_IRQ_INDEX] = VFIO_IRQ_INFO_EVENTFD,
		[VFIO_PCI_REQ_IRQ_INDEX] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
	};
	struct vfio_irq_info *info = &msg->irq;
	uint32_t index = info->index;
	int ret = check_query(msg, sizeof(*info));

	if (ret < 0)
		return ret;
	if (index >= VFU_IRQS)
		return bypass_fail(EINVAL, "the VMM asks for interrupt type %u, and there are %u",
				   index, VFU_IRQS);
	*info = (struct vfio_irq_info){
		.argsz = sizeof(*info),
		.flags = flags[index],
		.index = index,
		.count = index == VFIO_PCI_REQ_IRQ_INDEX,
	};
	if (index < BYPASS_IRQS)
		info->count = server->slice->vectors[index];
	answer->piece[0] = (struct iovec){info, sizeof(*info)};
	return 0;
}
