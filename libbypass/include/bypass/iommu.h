/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One DMA address space: what the devices of one guest can reach. Several
 * function slices share it.
 */
#ifndef BYPASS_IOMMU_H
#define BYPASS_IOMMU_H

#include <stdint.h>

#include <bypass/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct bypass_iommu - a DMA address space; opaque, locked inside
 */
struct bypass_iommu;

enum bypass_dma_prot {
	BYPASS_DMA_READ = 1, /* the device may read */
	BYPASS_DMA_WRITE = 2,
};

/**
 * bypass_iommu_new() - an empty address space
 * @iommu: set to it; to be given to bypass_iommu_free()
 *
 * The kernel's type1 (v2) interface is used. It takes effect when the first
 * device joins: mappings made earlier are kept here and applied then.
 *
 * Return: 0; -ENOTSUP (no IOMMU in use, see bypass_iommu_check()); -ENODEV (VFIO is
 * not loaded); -EACCES (no permission on /dev/vfio/vfio).
 */
int bypass_iommu_new(struct bypass_iommu **iommu);

/**
 * bypass_iommu_free() - take all mappings off and close it
 * @iommu: or NULL; no device may use it any more
 */
void bypass_iommu_free(struct bypass_iommu *iommu);

/**
 * bypass_iommu_map() - let devices reach memory
 * @iommu: the address space
 * @iova: address that the devices use
 * @hva: memory of this process; pinned by the kernel until unmapped
 * @size: bytes; @iova, @hva and @size are multiples of the page size
 * @prot: of enum bypass_dma_prot
 *
 * One ioctl for the whole range.
 *
 * Return: 0; -EINVAL (alignment), -EEXIST (overlap; both are named), -ERANGE
 * (not in bypass_iommu_ranges(); the reserved range is named), -ENOMEM (memlock: limit,
 * need and the command that raises it), -ENOSPC (too many mappings).
 */
int bypass_iommu_map(struct bypass_iommu *iommu, uint64_t iova, void *hva, uint64_t size,
		     unsigned int prot);

/**
 * bypass_iommu_unmap() - take a mapping off
 * @iommu: the address space
 * @iova: as it was mapped
 * @size: as it was mapped
 *
 * Return: 0, or -ENOENT when there is no such mapping.
 */
int bypass_iommu_unmap(struct bypass_iommu *iommu, uint64_t iova, uint64_t size);

/**
 * bypass_iommu_set_memory() - make exactly a guest's RAM reachable, IOVA = GPA
 * @iommu: the address space
 * @mem: the guest's map; NULL for nothing
 *
 * Ranges already mapped stay as they are; called twice, the second does nothing.
 * On failure the address space is as before.
 *
 * Return: 0, or as bypass_iommu_map().
 */
int bypass_iommu_set_memory(struct bypass_iommu *iommu, const struct bypass_memory *mem);

/**
 * bypass_iommu_bytes() - how much is mapped now
 * @iommu: the address space
 *
 * Return: bytes.
 */
uint64_t bypass_iommu_bytes(const struct bypass_iommu *iommu);

/**
 * bypass_iommu_ranges() - IOVAs that the hardware leaves free
 * @iommu: the address space; at least one device has joined
 * @count: set to their number
 *
 * Return: an array that belongs to @iommu, by rising address; constant while no
 * further device joins. NULL when no device has joined yet, and on a kernel that does
 * not say (before Linux 5.4).
 */
const struct bypass_iova_range *bypass_iommu_ranges(const struct bypass_iommu *iommu,
						    unsigned int *count);

#ifdef __cplusplus
}
#endif
#endif
