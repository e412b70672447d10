// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A sorted array of DMA mappings, and its difference from a guest's memory map.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include <bypass/error.h>
#include <bypass/iommu.h>
#include <bypass/memory.h>

#include "mappings.h"

uint64_t mappings_bytes(const struct iommu_mappings *mappings)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < mappings->n; i++)
		bytes += mappings->list[i].size;
	return bytes;
}

/* Where @iova stands, or would stand, in the list. */
static unsigned int position(const struct iommu_mappings *mappings, uint64_t iova)
{
	unsigned int low = 0, high = mappings->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (mappings->list[mid].iova < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct iommu_mapping *mappings_find(const struct iommu_mappings *mappings, uint64_t iova,
					  uint64_t size)
{
	unsigned int at = position(mappings, iova);

	if (at == mappings->n || mappings->list[at].iova != iova || mappings->list[at].size != size)
		return NULL;
	return &mappings->list[at];
}

const struct iommu_mapping *mappings_overlap(const struct iommu_mappings *mappings,
					     const struct iommu_mapping *mapping)
{
	const struct iommu_mapping *list = mappings->list;
	unsigned int at = position(mappings, mapping->iova);

	/* Only the neighbours can overlap: the one before and the one after. */
	if (at > 0 && mapping->iova - list[at - 1].iova < list[at - 1].size)
		return &list[at - 1];
	if (at < mappings->n && list[at].iova - mapping->iova < mapping->size)
		return &list[at];
	return NULL;
}

int mappings_reserve(struct iommu_mappings *mappings)
{
	struct iommu_mapping *list;

	list = reallocarray(mappings->list, mappings->n + 1, sizeof(*list));
	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of %u DMA mappings",
				   mappings->n + 1);
	mappings->list = list;
	return 0;
}

void mappings_insert(struct iommu_mappings *mappings, const struct iommu_mapping *mapping)
{
	unsigned int at = position(mappings, mapping->iova);
	struct iommu_mapping *place = mappings->list + at;

	memmove(place + 1, place, (mappings->n - at) * sizeof(*place));
	*place = *mapping;
	mappings->n++;
}

void mappings_remove(struct iommu_mappings *mappings, const struct iommu_mapping *mapping)
{
	unsigned int at = mapping - mappings->list;
	struct iommu_mapping *place = mappings->list + at;

	mappings->n--;
	memmove(place, place + 1, (mappings->n - at) * sizeof(*place));
}

static bool is_range(const struct iommu_mapping *m, const struct bypass_memory_range *r)
{
	return m->ram && m->iova == r->gpa && m->size == r->size && m->hva == r->hva;
}

static bool in_memory(const struct bypass_memory_range *ranges, unsigned int n,
		      const struct iommu_mapping *m)
{
	for (unsigned int i = 0; i < n; i++)
		if (is_range(m, &ranges[i]))
			return true;
	return false;
}

static bool in_list(const struct iommu_mappings *mappings, const struct bypass_memory_range *r)
{
	const struct iommu_mapping *m = mappings_find(mappings, r->gpa, r->size);

	return m && is_range(m, r);
}

static bool is_hugetlb(int fd)
{
	struct statfs fs;

	return fd >= 0 && !fstatfs(fd, &fs) && fs.f_type == HUGETLBFS_MAGIC;
}

int mappings_difference(const struct iommu_mappings *mappings, const struct bypass_memory *mem,
			struct iommu_mappings *gone, struct iommu_mappings *come)
{
	const struct bypass_memory_range *ranges = NULL;
	unsigned int n = 0;

	if (mem)
		ranges = bypass_memory_ranges(mem, &n);
	*gone = (struct iommu_mappings){calloc(mappings->n + 1, sizeof(*gone->list)), 0};
	*come = (struct iommu_mappings){calloc(n + 1, sizeof(*come->list)), 0};
	if (!gone->list || !come->list) {
		free(gone->list);
		free(come->list);
		*gone = *come = (struct iommu_mappings){NULL, 0};
		return bypass_fail(ENOMEM, "no memory for a list of DMA mappings");
	}
	for (unsigned int i = 0; i < mappings->n; i++)
		if (mappings->list[i].ram && !in_memory(ranges, n, &mappings->list[i]))
			gone->list[gone->n++] = mappings->list[i];
	for (unsigned int i = 0; i < n; i++)
		if (!in_list(mappings, &ranges[i]))
			come->list[come->n++] = (struct iommu_mapping){
				.iova = ranges[i].gpa,
				.size = ranges[i].size,
				.hva = ranges[i].hva,
				.prot = BYPASS_DMA_READ | BYPASS_DMA_WRITE,
				.ram = true,
				.hugetlb = is_hugetlb(ranges[i].fd),
			};
	return 0;
}
