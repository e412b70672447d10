// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The function slice: a VFIO device in the shape of a slice. Every part of a BAR that the
 * kernel maps for user space is a window.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bypass/error.h>
#include <bypass/function.h>
#include <bypass/slice.h>

#include "internal.h"

/* Types of interrupt and BARs go through by number. */
_Static_assert((int)BYPASS_IRQ_INTX == VFIO_PCI_INTX_IRQ_INDEX, "INTx");
_Static_assert((int)BYPASS_IRQ_MSI == VFIO_PCI_MSI_IRQ_INDEX, "MSI");
_Static_assert((int)BYPASS_IRQ_MSIX == VFIO_PCI_MSIX_IRQ_INDEX, "MSI-X");
_Static_assert(VFIO_PCI_BAR5_REGION_INDEX == BYPASS_BARS - 1, "BARs");

struct function_slice {
	struct bypass_slice slice;
	struct bypass_vfio *device;
	struct bypass_iommu *iommu;
	struct bypass_window *windows[BYPASS_BARS];
	uint8_t *rom; /* what slice.rom shows, or NULL */
	bool sees_memory;
};

static struct function_slice *function_of(struct bypass_slice *slice)
{
	return (struct function_slice *)slice;
}

static int function_config_read(struct bypass_slice *slice, uint32_t offset, void *data,
				uint32_t size)
{
	return bypass_vfio_read(function_of(slice)->device, VFIO_PCI_CONFIG_REGION_INDEX, offset,
				data, size);
}

static int function_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
				 uint32_t size)
{
	return bypass_vfio_write(function_of(slice)->device, VFIO_PCI_CONFIG_REGION_INDEX, offset,
				 data, size);
}

static int function_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			     void *data, uint32_t size)
{
	return bypass_vfio_read(function_of(slice)->device, bar, offset, data, size);
}

static int function_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			      const void *data, uint32_t size)
{
	return bypass_vfio_write(function_of(slice)->device, bar, offset, data, size);
}

static int function_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
			    unsigned int count, const int *fds)
{
	return bypass_vfio_irq_connect(function_of(slice)->device, irq, start, count, fds);
}

static int function_resample(struct bypass_slice *slice, int fd)
{
	return bypass_vfio_irq_resample(function_of(slice)->device, fd);
}

static int function_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	struct function_slice *f = function_of(slice);
	int err;

	/* The RAM stays mapped for the guest's other slices, but this device must not reach it. */
	if (!mem) {
		err = bypass_vfio_bus_master(f->device, false);
		if (err)
			return err;
	}
	err = bypass_vfio_set_memory(f->device, mem);
	if (!err)
		f->sees_memory = !!mem;
	return err;
}

static int function_reset(struct bypass_slice *slice)
{
	return bypass_vfio_reset(function_of(slice)->device);
}

static uint64_t function_interrupts(struct bypass_slice *slice)
{
	return bypass_vfio_irq_raised(function_of(slice)->device);
}

static uint64_t function_dma_bytes(struct bypass_slice *slice)
{
	struct function_slice *f = function_of(slice);

	return f->sees_memory ? bypass_iommu_bytes(f->iommu) : 0;
}

static int function_event(struct bypass_slice *slice, struct bypass_event *event)
{
	return bypass_vfio_event(function_of(slice)->device, event);
}

static void windows_unmap(struct function_slice *f, unsigned int bar)
{
	struct bypass_bar *b = &f->slice.bars[bar];

	for (unsigned int i = 0; i < b->n_windows; i++)
		munmap(f->windows[bar][i].hva, f->windows[bar][i].size);
	free(f->windows[bar]);
}

static void function_close(struct bypass_slice *slice)
{
	struct function_slice *f = function_of(slice);

	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		windows_unmap(f, i);
	bypass_vfio_close(f->device);
	free(f->rom);
	free(f);
}

static const struct bypass_slice_ops function_ops = {
	.config_read = function_config_read,
	.config_write = function_config_write,
	.bar_read = function_bar_read,
	.bar_write = function_bar_write,
	.vectors = function_vectors,
	.resample = function_resample,
	.set_memory = function_set_memory,
	.reset = function_reset,
	.interrupts = function_interrupts,
	.dma_bytes = function_dma_bytes,
	.event = function_event,
	.close = function_close,
};

static int windows_map(struct function_slice *f, unsigned int bar,
		       const struct bypass_region *region)
{
	struct bypass_bar *b = &f->slice.bars[bar];
	struct bypass_window *w;
	int err;

	w = calloc(region->n_areas + 1, sizeof(*w));
	if (!w)
		return bypass_fail(ENOMEM, "no memory for the windows of %s", f->slice.name);
	f->windows[bar] = w;
	b->windows = w;
	for (unsigned int i = 0; i < region->n_areas; i++) {
		w[i].offset = region->areas[i].offset;
		w[i].size = region->areas[i].size;
		err = bypass_vfio_map(f->device, bar, w[i].offset, w[i].size, &w[i].hva);
		if (err)
			return err;
		w[i].fd = f->device->iommu_device.fd;
		w[i].fd_offset = f->device->regions[bar].file_offset + w[i].offset;
		b->n_windows++;
	}
	return 0;
}

/* A BAR's type stands in the low bits of its register, which vfio-pci keeps also for a VF. */
static int bar_open(struct function_slice *f, unsigned int bar)
{
	const struct bypass_region *region = bypass_vfio_region(f->device, bar);
	struct bypass_bar *b = &f->slice.bars[bar];
	uint8_t low;
	int err;

	if (!region)
		return 0;
	err = bypass_vfio_read(f->device, VFIO_PCI_CONFIG_REGION_INDEX,
			       PCI_BASE_ADDRESS_0 + 4 * bar, &low, 1);
	if (err)
		return err;
	b->size = region->size;
	b->io = low & PCI_BASE_ADDRESS_SPACE_IO;
	if (b->io)
		return 0;
	b->is_64 = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	b->prefetchable = low & PCI_BASE_ADDRESS_MEM_PREFETCH;
	return windows_map(f, bar, region);
}

int bypass_function_open(struct bypass_iommu *iommu, const char *address, const char *token,
			 struct bypass_slice **slice)
{
	struct function_slice *f;
	int err;

	f = calloc(1, sizeof(*f));
	if (!f)
		return bypass_fail(ENOMEM, "no memory for a slice of %s", address);
	err = bypass_vfio_open(iommu, address, token, &f->device);
	if (err) {
		free(f);
		return err;
	}
	f->iommu = iommu;
	f->slice.ops = &function_ops;
	f->slice.event_fd = bypass_vfio_event_fd(f->device);
	snprintf(f->slice.name, sizeof(f->slice.name), "%s", bypass_vfio_address(f->device));
	f->slice.config_size = bypass_vfio_region(f->device, VFIO_PCI_CONFIG_REGION_INDEX)->size;
	f->slice.kvm_fd = bypass_vfio_kvm_fd(f->device);
	for (unsigned int i = 0; i < BYPASS_IRQS; i++)
		f->slice.vectors[i] = bypass_vfio_irq(f->device, i).count;
	err = vfio_virtio_check(f->device);
	for (unsigned int i = 0; i < BYPASS_BARS && !err; i++)
		err = bar_open(f, i);
	if (err) {
		function_close(&f->slice);
		return err;
	}
	*slice = &f->slice;
	return 0;
}

int bypass_function_rom(struct bypass_slice *slice, const char *file)
{
	struct function_slice *f = function_of(slice);
	uint64_t size;
	uint8_t *rom;
	int err = file ? vfio_rom_file(file, &rom, &size) : vfio_rom_own(f->device, &rom, &size);

	if (err)
		return err;
	free(f->rom);
	f->rom = rom;
	slice->rom = rom;
	slice->rom_size = size;
	return 0;
}
