// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an errno of type1 and of the group interface means where it comes from:
 * the same number stands for different things at different steps.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/pci.h>

#include "../base/memlock.h"
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
	unsigned long long first = m->iova, last = m->iova + (m->size - 1);

	switch (err) {
	case ENOMEM:
		return memlock_fail(pending);
	case ENOSPC:
		return bypass_fail(err,
				   "IOVA [0x%llx, 0x%llx] cannot be mapped: the kernel allows %u "
				   "mappings for a guest and all are taken. Allow more with 'echo "
				   "NUMBER > " ENTRY_LIMIT "' before the guest starts, or give it "
				   "its memory in fewer pieces",
				   first, last, entry_limit());
	case EEXIST:
		return bypass_fail(err, "IOVA [0x%llx, 0x%llx] is mapped already, but not by us",
				   first, last);
	case EINVAL:
		return bypass_fail(ERANGE,
				   "IOVA [0x%llx, 0x%llx] cannot be mapped: it lies outside what "
				   "this platform's IOMMU can address, or in a part that is "
				   "reserved. /sys/kernel/iommu_groups/*/reserved_regions lists "
				   "those",
				   first, last);
	case EFAULT:
		return bypass_fail(err,
				   "IOVA [0x%llx, 0x%llx] cannot be mapped: not all of the memory "
				   "at %p is there, or it cannot be written",
				   first, last, m->hva);
	default:
		return bypass_fail(err, "IOVA [0x%llx, 0x%llx] cannot be mapped to %p: %s", first,
				   last, m->hva, strerror(err));
	}
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

static int fail_busy(const char *address)
{
	struct bypass_holder holder;

	if (bypass_function_holder(address, &holder) == 1)
		return bypass_fail(EBUSY,
				   "%s is in use by %s (process %d), which has it, or another "
				   "function of its IOMMU group, open. End that first",
				   address, holder.name, (int)holder.pid);
	return bypass_fail(EBUSY,
			   "%s is in use: another process has its IOMMU group open, and its name "
			   "is hidden from us. 'sudo bypass list' shows it",
			   address);
}

int type1_fail_group(int err, const char *address, const char *path)
{
	switch (err) {
	case EBUSY:
		return fail_busy(address);
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

int type1_fail_viable(const char *address)
{
	int err = bypass_group_check(address);

	if (err)
		return err;
	/* It was in the way when the kernel looked, and was gone when we did. */
	return bypass_fail(EPERM,
			   "the IOMMU group of %s cannot be used now: a host driver had a device "
			   "in it a moment ago. Try again",
			   address);
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
		return fail_busy(address);
	default:
		return bypass_fail(err, "the IOMMU group of %s cannot be attached: %s", address,
				   strerror(err));
	}
}

int type1_fail_device(int err, const char *address, const char *token)
{
	switch (err) {
	case EACCES:
		if (token)
			return bypass_fail(err,
					   "the VF token %s does not open %s: it is not the one "
					   "that the program that drives the PF has set",
					   token, address);
		return bypass_fail(err,
				   "%s needs a VF token: its PF is driven from user space, by a "
				   "program that has set one. Give the same UUID here",
				   address);
	case EINVAL:
		if (token)
			return bypass_fail(err,
					   "%s takes no VF token, or %s is no UUID: a token is "
					   "only for a VF whose PF is bound to vfio-pci",
					   address, token);
		break;
	case ENODEV:
		return bypass_fail(err,
				   "VFIO no longer has %s: it was taken from vfio-pci, or "
				   "unplugged, a moment ago",
				   address);
	case EBUSY:
		return fail_busy(address);
	}
	return bypass_fail(err, "VFIO does not open %s: %s", address, strerror(err));
}
