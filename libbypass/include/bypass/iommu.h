/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One DMA address space: the memory that the devices of one guest can reach. All function
 * slices of a guest share one.
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
 * @iommu: set to the address space; to be given to bypass_iommu_free()
 *
 * The library uses the kernel's type1 (v2) interface. The kernel takes mappings only when a
 * device has joined: mappings made earlier are kept here and applied when the first one joins.
 *
 * Return: 0; -ENOTSUP (no IOMMU in use, see bypass_iommu_check()); -ENODEV (VFIO is
 * not loaded); -EACCES (no permission on /dev/vfio/vfio).
 */
int bypass_iommu_new(struct bypass_iommu **iommu);

/**
 * bypass_iommu_free() - remove all mappings and close the address space
 * @iommu: or NULL; all devices in it are closed
 */
void bypass_iommu_free(struct bypass_iommu *iommu);

/**
 * bypass_iommu_map() - let devices reach memory
 * @iommu: the address space
 * @iova: address that the devices use
 * @hva: memory of this process; the kernel pins the pages until bypass_iommu_unmap()
 * @size: bytes; @iova, @hva and @size are multiples of the page size
 * @prot: of enum bypass_dma_prot
 *
 * One ioctl for the whole range.
 *
 * Return: 0; -EINVAL (alignment), -EEXIST (overlap: the text names both mappings), -ERANGE
 * (not in bypass_iommu_ranges(): the text names the reserved range), -ENOMEM (memlock: the text
 * has the limit, the need, and the command that raises the limit), -ENOSPC (too many mappings).
 */
int bypass_iommu_map(struct bypass_iommu *iommu, uint64_t iova, void *hva, uint64_t size,
		     unsigned int prot);

/**
 * bypass_iommu_unmap() - remove a mapping
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
 * Only the difference from what is mapped goes to the kernel. After a failure the address
 * space is as before.
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
 * bypass_iommu_ranges() - IOVAs that the platform leaves free
 * @iommu: the address space; at least one device has joined
 * @count: set to their number
 *
 * Return: an array that belongs to @iommu, by rising address. The array stays until another
 * device joins or the last one leaves. NULL while no device has joined, and on a kernel that
 * does not say (before Linux 5.4).
 */
const struct bypass_iova_range *bypass_iommu_ranges(const struct bypass_iommu *iommu,
						    unsigned int *count);

#ifdef __cplusplus
}
#endif
#endif
