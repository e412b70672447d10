// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Hot reset: a function that cannot be reset alone is reset with its bus. The kernel demands
 * that the caller owns all functions on this bus. A group's descriptor is the proof.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "type1.h"

static int fail_reset(int err, const char *address)
{
	if (err == ENODEV || err == ENOTTY)
		return bypass_fail(EOPNOTSUPP,
				   "%s cannot be reset: it has no function-level reset, and its "
				   "bus cannot be reset either. It does no DMA any more, but its "
				   "registers are as they were",
				   address);
	if (err == EINVAL)
		return bypass_fail(EPERM,
				   "%s cannot be reset: it has no function-level reset, and on its "
				   "bus are functions that are not bound to vfio-pci",
				   address);
	return bypass_fail(err, "the bus of %s does not reset: %s", address, strerror(err));
}

/* The functions that would be reset; free() it. */
static int affected(int fd, const char *address, struct vfio_pci_hot_reset_info **result)
{
	struct vfio_pci_hot_reset_info *info = NULL, *more;
	size_t count = 0, size;
	int err;

	/* Without enough room the kernel says how many there are. More may appear between two calls. */
	for (int tries = 0; tries < 4; tries++) {
		size = sizeof(*info) + count * sizeof(info->devices[0]);
		more = realloc(info, size);
		if (!more) {
			err = bypass_fail(ENOMEM, "no memory to reset %s", address);
			goto free;
		}
		info = more;
		memset(info, 0, size);
		info->argsz = size;
		if (!ioctl(fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info)) {
			if (info->count > count)
				info->count = count;
			*result = info;
			return 0;
		}
		if (errno != ENOSPC)
			break;
		count = info->count;
	}
	err = fail_reset(errno, address);
free:
	free(info);
	return err;
}

static const struct type1_group *group_of(const struct type1 *t,
					  const struct vfio_pci_dependent_device *device)
{
	const struct type1_group *group = t->groups;

	while (group && (uint32_t)group->number != device->group_id)
		group = group->next;
	return group;
}

static int fail_foreign(const struct vfio_pci_dependent_device *device, const char *address)
{
	return bypass_fail(EPERM,
			   "%s cannot be reset: it has no function-level reset, and with its bus "
			   "%04x:%02x:%02x.%x of IOMMU group %u would be reset too, which this "
			   "guest does not have. Give both to one guest, or none",
			   address, device->segment, device->bus, device->devfn >> 3,
			   device->devfn & 7, device->group_id);
}

int type1_hot_reset(struct bypass_iommu *iommu, const struct iommu_device *device)
{
	const char *address = device->address;
	const struct type1 *t = (const struct type1 *)iommu;
	struct vfio_pci_hot_reset_info *info = NULL;
	struct vfio_pci_hot_reset *reset;
	const struct type1_group *group;
	uint32_t n;
	int err;

	err = affected(device->fd, address, &info);
	if (err)
		return err;
	reset = calloc(1, sizeof(*reset) + (info->count + 1) * sizeof(reset->group_fds[0]));
	if (!reset) {
		err = bypass_fail(ENOMEM, "no memory to reset %s", address);
		goto free;
	}
	for (uint32_t i = 0; i < info->count; i++) {
		group = group_of(t, &info->devices[i]);
		if (!group) {
			err = fail_foreign(&info->devices[i], address);
			goto free;
		}
		/* each group once, however many of its functions are on the bus */
		for (n = 0; n < reset->count && reset->group_fds[n] != group->fd; n++)
			;
		if (n == reset->count)
			reset->group_fds[reset->count++] = group->fd;
	}
	reset->argsz = sizeof(*reset) + reset->count * sizeof(reset->group_fds[0]);
	if (ioctl(device->fd, VFIO_DEVICE_PCI_HOT_RESET, reset))
		err = fail_reset(errno, address);
free:
	free(reset);
	free(info);
	return err;
}
