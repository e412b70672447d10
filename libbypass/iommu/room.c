// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Mappings pin memory at once. Past the limit of a control group the kernel kills the process, with
 * no word to the user: so the limit is checked before.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>

#include "../host/cgroup.h"
#include "internal.h"

#define CHUNK (64ull << 20)

/* Bytes of a mapping that have no page yet. Memory that is not there counts as none. */
static uint64_t missing(const struct iommu_mapping *m)
{
	uint64_t page = sysconf(_SC_PAGESIZE), bytes = 0, size;
	unsigned char resident[CHUNK / 4096];

	for (uint64_t at = 0; at < m->size; at += size) {
		size = m->size - at < CHUNK ? m->size - at : CHUNK;
		if (mincore((char *)m->hva + at, size, resident))
			return 0;
		for (uint64_t i = 0; i < size / page; i++)
			bytes += resident[i] & 1 ? 0 : page;
	}
	return bytes;
}

int iommu_check_room(const struct iommu_mappings *mappings)
{
	struct memory_limit limit;
	uint64_t need = 0;

	if (!cgroup_memory(&limit))
		return 0;
	for (unsigned int i = 0; i < mappings->n; i++)
		if (!mappings->list[i].hugetlb)
			need += missing(&mappings->list[i]);
	if (need <= limit.left)
		return 0;
	return bypass_fail(ENOMEM,
			   "the control group of this process leaves it %llu MiB (%s says %llu), "
			   "and "
			   "a device needs all memory of its guest pinned: %llu MiB more. The "
			   "kernel "
			   "would kill this process. Raise the limit, or give the guest less",
			   (unsigned long long)limit.left >> 20, limit.file,
			   (unsigned long long)limit.limit >> 20, (unsigned long long)need >> 20);
}
