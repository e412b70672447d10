// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Accesses of the client to the slice's BARs and config space by message.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>

#include <bypass/error.h>

#include "server.h"

uint64_t vfu_region_size(const struct bypass_slice *slice, uint32_t region)
{
	if (region < BYPASS_BARS)
		return slice->bars[region].size;
	return region == VFIO_PCI_CONFIG_REGION_INDEX ? slice->config_size : 0;
}

/* Whether a REGION_READ or REGION_WRITE has a meaning. */
int vfu_region_check(const struct bypass_vfio_user_server *server, const struct vfu_message *msg,
		     bool write)
{
	const struct vfu_region_access *a = &msg->access;
	int ret = vfu_no_fds(msg);
	uint64_t size;

	if (ret < 0)
		return ret;
	if (vfu_payload(msg) < sizeof(*a) || a->count > VFU_DATA_MAX ||
	    vfu_payload(msg) != sizeof(*a) + (write ? a->count : 0))
		return bypass_fail(EINVAL, "the VMM's access to a region is malformed");
	size = vfu_region_size(server->slice, a->region);
	if (a->offset > size || a->count > size - a->offset)
		return bypass_fail(EINVAL,
				   "the VMM accesses %u bytes at 0x%" PRIx64 " of region %u, which "
				   "has 0x%" PRIx64,
				   a->count, a->offset, a->region, size);
	return 0;
}

/* One access of 1, 2, 4 or 8 bytes, not torn: the guest uses the window at the same time. */
static void copy_one(void *to, const void *from, uint32_t size)
{
	uint64_t value;

	switch (size) {
	case 8:
		value = *(const volatile uint64_t *)from;
		*(volatile uint64_t *)to = value;
		break;
	case 4:
		value = *(const volatile uint32_t *)from;
		*(volatile uint32_t *)to = value;
		break;
	case 2:
		value = *(const volatile uint16_t *)from;
		*(volatile uint16_t *)to = value;
		break;
	default:
		*(volatile uint8_t *)to = *(const volatile uint8_t *)from;
	}
}

/* The place of an aligned access in a window of this process, or NULL. */
static void *window_at(const struct bypass_bar *bar, uint64_t offset)
{
	for (unsigned int i = 0; i < bar->n_windows; i++) {
		const struct bypass_window *w = &bar->windows[i];

		if (offset >= w->offset && offset - w->offset < w->size)
			return (char *)w->hva + (offset - w->offset);
	}
	return NULL;
}

static bool kick(const struct bypass_bar *bar, uint64_t offset, uint32_t size)
{
	for (unsigned int i = 0; i < bar->n_kicks; i++) {
		const struct bypass_kick *k = &bar->kicks[i];

		if (k->offset != offset || (k->size && k->size != size))
			continue;
		eventfd_write(k->fd, 1);
		return true;
	}
	return false;
}

/* One aligned access; @data is aligned to 8 bytes. */
static int bar_one(struct bypass_slice *slice, unsigned int index, uint64_t offset, void *data,
		   uint32_t size, bool write)
{
	const struct bypass_bar *bar = &slice->bars[index];
	void *window = window_at(bar, offset);

	if (window)
		copy_one(write ? window : data, write ? data : window, size);
	else if (!write)
		return slice->ops->bar_read(slice, index, offset, data, size);
	else if (!kick(bar, offset, size))
		return slice->ops->bar_write(slice, index, offset, data, size);
	return 0;
}

/* The largest access that is aligned and not longer than @size. */
static uint32_t one_of(uint64_t offset, uint32_t size)
{
	uint32_t one = 8;

	while (offset & (one - 1) || one > size)
		one /= 2;
	return one;
}

static int bar_access(struct bypass_slice *slice, unsigned int index, uint64_t offset,
		      uint8_t *data, uint32_t size, bool write)
{
	uint64_t value;
	int ret = 0;

	while (size && !ret) {
		uint32_t one = one_of(offset, size);

		if (write)
			memcpy(&value, data, one);
		ret = bar_one(slice, index, offset, &value, one, write);
		if (!write && !ret)
			memcpy(data, &value, one);
		data += one;
		offset += one;
		size -= one;
	}
	return ret;
}

/* The data goes where the data of a REGION_WRITE stands. */
int vfu_region_read(struct bypass_vfio_user_server *server, struct vfu_message *msg,
		    struct vfu_answer *answer)
{
	struct vfu_region_access *a = &msg->access;
	uint8_t *data = msg->data + sizeof(*a);
	int ret = vfu_region_check(server, msg, false);

	if (ret < 0)
		return ret;
	if (a->region == VFIO_PCI_CONFIG_REGION_INDEX)
		ret = vfu_config_access(server, a->offset, data, a->count, false);
	else
		ret = bar_access(server->slice, a->region, a->offset, data, a->count, false);
	answer->piece[0] = (struct iovec){msg->data, sizeof(*a) + a->count};
	return ret;
}

/* vfu_region_check() has passed the message. */
int vfu_region_write(struct bypass_vfio_user_server *server, const struct vfu_message *msg)
{
	const struct vfu_region_access *a = &msg->access;
	uint8_t *data = (uint8_t *)msg->data + sizeof(*a);

	if (a->region == VFIO_PCI_CONFIG_REGION_INDEX)
		return vfu_config_access(server, a->offset, data, a->count, true);
	return bar_access(server->slice, a->region, a->offset, data, a->count, true);
}
