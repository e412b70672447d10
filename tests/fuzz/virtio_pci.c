// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A driver that writes anything to a virtio-pci device, by its BARs and by config
 * space. Whatever comes, the device behind is called as bypass/virtio.h promises.
 */
#include "../unit/fake_kvm.h"
#include "input.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <bypass/kvm.h>
#include <bypass/virtio-pci.h>

#define DEVFN  0x10
#define QUEUES 5
#define CONFIG 37
#define SHM    0x10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t queue_sizes[QUEUES] = {1024, 256, 256, 1, 32768};

struct device {
	struct bypass_virtio_device dev;
	const struct bypass_virtio_carrier *carrier;
	void *transport;
	bool accepted;
	bool started[QUEUES];
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct device *device_of(struct bypass_virtio_device *dev)
{
	return (struct device *)dev;
}

static int device_attach(struct bypass_virtio_device *dev,
			 const struct bypass_virtio_carrier *carrier, void *transport)
{
	device_of(dev)->carrier = carrier;
	device_of(dev)->transport = transport;
	return 0;
}

static int device_memory(struct bypass_virtio_device *dev, const struct bypass_memory *mem)
{
	(void)mem;
	must(device_of(dev)->carrier);
	return 0;
}

/* Some drivers ask for what this device refuses. */
static int device_accept(struct bypass_virtio_device *dev, uint64_t features)
{
	must(!(features & ~dev->features) && features >> 32 & 1);
	if (features & 2)
		return -22;
	device_of(dev)->accepted = true;
	return 0;
}

static void device_read(struct bypass_virtio_device *dev, uint32_t offset, void *data,
			uint32_t size)
{
	(void)dev;
	must(size && size <= CONFIG && offset <= CONFIG - size);
	memset(data, 0x5a, size);
}

static void device_write(struct bypass_virtio_device *dev, uint32_t offset, const void *data,
			 uint32_t size)
{
	(void)data;
	must(size && size <= CONFIG && offset <= CONFIG - size);
	/* As from a thread of the device's. */
	device_of(dev)->carrier->config_changed(device_of(dev)->transport);
}

static int device_start(struct bypass_virtio_device *dev, unsigned int i,
			const struct bypass_virtio_queue *queue)
{
	must(i < QUEUES && device_of(dev)->accepted && !device_of(dev)->started[i]);
	must(queue->size && !(queue->size & (queue->size - 1)) && queue->size <= queue_sizes[i]);
	must(queue->kick_fd >= 0 && !queue->next);
	/* Rings that the device cannot reach. */
	if (queue->desc & 1)
		return -22;
	device_of(dev)->started[i] = true;
	return 0;
}

static int device_call(struct bypass_virtio_device *dev, unsigned int i, int fd)
{
	must(i < QUEUES && device_of(dev)->started[i]);
	must(fd == -1 || !eventfd_write(fd, 1));
	return 0;
}

static int device_stop(struct bypass_virtio_device *dev, unsigned int i)
{
	must(i < QUEUES);
	device_of(dev)->started[i] = false;
	return 0;
}

static void device_reset(struct bypass_virtio_device *dev)
{
	memset(device_of(dev)->started, 0, sizeof(device_of(dev)->started));
	device_of(dev)->accepted = false;
}

static uint64_t device_interrupts(struct bypass_virtio_device *dev)
{
	(void)dev;
	return 0;
}

static void device_close(struct bypass_virtio_device *dev)
{
	munmap(dev->shm.hva, SHM);
	free(dev);
}

static const struct bypass_virtio_ops device_ops = {
	.attach = device_attach,
	.set_memory = device_memory,
	.accept = device_accept,
	.config_read = device_read,
	.config_write = device_write,
	.queue_start = device_start,
	.queue_call = device_call,
	.queue_stop = device_stop,
	.reset = device_reset,
	.interrupts = device_interrupts,
	.close = device_close,
};

static struct bypass_slice *slice_new(void)
{
	struct device *d = calloc(1, sizeof(*d));
	struct bypass_slice *slice;

	d->dev.ops = &device_ops;
	strcpy(d->dev.name, "fuzzed");
	d->dev.id = 42;
	d->dev.features = 1ull << 32 | 7;
	d->dev.config_size = CONFIG;
	d->dev.n_queues = QUEUES;
	d->dev.queue_size = queue_sizes;
	d->dev.event_fd = -1;
	d->dev.shm.size = SHM;
	d->dev.shm.fd = -1;
	d->dev.shm.hva =
		mmap(NULL, SHM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(!bypass_virtio_pci_new(&d->dev, &slice));
	return slice;
}

static void step(struct input *s, struct bypass_vm *vm, uint64_t bar0, uint64_t bar1)
{
	unsigned int what = take(s, 1), size = 1 << (what >> 6);
	bool write = !(what & 32);
	uint64_t at, value;

	switch (what % 4) {
	case 0: /* common configuration */
		at = take(s, 1) % 0x40;
		value = take(s, size);
		bypass_vm_mmio(vm, bar0 + at, &value, size, write);
		break;
	case 1:
		at = take(s, 2) % 0x4000;
		value = take(s, size);
		bypass_vm_mmio(vm, bar0 + at, &value, size, write);
		break;
	case 2:
		at = take(s, 1);
		value = take(s, size);
		bypass_vm_mmio(vm, bar1 + at, &value, size, write);
		break;
	case 3: /* bus mastering and capabilities; BARs and decoding stay as they are */
		at = 0x40 + take(s, 1) % 0xc0;
		value = take(s, 4);
		if (what & 16) {
			at = 4;
			value = (value & 4) | 2;
		}
		bypass_vm_pci(vm, DEVFN, at, &value, size > 4 ? 4 : size, write);
		break;
	}
	fake_deliver();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bypass_vm_config config = {
		.first_slot = 8,
		.first_gsi = 24,
		.phys_bits = 46,
		.mmio32 = {0xe0000000, 0x100000},
		.mmio64 = {0x1000000000, 0x100000},
	};
	struct input s = {data, size};
	uint32_t bar0 = 0, bar1 = 0, command = 6;
	struct bypass_slice *slice;
	struct bypass_vm *vm;

	fake_kvm_open();
	slice = slice_new();
	must(!bypass_vm_attach(fake_kvm.fd, &config, &vm));
	must(!bypass_vm_plug(vm, slice, DEVFN, -1));
	bypass_vm_pci(vm, DEVFN, 0x10, &bar0, 4, false);
	bypass_vm_pci(vm, DEVFN, 0x14, &bar1, 4, false);
	bypass_vm_pci(vm, DEVFN, 0x04, &command, 2, true);
	while (s.left)
		step(&s, vm, bar0, bar1);
	bypass_vm_detach(vm);
	bypass_slice_close(slice);
	must(!fake_kvm.wrong && !fake_slots() && !fake_kvm.n_irqfds && !fake_kvm.n_bells);
	fake_kvm_close();
	return 0;
}
