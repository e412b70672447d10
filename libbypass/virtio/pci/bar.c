// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What lies in BAR 0: common configuration, ISR status, the device's own
 * configuration, notifications; and beside the windows of the shared memory.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "internal.h"

static uint8_t isr_take(struct virtio_pci *v)
{
	uint8_t isr;

	pthread_mutex_lock(&v->lock);
	isr = v->isr;
	v->isr = 0;
	pthread_mutex_unlock(&v->lock);
	return isr;
}

/* How much of an access at @offset lies in the device's configuration. */
static uint32_t device_part(const struct virtio_pci *v, uint32_t offset, uint32_t size)
{
	uint32_t end = v->dev->config_size;

	if (offset >= end)
		return 0;
	return size < end - offset ? size : end - offset;
}

int virtio_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset, void *data,
		    uint32_t size)
{
	struct virtio_pci *v = (struct virtio_pci *)slice;
	uint32_t n;

	/* Between the structures, and beside the table in BAR 1, reads give 0. */
	memset(data, 0, size);
	if (bar == SHM_BAR && v->dev->ops->shm_read)
		v->dev->ops->shm_read(v->dev, offset, data, size);
	if (bar)
		return 0;
	if (offset + size <= COMMON_OFFSET + COMMON_SIZE) {
		common_read(v, offset - COMMON_OFFSET, data, size);
	} else if (offset == ISR_OFFSET) {
		*(uint8_t *)data = isr_take(v);
	} else if (offset >= DEVICE_OFFSET && offset < DEVICE_OFFSET + DEVICE_SIZE) {
		n = device_part(v, offset - DEVICE_OFFSET, size);
		if (n)
			v->dev->ops->config_read(v->dev, offset - DEVICE_OFFSET, data, n);
	}
	return 0;
}

int virtio_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
		     const void *data, uint32_t size)
{
	struct virtio_pci *v = (struct virtio_pci *)slice;
	uint32_t n;

	if (bar)
		return 0;
	if (offset + size <= COMMON_OFFSET + COMMON_SIZE) {
		common_write(v, offset - COMMON_OFFSET, data, size);
	} else if (offset >= DEVICE_OFFSET && offset < DEVICE_OFFSET + DEVICE_SIZE) {
		n = device_part(v, offset - DEVICE_OFFSET, size);
		if (n)
			v->dev->ops->config_write(v->dev, offset - DEVICE_OFFSET, data, n);
	} else if (offset >= NOTIFY_OFFSET && offset % NOTIFY_STEP == 0 &&
		   (offset - NOTIFY_OFFSET) / NOTIFY_STEP < v->dev->n_queues) {
		/* Reached through config space only. In the BAR the VMM's side serves the kick. */
		eventfd_write(v->queues[(offset - NOTIFY_OFFSET) / NOTIFY_STEP].kick, 1);
	}
	return 0;
}
