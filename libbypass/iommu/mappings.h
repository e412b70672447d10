/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of what is mapped in one DMA address space. Knows no kernel and no lock:
 * iommu.c calls the back end and keeps the list in step with it.
 */
#ifndef BYPASS_IOMMU_MAPPINGS_H
#define BYPASS_IOMMU_MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>

struct bypass_memory;

/**
 * struct iommu_mapping - one mapping, made by one call to the kernel
 * @iova: address that devices use
 * @size: bytes
 * @hva: memory of this process
 * @prot: of enum bypass_dma_prot
 * @ram: bypass_iommu_set_memory() made this mapping, and removes it
 * @hugetlb: the memory comes from the pool of huge pages, which no limit on memory counts
 */
struct iommu_mapping {
	uint64_t iova;
	uint64_t size;
	void *hva;
	unsigned int prot;
	bool ram;
	bool hugetlb;
};

/**
 * struct iommu_mappings - a list of mappings
 * @list: sorted by iova, without overlap; given to free() by the owner
 * @n: their number
 */
struct iommu_mappings {
	struct iommu_mapping *list;
	unsigned int n;
};

/**
 * mappings_bytes() - how much a list maps
 * @mappings: the list
 *
 * Return: bytes.
 */
uint64_t mappings_bytes(const struct iommu_mappings *mappings);

/**
 * mappings_find() - the mapping with exactly this address and length
 * @mappings: the list
 * @iova: first address
 * @size: bytes
 *
 * Return: the mapping in the list, or NULL.
 */
const struct iommu_mapping *mappings_find(const struct iommu_mappings *mappings, uint64_t iova,
					  uint64_t size);

/**
 * mappings_overlap() - a mapping that shares an address with another
 * @mappings: the list
 * @mapping: the other; it does not wrap around
 *
 * Return: the mapping in the list, or NULL.
 */
const struct iommu_mapping *mappings_overlap(const struct iommu_mappings *mappings,
					     const struct iommu_mapping *mapping);

/**
 * mappings_reserve() - make room for one more
 * @mappings: the list
 *
 * After this the next mappings_insert() cannot fail.
 *
 * Return: 0, or -ENOMEM, explained.
 */
int mappings_reserve(struct iommu_mappings *mappings);

/**
 * mappings_insert() - add a mapping; mappings_reserve() made room
 * @mappings: the list
 * @mapping: copied; overlaps none of the list
 */
void mappings_insert(struct iommu_mappings *mappings, const struct iommu_mapping *mapping);

/**
 * mappings_remove() - take a mapping out
 * @mappings: the list
 * @mapping: as mappings_find() gave it
 */
void mappings_remove(struct iommu_mappings *mappings, const struct iommu_mapping *mapping);

/**
 * mappings_difference() - what leads from the RAM in a list to a guest's memory map
 * @mappings: the list
 * @mem: the guest's map; NULL for no RAM
 * @gone: set to RAM of the list that is not in @mem
 * @come: set to RAM of @mem that is not in the list
 *
 * A range that moved in this process is in both lists.
 *
 * Return: 0, or -ENOMEM, explained, with both lists empty.
 */
int mappings_difference(const struct iommu_mappings *mappings, const struct bypass_memory *mem,
			struct iommu_mappings *gone, struct iommu_mappings *come);

#endif
