// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The virtio-pci transport, driven as a guest's driver does, through vmm-glue and
 * config space, onto a device that keeps what it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <bypass/log.h>
#include <bypass/kvm.h>
#include <bypass/virtio-pci.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "fake_kvm.h"

#define DEVFN	   0x18
#define QUEUES	   3
#define QUEUE_SIZE 128
#define CONFIG	   10
#define SHM	   0x10000
#define APIC	   0xfee00000u
#define F_EXAMPLE  (1ull << 5)

struct device {
	struct bypass_virtio_device dev;
	const struct bypass_virtio_carrier *carrier;
	void *transport;
	uint8_t config[CONFIG];
	struct bypass_virtio_queue queue[QUEUES];
	bool started[QUEUES];
	uint64_t accepted;
	unsigned int resets;
	bool refuse_features, refuse_queues, has_memory;
	bool *closed;
};

struct test {
	struct bypass_vm *vm;
	struct device *d;
	struct bypass_slice *slice;
	bool closed;
	uint64_t bar[3];
	uint32_t common, isr, config, notify, notify_step, shared_bar;
	uint64_t shared_size;
	uint8_t access, msix;
};

static int device_attach(struct bypass_virtio_device *dev,
			 const struct bypass_virtio_carrier *carrier, void *transport)
{
	((struct device *)dev)->carrier = carrier;
	((struct device *)dev)->transport = transport;
	return 0;
}

static int device_memory(struct bypass_virtio_device *dev, const struct bypass_memory *mem)
{
	((struct device *)dev)->has_memory = mem;
	return 0;
}

static int device_accept(struct bypass_virtio_device *dev, uint64_t features)
{
	((struct device *)dev)->accepted = features;
	return ((struct device *)dev)->refuse_features ? -EINVAL : 0;
}

static void device_read(struct bypass_virtio_device *dev, uint32_t offset, void *data,
			uint32_t size)
{
	assert_true(offset + size <= CONFIG);
	memcpy(data, ((struct device *)dev)->config + offset, size);
}

static void device_write(struct bypass_virtio_device *dev, uint32_t offset, const void *data,
			 uint32_t size)
{
	assert_true(offset + size <= CONFIG);
	memcpy(((struct device *)dev)->config + offset, data, size);
}

static int device_start(struct bypass_virtio_device *dev, unsigned int i,
			const struct bypass_virtio_queue *queue)
{
	struct device *d = (struct device *)dev;

	assert_false(d->started[i]);
	if (d->refuse_queues)
		return -EINVAL;
	d->queue[i] = *queue;
	d->started[i] = true;
	return 0;
}

static int device_call(struct bypass_virtio_device *dev, unsigned int i, int fd)
{
	((struct device *)dev)->queue[i].call_fd = fd;
	return 0;
}

static int device_stop(struct bypass_virtio_device *dev, unsigned int i)
{
	((struct device *)dev)->started[i] = false;
	return 0;
}

static void device_reset(struct bypass_virtio_device *dev)
{
	struct device *d = (struct device *)dev;

	d->resets++;
	memset(d->started, 0, sizeof(d->started));
}

static uint64_t device_interrupts(struct bypass_virtio_device *dev)
{
	(void)dev;
	return 3;
}

static int device_event(struct bypass_virtio_device *dev, struct bypass_event *event)
{
	eventfd_t value;

	if (eventfd_read(dev->event_fd, &value))
		return 0;
	event->kind = BYPASS_EVENT_DEAD;
	strcpy(event->text, "the HCA was removed");
	return 1;
}

static void device_close(struct bypass_virtio_device *dev)
{
	struct device *d = (struct device *)dev;

	*d->closed = true;
	munmap(d->dev.shm.hva, SHM);
	close(d->dev.event_fd);
	free(d);
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
	.event = device_event,
	.close = device_close,
};

static uint32_t cfg_read(struct test *t, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	assert_true(bypass_vm_pci(t->vm, DEVFN, offset, &value, size, false));
	return value;
}

static void cfg_write(struct test *t, uint32_t offset, uint32_t size, uint32_t value)
{
	assert_true(bypass_vm_pci(t->vm, DEVFN, offset, &value, size, true));
}

static uint64_t mmio_read(struct test *t, uint64_t gpa, uint32_t size)
{
	uint64_t value = 0;

	assert_true(bypass_vm_mmio(t->vm, gpa, &value, size, false));
	return value;
}

static void mmio_write(struct test *t, uint64_t gpa, uint32_t size, uint64_t value)
{
	assert_true(bypass_vm_mmio(t->vm, gpa, &value, size, true));
}

#define common_read(t, offset, size) mmio_read(t, (t)->bar[0] + (t)->common + (offset), size)
#define common_write(t, offset, size, value)                                                       \
	mmio_write(t, (t)->bar[0] + (t)->common + (offset), size, value)

static void structure_found(struct test *t, uint8_t at)
{
	uint32_t offset = cfg_read(t, at + VIRTIO_PCI_CAP_OFFSET, 4);
	uint8_t bar = cfg_read(t, at + VIRTIO_PCI_CAP_BAR, 1);

	switch (cfg_read(t, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		t->common = offset;
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		t->isr = offset;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		t->config = offset;
		assert_int_equal(cfg_read(t, at + VIRTIO_PCI_CAP_LENGTH, 4), CONFIG);
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		t->notify = offset;
		t->notify_step = cfg_read(t, at + 16, 4);
		break;
	case VIRTIO_PCI_CAP_SHARED_MEMORY_CFG:
		assert_int_equal(cfg_read(t, at + 5, 1), 0); /* region 0 */
		assert_int_equal(offset, 0);
		t->shared_bar = bar;
		t->shared_size = cfg_read(t, at + VIRTIO_PCI_CAP_LENGTH, 4) |
				 (uint64_t)cfg_read(t, at + 20, 4) << 32;
		return;
	case VIRTIO_PCI_CAP_PCI_CFG:
		t->access = at;
		return;
	}
	assert_int_equal(bar, 0);
}

/* What a driver does first. */
static void probe(struct test *t)
{
	uint8_t at = cfg_read(t, PCI_CAPABILITY_LIST, 1);

	assert_int_equal(cfg_read(t, PCI_VENDOR_ID, 4), (0x1040 + 42) << 16 | 0x1af4);
	for (; at; at = cfg_read(t, at + 1, 1)) {
		if (cfg_read(t, at, 1) == PCI_CAP_ID_VNDR)
			structure_found(t, at);
		else if (cfg_read(t, at, 1) == PCI_CAP_ID_MSIX)
			t->msix = at;
	}
	for (unsigned int i = 0; i < 3; i++)
		t->bar[i] = cfg_read(t, PCI_BASE_ADDRESS_0 + 4 * i, 4) & ~15u;
	t->bar[2] |= (uint64_t)cfg_read(t, PCI_BASE_ADDRESS_3, 4) << 32;
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_not_equal(t->access, 0);
	assert_int_not_equal(t->msix, 0);
}

static struct device *device_new(bool *closed)
{
	static const uint16_t sizes[QUEUES] = {QUEUE_SIZE, QUEUE_SIZE, 2};
	struct device *d = calloc(1, sizeof(*d));

	d->dev.ops = &device_ops;
	strcpy(d->dev.name, "example");
	d->dev.id = 42;
	d->dev.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_PACKED | F_EXAMPLE;
	d->dev.config_size = CONFIG;
	d->dev.n_queues = QUEUES;
	d->dev.queue_size = sizes;
	d->dev.shm.size = SHM;
	d->dev.shm.fd = 99; /* looked at by nobody here */
	d->dev.shm.hva =
		mmap(NULL, SHM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	d->dev.event_fd = eventfd(0, EFD_NONBLOCK);
	memcpy(d->config, "0123456789", CONFIG);
	d->closed = closed;
	return d;
}

static int setup(void **state)
{
	struct bypass_vm_config config = {
		.first_slot = 8,
		.first_gsi = 24,
		.phys_bits = 46,
		.mmio32 = {0xe0000000, 0x100000},
		.mmio64 = {0x1000000000, 0x100000},
	};
	struct test *t = calloc(1, sizeof(*t));

	fake_kvm_open();
	t->d = device_new(&t->closed);
	if (bypass_virtio_pci_new(&t->d->dev, &t->slice) ||
	    bypass_vm_attach(fake_kvm.fd, &config, &t->vm) ||
	    bypass_vm_plug(t->vm, t->slice, DEVFN, 10))
		return -1;
	*state = t;
	probe(t);
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	unsigned int left;
	bool closed;

	bypass_vm_detach(t->vm);
	bypass_slice_close(t->slice);
	closed = t->closed;
	free(t);
	left = fake_slots() + fake_kvm.n_irqfds + fake_kvm.n_bells + fake_kvm.wrong;
	fake_kvm_close();
	return closed && !left ? 0 : -1;
}

static void features_set(struct test *t, uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++) {
		common_write(t, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		common_write(t, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> 32 * i));
	}
}

static void queue_set(struct test *t, uint16_t i, uint16_t vector)
{
	common_write(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
	common_write(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
	common_write(t, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x1000u + i);
	common_write(t, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 1);
	common_write(t, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, 0x200002000ull);
	common_write(t, VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0x3000);
	common_write(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void status_add(struct test *t, uint8_t bits)
{
	common_write(t, VIRTIO_PCI_COMMON_STATUS, 1,
		     common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) | bits);
}

static void vector_open(struct test *t, unsigned int i)
{
	mmio_write(t, t->bar[1] + 16 * i, 8, APIC);
	mmio_write(t, t->bar[1] + 16 * i + 8, 8, 0x40 + i);
}

static void go(struct test *t)
{
	common_write(t, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	status_add(t, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	status_add(t, VIRTIO_CONFIG_S_DRIVER);
	features_set(t, 1ull << VIRTIO_F_VERSION_1 | F_EXAMPLE);
	status_add(t, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	cfg_write(t, t->msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned int i = 0; i < 3; i++)
		vector_open(t, i);
	common_write(t, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	queue_set(t, 0, 1);
	queue_set(t, 1, 2);
	status_add(t, VIRTIO_CONFIG_S_DRIVER_OK);
}

static void test_start(void **state)
{
	struct test *t = *state;
	const struct kvm_irq_routing_entry *r;

	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	go(t);
	assert_int_equal(t->d->accepted, 1ull << VIRTIO_F_VERSION_1 | F_EXAMPLE);
	assert_true(t->d->started[0] && t->d->started[1] && !t->d->started[2]);
	assert_int_equal(t->d->queue[1].size, QUEUE_SIZE);
	assert_int_equal(t->d->queue[1].desc, 0x100001001);
	assert_int_equal(t->d->queue[1].avail, 0x200002000);
	assert_int_equal(t->d->queue[1].used, 0x3000);
	r = fake_route(t->d->queue[1].call_fd);
	assert_non_null(r);
	assert_int_equal(r->u.msi.data, 0x42);
	/* One that is enabled late, without a vector. */
	queue_set(t, 2, 77);
	assert_true(t->d->started[2]);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(t->d->queue[2].call_fd, -1);
	/* Vectors off: nobody may signal an eventfd that is about to be closed. */
	cfg_write(t, t->msix + PCI_MSIX_FLAGS, 2, 0);
	assert_int_equal(t->d->queue[1].call_fd, -1);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x0f);
	common_write(t, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_false(t->d->started[0]);
	common_write(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	go(t);
	assert_true(t->d->started[0]);
}

static void test_features(void **state)
{
	struct test *t = *state;
	const uint8_t ok = VIRTIO_CONFIG_S_FEATURES_OK;

	common_write(t, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	/* The packed ring is not carried. */
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_DF, 4), 1);
	common_write(t, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_DF, 4), 0);
	features_set(t, F_EXAMPLE); /* a legacy driver */
	status_add(t, ok);
	assert_false(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) & ok);
	features_set(t, 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_PACKED);
	status_add(t, ok);
	assert_false(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) & ok);
	features_set(t, 1ull << VIRTIO_F_VERSION_1);
	t->d->refuse_features = true;
	status_add(t, ok);
	assert_false(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) & ok);
	/* Without it there is no DRIVER_OK. */
	queue_set(t, 0, 0);
	status_add(t, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_false(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_DRIVER_OK);
	assert_false(t->d->started[0]);
	t->d->refuse_features = false;
	status_add(t, ok);
	assert_true(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1) & ok);
	/* Agreed is agreed. */
	features_set(t, 0);
	common_write(t, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_GF, 4), 1);
}

static void test_queue_rules(void **state)
{
	struct test *t = *state;

	common_write(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), 2);
	common_write(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, 4); /* more than there is */
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), 2);
	common_write(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	common_write(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, 3);
	common_write(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, 0);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	common_write(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, 64);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	queue_set(t, 0, 0);
	common_write(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, 32);
	common_write(t, VIRTIO_PCI_COMMON_Q_DESCLO, 8, 7);
	common_write(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x100001000);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	/* A queue that is not. */
	common_write(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0xffff);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	queue_set(t, QUEUES, 0);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void test_notify(void **state)
{
	struct test *t = *state;
	eventfd_t n;

	go(t);
	assert_int_equal(fake_kvm.n_bells, QUEUES);
	for (unsigned int i = 0; i < QUEUES; i++)
		assert_int_equal(fake_kvm.bells[i].addr,
				 t->bar[0] + t->notify + i * t->notify_step);
	assert_int_equal(fake_kvm.bells[1].fd, t->d->queue[1].kick_fd);
	mmio_write(t, t->bar[0] + t->notify + t->notify_step, 2, 1);
	assert_int_equal(eventfd_read(t->d->queue[1].kick_fd, &n), 0);
	mmio_write(t, t->bar[0] + t->notify + 100 * t->notify_step, 2, 1);
}

static void test_config(void **state)
{
	struct test *t = *state;
	uint64_t at = t->bar[0] + t->config;

	assert_int_equal(mmio_read(t, at, 8), 0x3736353433323130);
	assert_int_equal(mmio_read(t, at + 8, 4), 0x3938);
	assert_int_equal(mmio_read(t, at + 16, 4), 0);
	mmio_write(t, at + 8, 4, 0x41414141);
	mmio_write(t, at + 12, 4, 0x41414141);
	assert_memory_equal(t->d->config, "01234567AA", CONFIG);
}

static void test_config_change(void **state)
{
	struct test *t = *state;

	t->d->carrier->config_changed(t->d->transport);
	assert_int_equal(mmio_read(t, t->bar[0] + t->isr, 1), 2);
	assert_int_equal(mmio_read(t, t->bar[0] + t->isr, 1), 0);
	go(t);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
	memset(fake_kvm.injected, 0, sizeof(fake_kvm.injected));
	t->d->carrier->config_changed(t->d->transport);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[24], 1);
	t->d->carrier->needs_reset(t->d->transport);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[24], 2);
	status_add(t, VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0xcf);
	common_write(t, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0);
}

/* As kexec does it: what the old kernel gave the device must not be written any more. */
static void test_bus_master(void **state)
{
	struct test *t = *state;
	unsigned int resets;

	go(t);
	assert_true(t->d->started[0]);
	resets = t->d->resets;
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(t->d->resets, resets + 1);
	assert_false(t->d->started[0]);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x4b);
	/* On again, nothing runs by itself; what a driver does then is to reset. */
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_false(t->d->started[0]);
	go(t);
	assert_true(t->d->started[0]);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x0f);
	/* Other bits of the register do not matter. */
	resets = t->d->resets;
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(t->d->resets, resets);
}

/* A write of one byte counts as well, and what was not started before is not started without the bit. */
static void test_bus_master_first(void **state)
{
	struct test *t = *state;
	unsigned int resets;

	go(t);
	resets = t->d->resets;
	t->slice->ops->config_write(t->slice, PCI_COMMAND, "\0", 1);
	assert_int_equal(t->d->resets, resets + 1);
	assert_false(t->d->started[0]);
	go(t);
	assert_false(t->d->started[0]);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x4b);
	t->slice->ops->config_write(t->slice, PCI_COMMAND, "\6", 1);
	go(t);
	assert_true(t->d->started[0]);
	/* Power-on is without bus mastering. */
	assert_int_equal(t->slice->ops->reset(t->slice), 0);
	go(t);
	assert_false(t->d->started[0]);
}

/* An interrupt is a write to memory. */
static void test_bus_master_interrupt(void **state)
{
	struct test *t = *state;

	cfg_write(t, t->msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	vector_open(t, 0);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	common_write(t, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	t->d->carrier->config_changed(t->d->transport);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[24], 0);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	t->d->carrier->config_changed(t->d->transport);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[24], 1);
}

static void count_line(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)level;
	(void)text;
	++*(unsigned int *)opaque;
}

/* A driver that fails as often as it can does not fill the log. */
static void test_log_is_bounded(void **state)
{
	struct test *t = *state;
	unsigned int lines = 0;

	bypass_log_set(count_line, &lines);
	t->d->refuse_queues = true;
	for (unsigned int i = 0; i < 1000; i++)
		go(t);
	bypass_log_set(NULL, NULL);
	assert_int_equal(lines, 16);
}

/* What the device tells is the slice's to tell. */
static void test_event(void **state)
{
	struct test *t = *state;
	struct bypass_event event = {.kind = BYPASS_EVENT_UNPLUG};

	assert_int_equal(t->slice->event_fd, t->d->dev.event_fd);
	assert_int_equal(t->slice->ops->event(t->slice, &event), 0);
	eventfd_write(t->d->dev.event_fd, 1);
	assert_int_equal(t->slice->ops->event(t->slice, &event), 1);
	assert_int_equal(event.kind, BYPASS_EVENT_DEAD);
	assert_string_equal(event.text, "the HCA was removed");
	assert_int_equal(t->slice->bars[2].windows[0].fd, 99);
}

static void test_queue_refused(void **state)
{
	struct test *t = *state;

	t->d->refuse_queues = true;
	go(t);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x4f);
	t->d->refuse_queues = false;
	go(t);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x0f);
}

static void test_shm(void **state)
{
	struct test *t = *state;

	assert_int_equal(t->shared_bar, 2);
	assert_int_equal(t->shared_size, SHM);
	assert_ptr_equal(fake_memory(t->bar[2] + 0x3000), (uint8_t *)t->d->dev.shm.hva + 0x3000);
}

/* A vector that is opened after DRIVER_OK tells the driver that something may have come. */
static void test_late_vector(void **state)
{
	struct test *t = *state;

	go(t);
	common_write(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	common_write(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
	assert_int_equal(t->d->queue[0].call_fd, -1);
	memset(fake_kvm.injected, 0, sizeof(fake_kvm.injected));
	vector_open(t, 3);
	assert_true(t->d->queue[0].call_fd >= 0);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[27], 1);
}

static void access_point(struct test *t, uint8_t bar, uint32_t offset, uint32_t size)
{
	cfg_write(t, t->access + VIRTIO_PCI_CAP_BAR, 1, bar);
	cfg_write(t, t->access + VIRTIO_PCI_CAP_OFFSET, 4, offset);
	cfg_write(t, t->access + VIRTIO_PCI_CAP_LENGTH, 4, size);
}

static void test_access_by_config_space(void **state)
{
	struct test *t = *state;
	eventfd_t n;

	go(t);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	access_point(t, 0, t->common + VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(cfg_read(t, t->access + 16, 2), QUEUES);
	access_point(t, 0, t->config, 4);
	assert_int_equal(cfg_read(t, t->access + 16, 4), 0x33323130);
	access_point(t, 0, t->notify + t->notify_step, 2);
	cfg_write(t, t->access + 16, 2, 1);
	assert_int_equal(eventfd_read(t->d->queue[1].kick_fd, &n), 0);
	/* Places that are none, and a capability that stays as it is. */
	access_point(t, 0, 0xfffffffe, 4);
	cfg_read(t, t->access + 16, 4);
	access_point(t, 0, t->common, 3);
	cfg_read(t, t->access + 16, 4);
	access_point(t, 0, t->common + 2, 4);
	cfg_write(t, t->access + 16, 4, ~0u);
	access_point(t, 9, t->common + VIRTIO_PCI_COMMON_STATUS, 1);
	cfg_write(t, t->access + 16, 4, 0);
	cfg_write(t, t->access + VIRTIO_PCI_CAP_CFG_TYPE, 1, 1);
	assert_int_equal(cfg_read(t, t->access + VIRTIO_PCI_CAP_CFG_TYPE, 1),
			 VIRTIO_PCI_CAP_PCI_CFG);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x0f);
}

static void test_random_registers(void **state)
{
	struct test *t = *state;

	srandom(1);
	for (unsigned int i = 0; i < 100000; i++) {
		uint64_t value = (uint64_t)random() << 32 | random();
		uint32_t offset = random() % 0x4100, size = 1 << random() % 4;

		if (random() % 2)
			offset %= 0x40;
		bypass_vm_mmio(t->vm, t->bar[0] + offset, &value, size, random() % 4);
		if (random() % 8 == 0) {
			offset = t->access + random() % 20;
			bypass_vm_pci(t->vm, DEVFN, offset, &value, 4, random() % 2);
		}
	}
	assert_int_equal(bypass_vm_reset(t->vm), 0);
	assert_int_equal(cfg_read(t, PCI_COMMAND, 2), 0);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	go(t);
	assert_int_equal(common_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 0x0f);
}

static void test_unplug(void **state)
{
	struct test *t = *state;

	go(t);
	assert_true(t->d->has_memory);
	assert_int_equal(bypass_vm_unplug(t->vm, t->slice), 0);
	assert_false(t->d->started[0]);
	assert_false(t->d->has_memory);
	assert_int_equal(bypass_vm_plug(t->vm, t->slice, DEVFN, -1), 0);
}

/* Who has opened a slice by its text asks for the device behind the slice. */
static void test_device_of_slice(void **state)
{
	const struct bypass_slice_ops ops = {0};
	struct bypass_slice other = {.ops = &ops};
	struct test *t = *state;

	assert_ptr_equal(bypass_virtio_pci_device(t->slice), &t->d->dev);
	assert_null(bypass_virtio_pci_device(&other));
}

static void test_impossible_devices(void **state)
{
	struct bypass_slice *slice;
	bool closed = false;
	struct device *d = device_new(&closed);

	(void)state;
	d->dev.n_queues = 1025;
	assert_int_equal(bypass_virtio_pci_new(&d->dev, &slice), -EINVAL);
	d->dev.n_queues = QUEUES;
	d->dev.shm.size = 0x3000;
	assert_int_equal(bypass_virtio_pci_new(&d->dev, &slice), -EINVAL);
	d->dev.shm.size = SHM;
	d->dev.config_size = 0x1001;
	assert_int_equal(bypass_virtio_pci_new(&d->dev, &slice), -EINVAL);
	assert_false(closed); /* it stays the caller's */
	device_close(&d->dev);
}

#define rule(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_start),
		rule(test_features),
		rule(test_queue_rules),
		rule(test_notify),
		rule(test_config),
		rule(test_config_change),
		rule(test_event),
		rule(test_bus_master),
		rule(test_bus_master_first),
		rule(test_bus_master_interrupt),
		rule(test_log_is_bounded),
		rule(test_queue_refused),
		rule(test_shm),
		rule(test_late_vector),
		rule(test_access_by_config_space),
		rule(test_random_registers),
		rule(test_unplug),
		rule(test_device_of_slice),
		cmocka_unit_test(test_impossible_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
