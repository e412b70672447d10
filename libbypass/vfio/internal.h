/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside vfio/: what an open device is made of.
 */
#ifndef BYPASS_VFIO_INTERNAL_H
#define BYPASS_VFIO_INTERNAL_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>

#include <bypass/pci.h>
#include <bypass/vfio.h>

#include "../iommu/device.h"

/* The three types of which one can be on: INTx, MSI, MSI-X are indices 0, 1, 2. */
#define IRQ_TYPES (VFIO_PCI_MSIX_IRQ_INDEX + 1)
#define IRQ_NONE  (-1)

/**
 * struct vfio_region - a region and its place in the device's file
 * @region: the public part
 * @file_offset: offset of the region's first byte
 */
struct vfio_region {
	struct bypass_region region;
	uint64_t file_offset;
};

/**
 * struct vfio_irqs - the state of all interrupts
 * @info: description of each type
 * @on: the type that is on, or IRQ_NONE
 * @fds: the eventfd of each vector of type @on, -1 for none; info[on].count entries
 * @enabled: vectors that type @on was turned on with
 * @resample: eventfd that unmasks INTx, or -1
 * @raised: interrupts of all types that were turned off since
 * @raised_before: the kernel's count when type @on was turned on
 */
struct vfio_irqs {
	struct bypass_vfio_irq info[IRQ_TYPES];
	int on;
	int *fds;
	unsigned int enabled;
	int resample;
	uint64_t raised;
	uint64_t raised_before;
};

/**
 * struct vfio_events - what the kernel tells of the device
 * @set: epoll descriptor, readable when one of the others is
 * @request: eventfd: the host wants the device back; -1: the kernel does not tell
 * @error: eventfd: the device failed; -1: the kernel does not tell
 */
struct vfio_events {
	int set;
	int request;
	int error;
};

struct bypass_vfio {
	struct bypass_iommu *iommu;
	struct iommu_device iommu_device;
	const char *address; /* iommu_device.address */
	bool can_reset;
	struct vfio_region regions[VFIO_PCI_NUM_REGIONS];
	struct vfio_irqs irqs;
	struct vfio_events events;
};

/* device.c: sets and clears bits of the command register */
int vfio_command(struct bypass_vfio *device, uint16_t clear, uint16_t set);

/* virtio.c: refuses a virtio function whose DMA may pass the IOMMU by */
int vfio_virtio_check(struct bypass_vfio *device);

/* rom.c: *rom is to be given to free() */
int vfio_rom_own(struct bypass_vfio *device, uint8_t **rom, uint64_t *size);
int vfio_rom_file(const char *name, uint8_t **rom, uint64_t *size);

/* region.c */
int regions_read(struct bypass_vfio *device);
void regions_free(struct bypass_vfio *device);

/* irq.c */
int irqs_read(struct bypass_vfio *device);
int irqs_off(struct bypass_vfio *device);
int irqs_set(struct bypass_vfio *device, uint32_t flags, unsigned int index, unsigned int start,
	     unsigned int count, const int *fds);
void irqs_free(struct bypass_vfio *device);

/* event.c */
int vfio_events_open(struct bypass_vfio *device);
void vfio_events_close(struct bypass_vfio *device);

#endif
