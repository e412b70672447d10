// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Regions of a device: what they are, and reading, writing and mapping them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>

#include "../base/mapping.h"
#include "../iommu/capability.h"
#include "internal.h"

typedef unsigned long long ull; /* what printf wants for uint64_t */

#define GIB (1ull << 30)

static const char *const region_names[VFIO_PCI_NUM_REGIONS] = {
	[VFIO_PCI_BAR0_REGION_INDEX] = "BAR 0",	 [VFIO_PCI_BAR1_REGION_INDEX] = "BAR 1",
	[VFIO_PCI_BAR2_REGION_INDEX] = "BAR 2",	 [VFIO_PCI_BAR3_REGION_INDEX] = "BAR 3",
	[VFIO_PCI_BAR4_REGION_INDEX] = "BAR 4",	 [VFIO_PCI_BAR5_REGION_INDEX] = "BAR 5",
	[VFIO_PCI_ROM_REGION_INDEX] = "the ROM", [VFIO_PCI_CONFIG_REGION_INDEX] = "config space",
	[VFIO_PCI_VGA_REGION_INDEX] = "VGA",
};

/* An area of the kernel's list, cut to whole pages within the region. */
static bool area_clip(const struct bypass_region *region, uint64_t offset, uint64_t size,
		      struct bypass_area *area)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (offset % page || offset >= region->size)
		return false;
	if (size > region->size - offset)
		size = region->size - offset;
	size -= size % page;
	area->offset = offset;
	area->size = size;
	return size > 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct bypass_area *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/*
 * The parts of a region that can be mapped. A kernel before 4.16 lists sparse areas around
 * the page of the MSI-X table. A later kernel says MSIX_MAPPABLE, and lists areas only where a
 * vendor driver does.
 */
static int areas_read(const struct vfio_region_info *info, struct bypass_region *region)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = NULL;
	struct bypass_area *areas;
	unsigned int n = 1;
	size_t room;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return 0;
	if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
		sparse = info_capability(info, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
					 sizeof(*sparse), &room);
	if (sparse) {
		n = (room - sizeof(*sparse)) / sizeof(sparse->areas[0]);
		if (sparse->nr_areas < n)
			n = sparse->nr_areas;
	}
	areas = calloc(n + 1, sizeof(*areas));
	if (!areas)
		return bypass_fail(ENOMEM, "no memory for a list of %u areas", n);
	region->areas = areas;
	if (!sparse) {
		region->n_areas = area_clip(region, 0, region->size, areas);
		return 0;
	}
	for (unsigned int i = 0; i < n; i++)
		region->n_areas += area_clip(region, sparse->areas[i].offset, sparse->areas[i].size,
					     &areas[region->n_areas]);
	qsort(areas, region->n_areas, sizeof(*areas), by_offset);
	return 0;
}

int regions_read(struct bypass_vfio *device)
{
	struct vfio_region_info first = {.argsz = sizeof(first)}, *info;
	struct vfio_region *r;
	int err;

	for (unsigned int i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		first.index = i;
		info = info_get(device->iommu_device.fd, VFIO_DEVICE_GET_REGION_INFO, &first,
				sizeof(first));
		/* Only VGA devices have the VGA region: EINVAL for all others. */
		if (!info && errno == EINVAL && i == VFIO_PCI_VGA_REGION_INDEX)
			continue;
		if (!info)
			return bypass_fail(errno, "VFIO does not describe %s of %s: %s",
					   region_names[i], device->address, strerror(errno));
		r = &device->regions[i];
		r->file_offset = info->offset;
		r->region.size = info->size;
		r->region.read = info->flags & VFIO_REGION_INFO_FLAG_READ;
		r->region.write = info->flags & VFIO_REGION_INFO_FLAG_WRITE;
		err = areas_read(info, &r->region);
		free(info);
		if (err)
			return err;
	}
	return 0;
}

void regions_free(struct bypass_vfio *device)
{
	for (unsigned int i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		free((void *)device->regions[i].region.areas);
}

const struct bypass_region *bypass_vfio_region(const struct bypass_vfio *device, unsigned int index)
{
	if (index >= VFIO_PCI_NUM_REGIONS || !device->regions[index].region.size)
		return NULL;
	return &device->regions[index].region;
}

/* Checks that [@offset, @offset + @size) is in the region, and sets @region. */
static int locate(const struct bypass_vfio *device, unsigned int index, uint64_t offset,
		  uint64_t size, const struct vfio_region **region)
{
	const struct vfio_region *r;

	if (!bypass_vfio_region(device, index))
		return bypass_fail(EINVAL, "%s has no region %u", device->address, index);
	r = &device->regions[index];
	if (offset > r->region.size || size > r->region.size - offset)
		return bypass_fail(EINVAL,
				   "%s of %s has 0x%llx bytes: there are no 0x%llx bytes at 0x%llx",
				   region_names[index], device->address, (ull)r->region.size,
				   (ull)size, (ull)offset);
	*region = r;
	return 0;
}

static int fail_access(const struct bypass_vfio *device, const char *how, unsigned int index,
		       uint64_t offset, uint64_t size, ssize_t done)
{
	int err = done < 0 ? errno : EIO;

	return bypass_fail(err, "cannot %s 0x%llx bytes at 0x%llx of %s of %s: %s", how, (ull)size,
			   (ull)offset, region_names[index], device->address,
			   err == EIO ? "the device does not answer, or memory decoding is off "
					"in its command register"
				      : strerror(err));
}

int bypass_vfio_read(struct bypass_vfio *device, unsigned int index, uint64_t offset, void *data,
		     uint64_t size)
{
	const struct vfio_region *r;
	ssize_t done;
	int err;

	err = locate(device, index, offset, size, &r);
	if (err)
		return err;
	done = pread(device->iommu_device.fd, data, size, r->file_offset + offset);
	if (done < 0 || (uint64_t)done != size)
		return fail_access(device, "read", index, offset, size, done);
	return 0;
}

int bypass_vfio_write(struct bypass_vfio *device, unsigned int index, uint64_t offset,
		      const void *data, uint64_t size)
{
	const struct vfio_region *r;
	ssize_t done;
	int err;

	err = locate(device, index, offset, size, &r);
	if (err)
		return err;
	done = pwrite(device->iommu_device.fd, data, size, r->file_offset + offset);
	if (done < 0 || (uint64_t)done != size)
		return fail_access(device, "write", index, offset, size, done);
	return 0;
}

static bool mappable(const struct bypass_region *region, uint64_t offset, uint64_t size)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (!size || (offset | size) % page)
		return false;
	for (unsigned int i = 0; i < region->n_areas; i++)
		if (offset >= region->areas[i].offset &&
		    offset - region->areas[i].offset < region->areas[i].size &&
		    size <= region->areas[i].size - (offset - region->areas[i].offset))
			return true;
	return false;
}

/* The largest page that fits: a BAR's size is a power of two, and its address a multiple of it. */
static uint64_t alignment(uint64_t size)
{
	uint64_t page = sysconf(_SC_PAGESIZE), align = GIB;

	while (align > size && align > page)
		align /= 2;
	return align;
}

int bypass_vfio_map(struct bypass_vfio *device, unsigned int index, uint64_t offset, uint64_t size,
		    void **hva)
{
	const struct vfio_region *r;
	int err;

	err = locate(device, index, offset, size, &r);
	if (err)
		return err;
	if (!mappable(&r->region, offset, size))
		return bypass_fail(EINVAL,
				   "0x%llx bytes at 0x%llx of %s of %s cannot be mapped: the "
				   "kernel allows %u areas of it, in whole pages",
				   (ull)size, (ull)offset, region_names[index], device->address,
				   r->region.n_areas);
	err = mapping_aligned(device->iommu_device.fd, r->file_offset + offset, size,
			      (r->region.read ? PROT_READ : 0) | (r->region.write ? PROT_WRITE : 0),
			      alignment(r->region.size), offset, hva);
	if (err)
		return bypass_fail(-err, "cannot map 0x%llx bytes at 0x%llx of %s of %s: %s",
				   (ull)size, (ull)offset, region_names[index], device->address,
				   strerror(-err));
	return 0;
}
