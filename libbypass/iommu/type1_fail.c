// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an errno means at the steps that only type1 has: its container, its groups, and its
 * limit of mappings. The same number stands for different things at different steps.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/pci.h>

#include "type1.h"

#define ENTRY_LIMIT "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

static unsigned int entry_limit(void)
{
	unsigned int limit = 0;
	FILE *f = fopen(ENTRY_LIMIT, "re");

	if (!f)
		return 0;
	if (fscanf(f, "%u", &limit) != 1)
		limit = 0;
	fclose(f);
	return limit;
}

int type1_fail_map(int err, const struct iommu_mapping *m, uint64_t pending)
{
	if (err != ENOSPC)
		return iommu_fail_map(err, m, pending);
	return bypass_fail(err,
			   "IOVA [0x%llx, 0x%llx] cannot be mapped: the kernel allows %u mappings "
			   "for a guest and all are taken. Allow more with 'echo NUMBER > %s' "
			   "before the guest starts, or give it its memory in fewer pieces",
			   (unsigned long long)m->iova,
			   (unsigned long long)(m->iova + (m->size - 1)), entry_limit(),
			   ENTRY_LIMIT);
}

int type1_fail_container(int err)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		return bypass_fail(ENODEV, "there is no /dev/vfio/vfio: VFIO is not loaded. Load "
					   "it with 'modprobe vfio-pci'");
	if (err == EACCES || err == EPERM)
		return bypass_fail(EACCES, "no permission to open /dev/vfio/vfio: run as root, or "
					   "'chmod 0666 /dev/vfio/vfio', which is harmless and the "
					   "kernel's default");
	return bypass_fail(err, "cannot open /dev/vfio/vfio: %s", strerror(err));
}

int type1_fail_group(int err, const char *address, const char *path)
{
	switch (err) {
	case EBUSY:
		return iommu_fail_busy(address);
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return bypass_fail(ENXIO,
				   "%s is bound to a VFIO driver, but %s is not there: is "
				   "devtmpfs, or a container's view of /dev, incomplete?",
				   address, path);
	case EACCES:
	case EPERM:
		return bypass_fail(EACCES,
				   "no permission to open %s, the IOMMU group of %s: run as root, "
				   "or give it to the user with 'sudo chown USER %s'",
				   path, address, path);
	default:
		return bypass_fail(err, "cannot open %s, the IOMMU group of %s: %s", path, address,
				   strerror(err));
	}
}

/* Whether the platform, in the kernel's own view, can isolate interrupts. */
static int fail_not_permitted(const char *address)
{
	if (bypass_group_check(address) == -EPERM)
		return -EPERM;
	return bypass_fail(EPERM,
			   "%s cannot be given to a guest: this platform has no interrupt "
			   "remapping, so the guest could raise any interrupt of the host by DMA. "
			   "Switch it on in the firmware (x2APIC, VT-d) and boot without "
			   "intremap=off; where it does not exist and the guest is trusted, 'echo "
			   "Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts' "
			   "allows it",
			   address);
}

int type1_fail_attach(int err, const char *address)
{
	switch (err) {
	case EPERM:
		return fail_not_permitted(address);
	case EINVAL:
		return bypass_fail(ERANGE,
				   "%s cannot join: the platform reserves addresses for it where "
				   "the guest's memory is mapped already. "
				   "/sys/bus/pci/devices/%s/iommu_group/reserved_regions lists "
				   "them",
				   address, address);
	case EBUSY:
		return iommu_fail_busy(address);
	default:
		return bypass_fail(err, "the IOMMU group of %s cannot be attached: %s", address,
				   strerror(err));
	}
}
