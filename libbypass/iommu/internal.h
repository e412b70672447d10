/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside iommu/: the list of mappings, which is ours, and the back ends that
 * bring it into the kernel.
 */
#ifndef BYPASS_IOMMU_INTERNAL_H
#define BYPASS_IOMMU_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <bypass/iommu.h>

#include "device.h"

/**
 * struct iommu_mapping - one mapping, made by one call to the kernel
 * @iova: address that devices use
 * @size: bytes
 * @hva: memory of this process
 * @prot: of enum bypass_dma_prot
 * @ram: came in by bypass_iommu_set_memory(), which takes it off again
 */
struct iommu_mapping {
	uint64_t iova;
	uint64_t size;
	void *hva;
	unsigned int prot;
	bool ram;
};

/**
 * struct iommu_ops - a back end
 * @map: enter a mapping; @pending is how many bytes this and the mappings that
 *	are to follow at once will pin, for the explanation
 * @unmap: take it off
 * @device_open: as iommu_device_open(). When the first device joins, set ranges
 *	and call iommu_replay() before anything can do DMA
 * @device_close: as iommu_device_close(). Clear live when the last device leaves
 * @hot_reset: as iommu_device_hot_reset()
 * @free: close everything and free the whole of it; no device is left
 *
 * All are called with the lock held, and explain their failures.
 */
struct iommu_ops {
	int (*map)(struct bypass_iommu *iommu, const struct iommu_mapping *mapping,
		   uint64_t pending);
	int (*unmap)(struct bypass_iommu *iommu, const struct iommu_mapping *mapping);
	int (*device_open)(struct bypass_iommu *iommu, const char *address, const char *token,
			   struct iommu_device *device);
	void (*device_close)(struct bypass_iommu *iommu, struct iommu_device *device);
	int (*hot_reset)(struct bypass_iommu *iommu, const struct iommu_device *device,
			 const char *address);
	void (*free)(struct bypass_iommu *iommu);
};

/**
 * struct bypass_iommu - what all back ends have; the first member of theirs
 * @ops: the back end
 * @lock: for all of it
 * @mappings: sorted by iova
 * @n_mappings: their number
 * @ranges: where mappings may lie, rising; NULL while no device has joined, or
 *	when the kernel does not say
 * @n_ranges: their number
 * @live: a device has joined: the kernel has every mapping of the list
 * @ram_users: devices that see the guest's RAM
 */
struct bypass_iommu {
	const struct iommu_ops *ops;
	pthread_mutex_t lock;
	struct iommu_mapping *mappings;
	unsigned int n_mappings;
	struct bypass_iova_range *ranges;
	unsigned int n_ranges;
	bool live;
	unsigned int ram_users;
};

/* iommu.c: is every mapping within @ranges? -ERANGE, explained, when not */
int iommu_check_ranges(const struct bypass_iommu *iommu);
/* iommu.c: give every mapping of the list to the kernel; on failure some may be there */
int iommu_replay(struct bypass_iommu *iommu);

/* type1.c */
int type1_new(struct bypass_iommu **iommu);

#endif
