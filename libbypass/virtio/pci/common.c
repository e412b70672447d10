// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The common configuration structure (virtio 1.2, section 4.1.4.3): features,
 * status, queues. All that a driver writes is checked here or by the device.
 */
#include <stddef.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include <linux/virtio_config.h>

#include "internal.h"

/* As it lies in the BAR; all fields are naturally aligned, and x86 is little-endian. */
struct common {
	uint32_t device_select;
	uint32_t device_features;
	uint32_t driver_select;
	uint32_t driver_features;
	uint16_t config_vector;
	uint16_t n_queues;
	uint8_t status;
	uint8_t generation;
	uint16_t queue_select;
	uint16_t queue_size;
	uint16_t queue_vector;
	uint16_t queue_enable;
	uint16_t queue_notify_off;
	uint64_t queue_desc;
	uint64_t queue_driver;
	uint64_t queue_device;
};

_Static_assert(sizeof(struct common) == COMMON_SIZE, "virtio 1.2, section 4.1.4.3");

static struct queue *queue_selected(struct virtio_pci *v)
{
	return v->queue_select < v->dev->n_queues ? &v->queues[v->queue_select] : NULL;
}

static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? features >> (32 * select) : 0;
}

static struct common common_now(struct virtio_pci *v)
{
	const struct queue *q = queue_selected(v);
	struct common c = {
		.device_select = v->device_select,
		.device_features = half(v->features, v->device_select),
		.driver_select = v->driver_select,
		.driver_features = half(v->driver_features, v->driver_select),
		.n_queues = v->dev->n_queues,
		.queue_select = v->queue_select,
	};

	pthread_mutex_lock(&v->lock);
	c.config_vector = v->config_vector;
	c.status = v->status;
	c.generation = v->generation;
	pthread_mutex_unlock(&v->lock);
	if (!q)
		return c;
	c.queue_size = q->size;
	c.queue_vector = q->vector;
	c.queue_enable = q->enabled;
	c.queue_notify_off = v->queue_select;
	c.queue_desc = q->desc;
	c.queue_driver = q->driver;
	c.queue_device = q->device;
	return c;
}

/* The device's threads add NEEDS_RESET to it. */
static uint8_t status_now(struct virtio_pci *v)
{
	uint8_t status;

	pthread_mutex_lock(&v->lock);
	status = v->status;
	pthread_mutex_unlock(&v->lock);
	return status;
}

static int queue_fd(struct virtio_pci *v, const struct queue *q)
{
	int fd = -1;

	pthread_mutex_lock(&v->lock);
	if (q->vector != NO_VECTOR)
		fd = v->fds[q->vector];
	pthread_mutex_unlock(&v->lock);
	return fd;
}

static void lost(struct virtio_pci *v, const char *what, unsigned int queue)
{
	carrier_needs_reset(v);
	log_limited(&v->remarks, "%s: queue %u cannot be %s: %s", v->slice.name, queue, what,
		    bypass_error());
}

static void queue_start(struct virtio_pci *v, unsigned int i)
{
	struct queue *q = &v->queues[i];
	struct bypass_virtio_queue queue = {
		.size = q->size,
		.desc = q->desc,
		.avail = q->driver,
		.used = q->device,
		.kick_fd = q->kick,
		.call_fd = queue_fd(v, q),
	};

	if (v->dev->ops->queue_start(v->dev, i, &queue))
		lost(v, "started", i);
	else
		q->started = true;
}

/* The vectors [@first, @end) have new eventfds. Tell the queues that use these vectors. */
void queues_call(struct virtio_pci *v, unsigned int first, unsigned int end)
{
	for (unsigned int i = 0; i < v->dev->n_queues; i++) {
		struct queue *q = &v->queues[i];

		if (!q->started || q->vector < first || q->vector >= end)
			continue;
		if (v->dev->ops->queue_call(v->dev, i, queue_fd(v, q)))
			lost(v, "connected", i);
	}
}

static void queue_vector_set(struct virtio_pci *v, uint16_t vector)
{
	struct queue *q = queue_selected(v);

	if (!q)
		return;
	q->vector = vector < v->n_vectors ? vector : NO_VECTOR;
	if (q->started && v->dev->ops->queue_call(v->dev, v->queue_select, queue_fd(v, q)))
		lost(v, "connected", v->queue_select);
}

static void queue_enable(struct virtio_pci *v)
{
	struct queue *q = queue_selected(v);

	if (!q || q->enabled)
		return;
	q->enabled = true;
	if (status_now(v) & VIRTIO_CONFIG_S_DRIVER_OK)
		queue_start(v, v->queue_select);
}

/* A driver may not change a queue that it has enabled. */
static void queue_size_set(struct virtio_pci *v, uint16_t size)
{
	struct queue *q = queue_selected(v);

	if (q && !q->enabled && size && !(size & (size - 1)) &&
	    size <= v->dev->queue_size[v->queue_select])
		q->size = size;
}

static void driver_features_set(struct virtio_pci *v, uint32_t bits)
{
	unsigned int shift = 32 * v->driver_select;

	if (v->driver_select >= 2 || status_now(v) & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	v->driver_features &= ~(0xffffffffull << shift);
	v->driver_features |= (uint64_t)bits << shift;
}

static bool features_accepted(struct virtio_pci *v)
{
	if (v->driver_features & ~v->features || !(v->driver_features & 1ull << VIRTIO_F_VERSION_1))
		return false;
	return !v->dev->ops->accept(v->dev, v->driver_features);
}

/* Back to the state after creation. The driver has let go of the device. */
void common_reset(struct virtio_pci *v)
{
	v->dev->ops->reset(v->dev);
	v->driver_features = 0;
	v->device_select = v->driver_select = v->queue_select = 0;
	for (unsigned int i = 0; i < v->dev->n_queues; i++)
		v->queues[i] = (struct queue){
			.size = v->dev->queue_size[i],
			.vector = NO_VECTOR,
			.kick = v->queues[i].kick,
		};
	pthread_mutex_lock(&v->lock);
	v->status = 0;
	v->isr = 0;
	v->config_vector = NO_VECTOR;
	pthread_mutex_unlock(&v->lock);
}

/*
 * Stop all DMA. The device is reset, but its driver did not ask for the reset: the status
 * says NEEDS_RESET.
 */
void common_stop(struct virtio_pci *v)
{
	uint8_t status = status_now(v);

	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	common_reset(v);
	pthread_mutex_lock(&v->lock);
	v->status = (status & ~VIRTIO_CONFIG_S_DRIVER_OK) | VIRTIO_CONFIG_S_NEEDS_RESET;
	pthread_mutex_unlock(&v->lock);
}

/* A device that is no bus master can use no queue. */
static bool can_run(struct virtio_pci *v)
{
	bool can;

	pthread_mutex_lock(&v->lock);
	can = v->bus_master;
	pthread_mutex_unlock(&v->lock);
	if (can)
		return true;
	carrier_needs_reset(v);
	log_limited(&v->remarks, "%s: the driver starts the device without bus mastering",
		    v->slice.name);
	return false;
}

/* Status bits are set in their order. Only a reset clears them, all at once. */
static void status_set(struct virtio_pci *v, uint8_t value)
{
	uint8_t old = status_now(v), set;

	if (!value) {
		common_reset(v);
		return;
	}
	set = value & ~old & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (set & VIRTIO_CONFIG_S_FEATURES_OK && !features_accepted(v))
		set &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((old | set) & VIRTIO_CONFIG_S_FEATURES_OK))
		set &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	if (set & VIRTIO_CONFIG_S_DRIVER_OK && !can_run(v))
		set &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_lock(&v->lock);
	v->status |= set;
	pthread_mutex_unlock(&v->lock);
	if (set & VIRTIO_CONFIG_S_DRIVER_OK)
		for (unsigned int i = 0; i < v->dev->n_queues; i++)
			if (v->queues[i].enabled)
				queue_start(v, i);
}

static void config_vector_set(struct virtio_pci *v, uint16_t vector)
{
	pthread_mutex_lock(&v->lock);
	v->config_vector = vector < v->n_vectors ? vector : NO_VECTOR;
	pthread_mutex_unlock(&v->lock);
}

void common_read(struct virtio_pci *v, uint32_t offset, void *data, uint32_t size)
{
	struct common c = common_now(v);

	memcpy(data, (uint8_t *)&c + offset, size);
}

/*
 * A write of any width. The bytes are laid over the present registers. Then each field that
 * the write touches is set, in the order of the structure.
 */
void common_write(struct virtio_pci *v, uint32_t offset, const void *data, uint32_t size)
{
	struct common c = common_now(v);
	struct queue *q;

	memcpy((uint8_t *)&c + offset, data, size);
#define touches(field)                                                                             \
	(offset < offsetof(struct common, field) + sizeof(c.field) &&                              \
	 offset + size > offsetof(struct common, field))
	if (touches(device_select))
		v->device_select = c.device_select;
	if (touches(driver_select))
		v->driver_select = c.driver_select;
	if (touches(driver_features))
		driver_features_set(v, c.driver_features);
	if (touches(config_vector))
		config_vector_set(v, c.config_vector);
	if (touches(status))
		status_set(v, c.status);
	if (touches(queue_select))
		v->queue_select = c.queue_select;
	if (touches(queue_size))
		queue_size_set(v, c.queue_size);
	if (touches(queue_vector))
		queue_vector_set(v, c.queue_vector);
	if (touches(queue_enable) && c.queue_enable == 1)
		queue_enable(v);
	q = queue_selected(v);
	if (!q || q->enabled)
		return;
	if (touches(queue_desc))
		q->desc = c.queue_desc;
	if (touches(queue_driver))
		q->driver = c.queue_driver;
	if (touches(queue_device))
		q->device = c.queue_device;
#undef touches
}
