/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much memory the control groups of this process leave to the process. For host and iommu.
 */
#ifndef BYPASS_HOST_CGROUP_H
#define BYPASS_HOST_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct memory_limit - the limit on memory that leaves least to this process
 * @limit: bytes
 * @left: bytes that are free below @limit, with what the kernel can take back
 * @file: the file that sets the limit
 */
struct memory_limit {
	uint64_t limit;
	uint64_t left;
	char file[600];
};

/* False when no control group limits the memory of this process. */
bool cgroup_memory(struct memory_limit *tightest);

#endif
