// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The type1 (v2) back end: a VFIO container, and the IOMMU groups whose devices
 * have joined it (linux/vfio.h; Documentation/driver-api/vfio.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/pci.h>

#include "capability.h"
#include "type1.h"

static int type1_map(struct bypass_iommu *iommu, const struct iommu_mapping *mapping,
		     uint64_t pending)
{
	struct type1 *t = (struct type1 *)iommu;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (mapping->prot & BYPASS_DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (mapping->prot & BYPASS_DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)mapping->hva,
		.iova = mapping->iova,
		.size = mapping->size,
	};

	if (ioctl(t->container, VFIO_IOMMU_MAP_DMA, &map))
		return type1_fail_map(errno, mapping, pending);
	return 0;
}

static int type1_unmap(struct bypass_iommu *iommu, const struct iommu_mapping *mapping)
{
	struct type1 *t = (struct type1 *)iommu;
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = mapping->iova,
		.size = mapping->size,
	};

	if (ioctl(t->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return bypass_fail(errno, "cannot unmap IOVA 0x%llx, 0x%llx bytes: %s",
				   (unsigned long long)mapping->iova,
				   (unsigned long long)mapping->size, strerror(errno));
	return 0;
}

/* The ranges that can be mapped. A kernel before 5.4 does not say: @ranges stays empty. */
static int ranges_read(const struct type1 *t, struct iommu_ranges *ranges)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap = NULL;
	struct vfio_iommu_type1_info first = {.argsz = sizeof(first)}, *info;
	unsigned int n = 0;
	size_t room;

	info = info_get(t->container, VFIO_IOMMU_GET_INFO, &first, sizeof(first));
	if (!info)
		return bypass_fail(errno, "the IOMMU does not describe itself: %s",
				   strerror(errno));
	if (info->flags & VFIO_IOMMU_INFO_CAPS)
		cap = info_capability(info, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
				      sizeof(*cap), &room);
	if (cap) {
		n = (room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]);
		if (cap->nr_iovas < n)
			n = cap->nr_iovas;
		ranges->list = calloc(n + 1, sizeof(*ranges->list));
	}
	if (cap && !ranges->list) {
		free(info);
		return bypass_fail(ENOMEM, "no memory for a list of %u IOVA ranges", n);
	}
	for (unsigned int i = 0; i < n; i++) {
		ranges->list[i].start = cap->iova_ranges[i].start;
		ranges->list[i].last = cap->iova_ranges[i].end;
	}
	ranges->n = n;
	free(info);
	return 0;
}

static int container_open(struct type1 *t)
{
	int fd, err;

	err = bypass_iommu_check();
	if (err)
		return err;
	fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return type1_fail_container(errno);
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION) {
		err = bypass_fail(ENODEV, "/dev/vfio/vfio speaks an interface that is not known "
					  "here: this libbypass and this kernel do not fit");
		goto close;
	}
	if (ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
		err = bypass_fail(ENODEV, "VFIO has no type1 IOMMU: load it with 'modprobe "
					  "vfio_iommu_type1'");
		goto close;
	}
	t->container = fd;
	return 0;
close:
	close(fd);
	return err;
}

static int group_number(const char *address)
{
	char path[128], target[256];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return bypass_fail(ENOTSUP, "%s is in no IOMMU group, so no IOMMU confines it",
				   address);
	target[length] = '\0';
	return atoi(strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
}

/* Opens a group and puts it into the container, which the first group makes an address space. */
static int group_join(struct type1 *t, struct type1_group *group, const char *address)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/dev/vfio/%d", group->number);
	group->fd = open(path, O_RDWR | O_CLOEXEC);
	if (group->fd < 0)
		return type1_fail_group(errno, address, path);
	if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status)) {
		err = type1_fail_attach(errno, address);
		goto close;
	}
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		err = iommu_fail_viable(address);
		goto close;
	}
	if (t->container < 0) {
		err = container_open(t);
		if (err)
			goto close;
	}
	if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &t->container)) {
		err = type1_fail_attach(errno, address);
		goto close;
	}
	if (!t->groups && ioctl(t->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		err = type1_fail_attach(errno, address);
		goto leave;
	}
	return 0;
leave:
	ioctl(group->fd, VFIO_GROUP_UNSET_CONTAINER);
close:
	close(group->fd);
	return err;
}

static void group_put(struct type1 *t, struct type1_group *group)
{
	struct type1_group **link = &t->groups;

	if (--group->devices)
		return;
	while (*link != group)
		link = &(*link)->next;
	*link = group->next;
	close(group->fd);
	free(group);
	/*
	 * With its last group a container loses its mappings. The next device gets a
	 * new container: KVM may hold this group a moment longer, and until then the
	 * kernel does not release the old container.
	 */
	if (!t->groups) {
		close(t->container);
		t->container = -1;
	}
}

static int group_get(struct type1 *t, const char *address, struct type1_group **result)
{
	int number = group_number(address), err;
	struct type1_group *group;

	if (number < 0)
		return number;
	for (group = t->groups; group; group = group->next)
		if (group->number == number)
			break;
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return bypass_fail(ENOMEM, "no memory for IOMMU group %d", number);
		group->number = number;
		err = group_join(t, group, address);
		if (err) {
			free(group);
			return err;
		}
		group->next = t->groups;
		t->groups = group;
	}
	group->devices++;
	*result = group;
	return 0;
}

static int type1_attach(struct bypass_iommu *iommu, const char *token, struct iommu_device *device,
			struct iommu_ranges *ranges)
{
	struct type1 *t = (struct type1 *)iommu;
	struct type1_group *group = NULL;
	char name[128];
	int err;

	err = group_get(t, device->address, &group);
	if (err)
		return err;
	err = ranges_read(t, ranges);
	if (err)
		goto put;
	/* linux/vfio.h, VFIO_GROUP_GET_DEVICE_FD: key=value pairs may follow the name */
	snprintf(name, sizeof(name), "%s%s%s", device->address, token ? " vf_token=" : "",
		 token ? token : "");
	device->fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, name);
	if (device->fd < 0) {
		err = iommu_fail_device(errno, device->address, token);
		goto ranges;
	}
	device->kvm_fd = group->fd;
	device->group = group;
	return 0;
ranges:
	free(ranges->list);
put:
	group_put(t, group);
	return err;
}

static void type1_detach(struct bypass_iommu *iommu, struct iommu_device *device)
{
	close(device->fd);
	group_put((struct type1 *)iommu, device->group);
}

static void type1_free(struct bypass_iommu *iommu)
{
	struct type1 *t = (struct type1 *)iommu;

	if (t->container >= 0)
		close(t->container);
	free(t);
}

static const struct iommu_ops type1_ops = {
	.map = type1_map,
	.unmap = type1_unmap,
	.attach = type1_attach,
	.detach = type1_detach,
	.hot_reset = type1_hot_reset,
	.free = type1_free,
};

int type1_new(struct bypass_iommu **iommu)
{
	struct type1 *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return bypass_fail(ENOMEM, "no memory for a DMA address space");
	err = container_open(t);
	if (err) {
		free(t);
		return err;
	}
	t->iommu.ops = &type1_ops;
	*iommu = &t->iommu;
	return 0;
}
