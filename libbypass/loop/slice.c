// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A loop slice as a VMM sees it: a PCI function with a window, a page of
 * doorbells and one MSI-X vector.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>

#include "../base/memlock.h"
#include "internal.h"

/* After a reset, requests are numbered so far ahead that no stale seq matches. */
#define START_STEP    (1u << 16)
#define START_ENTRIES (1u << 14)

static struct loop *to_loop(struct bypass_slice *slice)
{
	return (struct loop *)slice;
}

static void put16(uint8_t *config, unsigned int offset, uint16_t value)
{
	memcpy(config + offset, &value, sizeof(value));
}

static void put32(uint8_t *config, unsigned int offset, uint32_t value)
{
	memcpy(config + offset, &value, sizeof(value));
}

static void config_power_on(uint8_t *config)
{
	memset(config, 0, LOOP_CONFIG_SIZE);
	put16(config, PCI_VENDOR_ID, BYPASS_LOOP_VENDOR);
	put16(config, PCI_DEVICE_ID, BYPASS_LOOP_DEVICE);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	config[PCI_REVISION_ID] = 1;
	config[PCI_CLASS_DEVICE + 1] = 0xff; /* unassigned class */
	put32(config, PCI_BASE_ADDRESS_0,
	      PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	config[PCI_CAPABILITY_LIST] = LOOP_MSIX_CAP;
	config[LOOP_MSIX_CAP] = PCI_CAP_ID_MSIX;
	put16(config, LOOP_MSIX_CAP + PCI_MSIX_FLAGS, 0); /* one vector */
	put32(config, LOOP_MSIX_CAP + PCI_MSIX_TABLE, LOOP_MSIX_TABLE | BYPASS_LOOP_DOORBELL_BAR);
	put32(config, LOOP_MSIX_CAP + PCI_MSIX_PBA, LOOP_MSIX_PBA | BYPASS_LOOP_DOORBELL_BAR);
}

static int loop_config_read(struct bypass_slice *slice, uint32_t offset, void *data, uint32_t size)
{
	memcpy(data, to_loop(slice)->config_space + offset, size);
	return 0;
}

/* Requests that were posted so far are never served. A driver that starts reads where to begin. */
static void forget_requests(struct loop *loop)
{
	uint32_t start = atomic_load(&loop->start) + START_STEP;

	atomic_store_explicit(&loop->start, start, memory_order_release);
	__atomic_store_n(&loop->header->start, start, __ATOMIC_RELEASE);
}

/*
 * A function that is no bus master touches no guest memory. What was posted before is forgotten: when bus
 * mastering returns, another kernel may own the memory (kexec).
 */
static void command_changed(struct loop *loop)
{
	bool on = loop->config_space[PCI_COMMAND] & PCI_COMMAND_MASTER;
	bool before;

	pthread_mutex_lock(&loop->memory_lock);
	before = atomic_exchange(&loop->bus_master, on);
	pthread_mutex_unlock(&loop->memory_lock);
	if (before && !on)
		forget_requests(loop);
}

/* The command register and MSI-X control keep what is written. */
static int loop_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
			     uint32_t size)
{
	uint8_t *config = to_loop(slice)->config_space;

	for (uint32_t i = offset; i < offset + size; i++, data = (const uint8_t *)data + 1) {
		if (i == PCI_COMMAND || i == PCI_COMMAND + 1)
			config[i] = *(const uint8_t *)data;
		else if (i == LOOP_MSIX_CAP + PCI_MSIX_FLAGS + 1)
			config[i] = *(const uint8_t *)data &
				    ((PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8);
	}
	command_changed(to_loop(slice));
	return 0;
}

static int loop_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset, void *data,
			 uint32_t size)
{
	(void)slice;
	(void)bar;
	(void)offset;
	memset(data, 0, size); /* doorbells are written, never read */
	return 0;
}

static int loop_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			  const void *data, uint32_t size)
{
	struct loop *loop = to_loop(slice);

	(void)data;
	(void)size;
	if (bar == BYPASS_LOOP_DOORBELL_BAR && offset == BYPASS_LOOP_TRAP && loop->config.trap)
		loop_serve(loop, loop->mask + 1);
	return 0;
}

/* One atomic step: the serving side may raise the vector at this moment. */
static int connect_vector(struct loop *loop, int fd)
{
	atomic_store(&loop->connected, fd >= 0);
	return dup3(fd < 0 ? loop->mute_fd : fd, loop->raise_fd, O_CLOEXEC) < 0 ? -1 : 0;
}

static int loop_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
			unsigned int count, const int *fds)
{
	struct loop *loop = to_loop(slice);
	int fd = count ? fds[0] : -1;

	if (irq != BYPASS_IRQ_MSIX || start + count > 1)
		return bypass_fail(EINVAL,
				   "%s: vectors %u to %u of type %u cannot be connected: it has "
				   "one MSI-X vector",
				   slice->name, start, start + count, irq);
	if (connect_vector(loop, fd))
		return bypass_fail(errno, "%s: eventfd %d cannot be connected to vector 0: %s",
				   slice->name, fd, strerror(errno));
	return 0;
}

static int loop_resample(struct bypass_slice *slice, int fd)
{
	if (fd < 0)
		return 0;
	return bypass_fail(EINVAL, "%s: has no INTx to resample", slice->name);
}

static bool has_range(const struct bypass_memory_range *ranges, unsigned int count,
		      const struct bypass_memory_range *range)
{
	for (unsigned int i = 0; i < count; i++)
		if (ranges[i].hva == range->hva && ranges[i].size == range->size)
			return true;
	return false;
}

/* Unlocks those of @ranges that are not among @keep. */
static void unlock_others(const struct bypass_memory_range *ranges, unsigned int count,
			  const struct bypass_memory_range *keep, unsigned int n_keep)
{
	for (unsigned int i = 0; i < count; i++)
		if (!has_range(keep, n_keep, &ranges[i]))
			munlock(ranges[i].hva, ranges[i].size);
}

static int loop_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	struct loop *loop = to_loop(slice);
	const struct bypass_memory_range *ranges = NULL;
	unsigned int count = 0;

	if (mem)
		ranges = bypass_memory_ranges(mem, &count);
	if (count > LOOP_RANGES)
		return bypass_fail(ENOSPC, "%s: guest RAM has %u ranges: at most %u can be served",
				   slice->name, count, LOOP_RANGES);
	for (unsigned int i = 0; loop->config.pin && i < count; i++) {
		int err;

		if (has_range(loop->ranges, loop->n_ranges, &ranges[i]) ||
		    !mlock(ranges[i].hva, ranges[i].size))
			continue;
		err = errno;
		unlock_others(ranges, i, loop->ranges, loop->n_ranges);
		if (err == ENOMEM || err == EPERM)
			return memlock_fail(ranges[i].size);
		return bypass_fail(err, "%s: guest RAM cannot be locked: %s", slice->name,
				   strerror(err));
	}
	pthread_mutex_lock(&loop->memory_lock);
	if (loop->config.pin)
		unlock_others(loop->ranges, loop->n_ranges, ranges, count);
	if (count)
		memcpy(loop->ranges, ranges, count * sizeof(*ranges));
	loop->n_ranges = count;
	pthread_mutex_unlock(&loop->memory_lock);
	return 0;
}

static int loop_reset(struct bypass_slice *slice)
{
	struct loop *loop = to_loop(slice);

	connect_vector(loop, -1);
	config_power_on(loop->config_space);
	command_changed(loop);
	forget_requests(loop);
	return 0;
}

static uint64_t loop_interrupts(struct bypass_slice *slice)
{
	return atomic_load_explicit(&to_loop(slice)->interrupts, memory_order_relaxed);
}

static uint64_t loop_dma_bytes(struct bypass_slice *slice)
{
	struct loop *loop = to_loop(slice);
	uint64_t bytes = 0;

	pthread_mutex_lock(&loop->memory_lock);
	for (unsigned int i = 0; i < loop->n_ranges; i++)
		bytes += loop->ranges[i].size;
	pthread_mutex_unlock(&loop->memory_lock);
	return bytes;
}

/* Another process may serve. The flag lies in shared memory, and the eventfd was inherited. */
static int loop_event(struct bypass_slice *slice, struct bypass_event *event)
{
	struct loop *loop = to_loop(slice);
	eventfd_t value;

	eventfd_read(slice->event_fd, &value);
	if (!atomic_exchange(&loop->dead, false))
		return 0;
	event->kind = BYPASS_EVENT_DEAD;
	snprintf(event->text, sizeof(event->text),
		 "%s: nobody serves the device any more: unplug it, and close it", slice->name);
	return 1;
}

static void loop_close(struct bypass_slice *slice)
{
	struct loop *loop = to_loop(slice);

	loop_set_memory(slice, NULL);
	if (loop->header) {
		__atomic_store_n(&loop->header->alive, 0, __ATOMIC_RELEASE);
		munmap(loop->header, loop->window.size);
	}
	for (const int *fd = (const int[]){loop->kick_fd, loop->raise_fd, loop->mute_fd,
					   loop->window.fd, slice->event_fd, -2};
	     *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	pthread_mutex_destroy(&loop->memory_lock);
	munmap(loop, sizeof(*loop));
}

static const struct bypass_slice_ops loop_ops = {
	.config_read = loop_config_read,
	.config_write = loop_config_write,
	.bar_read = loop_bar_read,
	.bar_write = loop_bar_write,
	.vectors = loop_vectors,
	.resample = loop_resample,
	.set_memory = loop_set_memory,
	.reset = loop_reset,
	.interrupts = loop_interrupts,
	.dma_bytes = loop_dma_bytes,
	.event = loop_event,
	.close = loop_close,
};

static void lay_out_window(struct loop *loop)
{
	const struct bypass_loop_config *config = &loop->config;
	struct bypass_loop_header *header = loop->header;
	uint64_t ring = config->entries * sizeof(struct bypass_loop_entry);
	uint64_t data = (LOOP_PAGE + 2 * ring + LOOP_PAGE - 1) & ~(uint64_t)(LOOP_PAGE - 1);

	*header = (struct bypass_loop_header){
		.magic = BYPASS_LOOP_MAGIC,
		.alive = 1,
		.entries = config->entries,
		.requests = LOOP_PAGE,
		.completions = LOOP_PAGE + ring,
		.data = data,
		.data_size = loop->window.size - data,
	};
	loop->requests = (void *)((uint8_t *)header + header->requests);
	loop->completions = (void *)((uint8_t *)header + header->completions);
	loop->data = (uint8_t *)header + data;
	loop->data_size = header->data_size;
	loop->mask = config->entries - 1;
}

static void describe(struct loop *loop)
{
	struct bypass_slice *slice = &loop->slice;

	strncpy(slice->name, loop->config.name, sizeof(slice->name) - 1);
	loop->config.name = slice->name;
	slice->ops = &loop_ops;
	slice->config_size = LOOP_CONFIG_SIZE;
	slice->kvm_fd = -1;
	slice->vectors[BYPASS_IRQ_MSIX] = 1;
	slice->bars[BYPASS_LOOP_WINDOW_BAR] = (struct bypass_bar){
		.size = loop->window.size,
		.is_64 = true,
		.prefetchable = true,
		.windows = &loop->window,
		.n_windows = 1,
	};
	slice->bars[BYPASS_LOOP_DOORBELL_BAR] = (struct bypass_bar){
		.size = LOOP_DOORBELL_BAR,
		.kicks = &loop->kick,
		.n_kicks = 1,
	};
	config_power_on(loop->config_space);
}

/* Memory that a child made by fork() shares, zeroed; @fd: the file behind it, or -1. */
static void *map_shared(uint64_t size, int fd)
{
	void *hva = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	return hva == MAP_FAILED ? NULL : hva;
}

static int open_eventfds(struct loop *loop)
{
	loop->kick_fd = eventfd(0, EFD_CLOEXEC);
	loop->mute_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->raise_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->slice.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->kick_fd < 0 || loop->mute_fd < 0 || loop->raise_fd < 0 ||
	    loop->slice.event_fd < 0)
		return bypass_fail(errno, "%s: no eventfd for its doorbell, vector and events: %s",
				   loop->config.name, strerror(errno));
	/* Of any width: KVM need not decode the store then. */
	loop->kick = (struct bypass_kick){.offset = BYPASS_LOOP_KICK, .fd = loop->kick_fd};
	return 0;
}

static int open_window(struct loop *loop)
{
	uint64_t need = 2 * LOOP_PAGE + loop->config.data_size +
			2 * loop->config.entries * sizeof(struct bypass_loop_entry);

	loop->window.size = LOOP_PAGE;
	while (loop->window.size < need)
		loop->window.size *= 2;
	loop->window.fd = memfd_create("bypass-loop", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (loop->window.fd < 0 || ftruncate(loop->window.fd, loop->window.size) ||
	    fcntl(loop->window.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto memory;
	loop->header = map_shared(loop->window.size, loop->window.fd);
	if (!loop->header)
		goto memory;
	loop->window.hva = loop->header;
	lay_out_window(loop);
	return 0;

memory:
	return bypass_fail(errno, "%s: no memory for a window of %llu KiB: %s", loop->config.name,
			   (unsigned long long)loop->window.size >> 10, strerror(errno));
}

int bypass_loop_open(const struct bypass_loop_config *config, struct bypass_slice **slice)
{
	struct loop *loop;
	int ret;

	if (!config->name || !config->serve || !config->entries ||
	    config->entries & (config->entries - 1) || config->entries > START_ENTRIES ||
	    config->data_size > 1ull << 40)
		return bypass_fail(EINVAL,
				   "a loop slice needs a name, a serve function, and a power of "
				   "two up to %u as number of entries, not %u",
				   START_ENTRIES, config->entries);
	loop = map_shared(sizeof(*loop), -1);
	if (!loop)
		return bypass_fail(errno, "%s: no memory: %s", config->name, strerror(errno));
	loop->config = *config;
	loop->kick_fd = loop->raise_fd = loop->mute_fd = -1;
	loop->window.fd = loop->slice.event_fd = -1;
	pthread_mutex_init(&loop->memory_lock, NULL);
	ret = open_eventfds(loop);
	if (!ret)
		ret = open_window(loop);
	if (ret) {
		loop_close(&loop->slice);
		return ret;
	}
	describe(loop);
	*slice = &loop->slice;
	return 0;
}

int bypass_loop_kick_fd(const struct bypass_slice *slice)
{
	return ((const struct loop *)slice)->kick_fd;
}

void bypass_loop_dead(struct bypass_slice *slice)
{
	struct loop *loop = to_loop(slice);

	__atomic_store_n(&loop->header->alive, 0, __ATOMIC_RELEASE);
	loop_raise(loop);
	atomic_store(&loop->dead, true);
	eventfd_write(slice->event_fd, 1);
}
