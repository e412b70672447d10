// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an errno of the kernel means when a mapping is made or a device joins, in words. Here
 * is what all back ends have in common.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/pci.h>

#include "../base/memlock.h"
#include "internal.h"

int iommu_fail_map(int err, const struct iommu_mapping *m, uint64_t pending)
{
	unsigned long long first = m->iova, last = m->iova + (m->size - 1);

	switch (err) {
	case ENOMEM:
		return memlock_fail(pending);
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

int iommu_fail_open(const char *address)
{
	return bypass_fail(EBUSY,
			   "%s is open in this process already: a function goes to one guest, "
			   "once. Name each function once",
			   address);
}

int iommu_fail_busy(const char *address)
{
	struct bypass_holder holder;

	if (bypass_function_holder(address, &holder) != 1)
		return bypass_fail(EBUSY,
				   "%s is in use: another process has its IOMMU group open, and "
				   "its name is hidden from us. 'sudo bypass list' shows it",
				   address);
	if (holder.pid == getpid())
		return bypass_fail(EBUSY,
				   "%s is in use: this process has it, or another function of its "
				   "IOMMU group, open in another address space. Functions of one "
				   "group go to one guest",
				   address);
	return bypass_fail(EBUSY,
			   "%s is in use by %s (process %d), which has it, or another function of "
			   "its IOMMU group, open. End that first",
			   address, holder.name, (int)holder.pid);
}

int iommu_fail_viable(const char *address)
{
	int err = bypass_group_check(address);

	if (err)
		return err;
	/* A driver was in the way when the kernel looked, and was gone when we did. */
	return bypass_fail(EPERM,
			   "the IOMMU group of %s cannot be used now: a host driver had a device "
			   "in it a moment ago. Try again",
			   address);
}

int iommu_fail_device(int err, const char *address, const char *token)
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
		return iommu_fail_busy(address);
	}
	return bypass_fail(err, "VFIO does not open %s: %s", address, strerror(err));
}
