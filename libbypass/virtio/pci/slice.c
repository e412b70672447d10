// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A virtio device as a slice. The driver's notifications are kicks, used-buffer notifications
 * are vectors, and shared memory is a window. All other registers are traps.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/memory.h>
#include <bypass/virtio-pci.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>

#include "internal.h"

/* Features of transports and rings that need more than is here (virtio 1.2, chapter 6, and later). */
#define F_NOTIF_CONFIG_DATA 39
#define F_NOTIFICATION_DATA 38
#define F_ADMIN_VQ	    41
#define FEATURES_NOT_CARRIED                                                                       \
	(1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_SR_IOV | 1ull << F_NOTIFICATION_DATA |    \
	 1ull << F_NOTIF_CONFIG_DATA | 1ull << VIRTIO_F_RING_RESET | 1ull << F_ADMIN_VQ)

static struct virtio_pci *virtio_of(struct bypass_slice *slice)
{
	return (struct virtio_pci *)slice;
}

/*
 * A vector that is connected while the device runs may have missed a notification. So the
 * vector is signalled once: drivers bear a notification without a cause.
 */
static int virtio_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
			  unsigned int count, const int *fds)
{
	struct virtio_pci *v = virtio_of(slice);
	bool running;

	if (irq != BYPASS_IRQ_MSIX || start > v->n_vectors || count > v->n_vectors - start)
		return bypass_fail(EINVAL, "%s has %u MSI-X vectors, and no other interrupt",
				   slice->name, v->n_vectors);
	if (!count) {
		start = 0;
		count = v->n_vectors;
		fds = NULL;
	}
	pthread_mutex_lock(&v->lock);
	for (unsigned int i = 0; i < count; i++)
		v->fds[start + i] = fds ? fds[i] : -1;
	running = v->status & VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_unlock(&v->lock);
	queues_call(v, start, start + count);
	for (unsigned int i = 0; i < count && fds; i++)
		if (fds[i] >= 0 && running)
			eventfd_write(fds[i], 1);
	return 0;
}

static int virtio_resample(struct bypass_slice *slice, int fd)
{
	(void)fd;
	return bypass_fail(EOPNOTSUPP, "%s has no INTx", slice->name);
}

/* An unplugged device has no driver: it is reset. */
static int virtio_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	struct virtio_pci *v = virtio_of(slice);
	const struct bypass_memory_range *ranges;
	unsigned int n;
	int err;

	if (!mem)
		common_reset(v);
	err = v->dev->ops->set_memory(v->dev, mem);
	if (err)
		return err;
	v->ram = 0;
	if (!mem)
		return 0;
	ranges = bypass_memory_ranges(mem, &n);
	for (unsigned int i = 0; i < n; i++)
		v->ram += ranges[i].size;
	return 0;
}

static int virtio_reset(struct bypass_slice *slice)
{
	common_reset(virtio_of(slice));
	virtio_command_set(virtio_of(slice), 0);
	return 0;
}

static uint64_t virtio_interrupts(struct bypass_slice *slice)
{
	struct virtio_pci *v = virtio_of(slice);

	return v->dev->ops->interrupts(v->dev);
}

static uint64_t virtio_dma_bytes(struct bypass_slice *slice)
{
	return virtio_of(slice)->ram;
}

static int virtio_event(struct bypass_slice *slice, struct bypass_event *event)
{
	struct virtio_pci *v = virtio_of(slice);

	return v->dev->ops->event(v->dev, event);
}

/* What virtio_alloc() made; the device is not touched. */
static void virtio_free(struct virtio_pci *v)
{
	for (unsigned int i = 0; v->queues && i < v->dev->n_queues; i++)
		if (v->queues[i].kick >= 0)
			close(v->queues[i].kick);
	pthread_mutex_destroy(&v->lock);
	free(v->fds);
	free(v->kicks);
	free(v->queues);
	free(v);
}

static void virtio_close(struct bypass_slice *slice)
{
	struct virtio_pci *v = virtio_of(slice);
	struct bypass_virtio_device *dev = v->dev;

	common_reset(v);
	dev->ops->attach(dev, NULL, NULL);
	virtio_free(v);
	dev->ops->close(dev);
}

static const struct bypass_slice_ops virtio_ops = {
	.config_read = virtio_config_read,
	.config_write = virtio_config_write,
	.bar_read = virtio_bar_read,
	.bar_write = virtio_bar_write,
	.vectors = virtio_vectors,
	.resample = virtio_resample,
	.set_memory = virtio_set_memory,
	.reset = virtio_reset,
	.interrupts = virtio_interrupts,
	.dma_bytes = virtio_dma_bytes,
	.event = virtio_event,
	.close = virtio_close,
};

struct bypass_virtio_device *bypass_virtio_pci_device(struct bypass_slice *slice)
{
	return slice->ops == &virtio_ops ? virtio_of(slice)->dev : NULL;
}

static int device_check(const struct bypass_virtio_device *dev)
{
	uint64_t page = sysconf(_SC_PAGESIZE), shm = dev->shm.size;

	if (!dev->n_queues || dev->n_queues > QUEUES_MAX)
		return bypass_fail(EINVAL, "%s has %u queues; virtio-pci carries 1 to %u",
				   dev->name, dev->n_queues, QUEUES_MAX);
	if (dev->config_size > DEVICE_SIZE)
		return bypass_fail(EINVAL,
				   "%s has %u bytes of configuration; virtio-pci carries %u",
				   dev->name, dev->config_size, DEVICE_SIZE);
	if (shm && (shm & (shm - 1) || shm < page || (uintptr_t)dev->shm.hva % page))
		return bypass_fail(EINVAL,
				   "the shared memory of %s is not a power of two of whole pages",
				   dev->name);
	return 0;
}

static void bars_fill(struct virtio_pci *v)
{
	struct bypass_slice *slice = &v->slice;
	uint64_t table = 4096;

	for (unsigned int i = 0; i < v->dev->n_queues; i++)
		v->kicks[i] = (struct bypass_kick){
			.offset = NOTIFY_OFFSET + NOTIFY_STEP * i,
			.fd = v->queues[i].kick,
		};
	slice->bars[0] = (struct bypass_bar){
		.size = BAR0_SIZE,
		.kicks = v->kicks,
		.n_kicks = v->dev->n_queues,
	};
	while (table < v->n_vectors * PCI_MSIX_ENTRY_SIZE)
		table *= 2;
	slice->bars[MSIX_BAR] = (struct bypass_bar){.size = 2 * table};
	if (!v->dev->shm.size)
		return;
	v->window.size = v->dev->shm.size;
	v->window.hva = v->dev->shm.hva;
	v->window.fd = v->dev->shm.fd;
	slice->bars[SHM_BAR] = (struct bypass_bar){
		.size = v->window.size,
		.is_64 = true,
		.prefetchable = true,
		.windows = v->dev->shm.windows ? v->dev->shm.windows : &v->window,
		.n_windows = v->dev->shm.windows ? v->dev->shm.n_windows : 1,
	};
}

/* NULL with errno, explained. */
static struct virtio_pci *virtio_alloc(struct bypass_virtio_device *dev)
{
	struct virtio_pci *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		goto memory;
	v->dev = dev;
	v->n_vectors = dev->n_queues + 1;
	pthread_mutex_init(&v->lock, NULL);
	v->queues = calloc(dev->n_queues, sizeof(*v->queues));
	v->kicks = calloc(dev->n_queues, sizeof(*v->kicks));
	v->fds = malloc(v->n_vectors * sizeof(*v->fds));
	for (unsigned int i = 0; v->queues && i < dev->n_queues; i++)
		v->queues[i].kick = -1;
	if (!v->queues || !v->kicks || !v->fds)
		goto free;
	memset(v->fds, 0xff, v->n_vectors * sizeof(*v->fds));
	for (unsigned int i = 0; i < dev->n_queues; i++) {
		v->queues[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->queues[i].kick >= 0)
			continue;
		err = errno;
		virtio_free(v);
		bypass_fail(err, "no eventfd for queue %u of %s: %s", i, dev->name, strerror(err));
		return NULL;
	}
	return v;

free:
	virtio_free(v);
memory:
	bypass_fail(ENOMEM, "no memory for %u queues of %s", dev->n_queues, dev->name);
	return NULL;
}

int bypass_virtio_pci_new(struct bypass_virtio_device *dev, struct bypass_slice **slice)
{
	struct virtio_pci *v;
	int err = device_check(dev);

	if (err)
		return err;
	v = virtio_alloc(dev);
	if (!v)
		return -errno;
	v->features = (dev->features | 1ull << VIRTIO_F_VERSION_1) & ~FEATURES_NOT_CARRIED;
	v->slice.ops = &virtio_ops;
	snprintf(v->slice.name, sizeof(v->slice.name), "%s", dev->name);
	v->slice.config_size = CONFIG_SIZE;
	v->slice.kvm_fd = -1;
	v->slice.event_fd = dev->event_fd;
	v->slice.vectors[BYPASS_IRQ_MSIX] = v->n_vectors;
	bars_fill(v);
	virtio_config_init(v);
	err = dev->ops->attach(dev, &virtio_pci_carrier, v);
	if (err) {
		virtio_free(v);
		return err;
	}
	common_reset(v);
	*slice = &v->slice;
	return 0;
}
