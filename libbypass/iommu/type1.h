/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside the type1 back end: a container, and the groups that have joined it.
 */
#ifndef BYPASS_IOMMU_TYPE1_H
#define BYPASS_IOMMU_TYPE1_H

#include "internal.h"

/* The kernel opens a group once: all devices of one group share this. */
struct type1_group {
	struct type1_group *next;
	int number;
	int fd;
	unsigned int devices;
};

struct type1 {
	struct bypass_iommu iommu;
	int container;
	struct type1_group *groups;
};

/* type1_reset.c */
int type1_hot_reset(struct bypass_iommu *iommu, const struct iommu_device *device);

/*
 * type1_fail.c: what an errno means at MAP_DMA, and at the steps by which a group joins.
 * Each explains it and returns the negative errno for the caller.
 */
int type1_fail_map(int err, const struct iommu_mapping *mapping, uint64_t pending);
int type1_fail_container(int err);
int type1_fail_group(int err, const char *address, const char *path);
int type1_fail_attach(int err, const char *address);

#endif
