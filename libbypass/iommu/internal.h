/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside iommu/: an address space, and the back ends that bring its mappings into the
 * kernel. iommu.c checks and orders; a back end only calls the kernel.
 */
#ifndef BYPASS_IOMMU_INTERNAL_H
#define BYPASS_IOMMU_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <bypass/iommu.h>

#include "device.h"
#include "mappings.h"

/**
 * struct iommu_ranges - where mappings may lie
 * @list: by rising address; NULL when the kernel does not say. Given to free()
 * @n: their number
 */
struct iommu_ranges {
	struct bypass_iova_range *list;
	unsigned int n;
};

/**
 * struct iommu_ops - a back end
 * @map: give the kernel a mapping. @pending is the number of bytes that this mapping and
 *	those that follow at once will pin: the explanation of -ENOMEM names it
 * @unmap: take a mapping off
 * @attach: open a device as iommu_device_open() does, and let it join. @ranges is set
 *	to the ranges that all devices so far leave free. The device does no DMA yet
 * @detach: as iommu_device_close(). With the last device the kernel forgets all mappings
 * @hot_reset: as iommu_device_hot_reset()
 * @free: close everything and free the whole of it; no device is left
 *
 * All are called with the lock held, and explain their failures. A back end calls
 * nothing of iommu.c.
 */
struct iommu_ops {
	int (*map)(struct bypass_iommu *iommu, const struct iommu_mapping *mapping,
		   uint64_t pending);
	int (*unmap)(struct bypass_iommu *iommu, const struct iommu_mapping *mapping);
	int (*attach)(struct bypass_iommu *iommu, const char *token, struct iommu_device *device,
		      struct iommu_ranges *ranges);
	void (*detach)(struct bypass_iommu *iommu, struct iommu_device *device);
	int (*hot_reset)(struct bypass_iommu *iommu, const struct iommu_device *device);
	void (*free)(struct bypass_iommu *iommu);
};

/**
 * struct bypass_iommu - what all back ends have; the first member of theirs
 * @ops: the back end
 * @lock: protects all that follows, and the back end's part
 * @mappings: what is mapped; while a device is attached the kernel has the same
 * @ranges: as the last device that attached left them; empty without a device
 * @devices: those attached; while there is one, changes go to the kernel
 * @ram_users: devices that see the guest's RAM
 */
struct bypass_iommu {
	const struct iommu_ops *ops;
	pthread_mutex_t lock;
	struct iommu_mappings mappings;
	struct iommu_ranges ranges;
	struct iommu_device *devices;
	unsigned int ram_users;
};

/* room.c: -ENOMEM, explained, when a control group does not allow to pin these mappings */
int iommu_check_room(const struct iommu_mappings *mappings);

/* type1.c */
int type1_new(struct bypass_iommu **iommu);

/*
 * fail.c: what an errno means when a mapping is made or a device is opened, whatever the
 * back end. Each explains it and returns the negative errno for the caller.
 */
int iommu_fail_map(int err, const struct iommu_mapping *mapping, uint64_t pending);
int iommu_fail_open(const char *address);
int iommu_fail_busy(const char *address);
int iommu_fail_viable(const char *address);
int iommu_fail_device(int err, const char *address, const char *token);

#endif
