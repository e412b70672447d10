/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A kernel that plays VFIO: the test's own open() and ioctl() stand before those of
 * the C library, and answer for /dev/vfio. A device is a file: reads, writes and
 * mappings of its regions are real. /sys is the tree of host_tree.h.
 */
#ifndef VFIO_KERNEL_H
#define VFIO_KERNEL_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "host_tree.h"

#define FUNCTION  "0000:01:10.0"
#define NEIGHBOUR "0000:01:10.1" /* in the same group */
#define OTHER	  "0000:02:00.0" /* in another */

#define MAPPINGS 16
#define IRQ_SETS 16
#define VECTORS	 8

struct irq_set {
	uint32_t flags, index, start, count;
	int fds[VECTORS];
};

static struct kernel {
	/* how it behaves */
	bool no_type1v2;
	bool not_viable;
	int open_error; /* of /dev/vfio/vfio */
	int group_error;
	unsigned long failing; /* this ioctl fails ... */
	int failing_error;     /* ... with this errno, or for a positive result with minus that */
	unsigned int failing_after; /* ... when it was called so often */
	struct vfio_iova_range ranges[4];
	unsigned int n_ranges;
	uint32_t reported_ranges; /* what it says there are */
	uint32_t cap_next;	  /* where it says that the capability after them is */
	bool no_caps;
	uint32_t device_flags;
	struct vfio_region_info regions[VFIO_PCI_NUM_REGIONS];
	struct vfio_region_sparse_mmap_area sparse[4]; /* of BAR 0 */
	uint32_t n_sparse, reported_sparse;
	struct vfio_irq_info irqs[VFIO_PCI_REQ_IRQ_INDEX + 1];
	void (*prepare)(int fd); /* fills the file of a device */
	/* what happened to it */
	unsigned int containers, groups, devices; /* open now */
	bool attached, live;
	char device_name[128];
	unsigned int maps, unmaps, n_mappings, resets;
	struct vfio_iommu_type1_dma_map mappings[MAPPINGS];
	int event_fds[VFIO_PCI_REQ_IRQ_INDEX + 1]; /* of the last two types: errors, requests */
	unsigned int n_irq_sets;
	struct irq_set irq_sets[IRQ_SETS];
	struct vfio_pci_dependent_device on_bus[4]; /* reset by a hot reset */
	uint32_t n_on_bus;
	unsigned int hot_resets;
	uint32_t hot_reset_groups;
	uint16_t command_at_reset;
	unsigned int irq_sets_at_reset;
} kernel;

enum kernel_file { FILE_NONE, FILE_CONTAINER, FILE_GROUP, FILE_DEVICE };

static enum kernel_file kernel_files[1024];
static int kernel_numbers[1024]; /* of groups */

static int kernel_file_new(enum kernel_file kind)
{
	int fd = memfd_create("vfio", MFD_CLOEXEC);

	assert_in_range(fd, 0, 1023);
	kernel_files[fd] = kind;
	return fd;
}

/* A group is opened by one process, once. */
static int kernel_group_open(int number)
{
	int fd;

	for (fd = 0; fd < 1024; fd++) {
		if (kernel_files[fd] != FILE_GROUP || kernel_numbers[fd] != number)
			continue;
		errno = EBUSY;
		return -1;
	}
	fd = kernel_file_new(FILE_GROUP);
	kernel_numbers[fd] = number;
	kernel.groups++;
	return fd;
}

/* "/sys/..." is in the tree. */
static const char *kernel_path(const char *path)
{
	return strncmp(path, "/sys/", 5) ? path : in_tree("%s", path + 1);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	if (!strcmp(path, "/dev/vfio/vfio")) {
		if (kernel.open_error) {
			errno = kernel.open_error;
			return -1;
		}
		kernel.containers++;
		return kernel_file_new(FILE_CONTAINER);
	}
	if (!strncmp(path, "/dev/vfio/", 10)) {
		if (kernel.group_error) {
			errno = kernel.group_error;
			return -1;
		}
		return kernel_group_open(atoi(path + 10));
	}
	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	return syscall(SYS_openat, AT_FDCWD, kernel_path(path), flags, mode);
}

int close(int fd)
{
	if (fd >= 0 && fd < 1024) {
		kernel.containers -= kernel_files[fd] == FILE_CONTAINER;
		kernel.groups -= kernel_files[fd] == FILE_GROUP;
		kernel.devices -= kernel_files[fd] == FILE_DEVICE;
		if (kernel_files[fd] == FILE_GROUP && !kernel.groups) {
			kernel.attached = kernel.live = false;
			kernel.n_mappings = 0;
		}
		kernel_files[fd] = FILE_NONE;
	}
	return syscall(SYS_close, fd);
}

FILE *fopen(const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");

	return real(kernel_path(path), mode);
}

DIR *opendir(const char *path)
{
	DIR *(*real)(const char *) = dlsym(RTLD_NEXT, "opendir");

	return real(kernel_path(path));
}

ssize_t readlink(const char *path, char *target, size_t size)
{
	return syscall(SYS_readlink, kernel_path(path), target, size);
}

static int kernel_map(const struct vfio_iommu_type1_dma_map *map)
{
	assert_true(kernel.live);
	assert_int_equal(map->argsz, sizeof(*map));
	assert_in_range(kernel.n_mappings, 0, MAPPINGS - 1);
	kernel.mappings[kernel.n_mappings++] = *map;
	kernel.maps++;
	return 0;
}

static int kernel_unmap(const struct vfio_iommu_type1_dma_unmap *unmap)
{
	for (unsigned int i = 0; i < kernel.n_mappings; i++) {
		if (kernel.mappings[i].iova != unmap->iova ||
		    kernel.mappings[i].size != unmap->size)
			continue;
		kernel.mappings[i] = kernel.mappings[--kernel.n_mappings];
		kernel.unmaps++;
		return 0;
	}
	fail_msg("unmap of what is not mapped: 0x%llx", (unsigned long long)unmap->iova);
	return -1;
}

static int kernel_iommu_info(struct vfio_iommu_type1_info *info)
{
	const uint32_t fixed = 24, header = sizeof(struct vfio_iommu_type1_info_cap_iova_range);
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	uint32_t need = fixed + header + kernel.n_ranges * sizeof(kernel.ranges[0]);

	info->flags = VFIO_IOMMU_INFO_PGSIZES;
	info->iova_pgsizes = 4096;
	if (kernel.no_caps)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	if (info->argsz < need) {
		info->argsz = need;
		info->cap_offset = 0;
		return 0;
	}
	info->cap_offset = fixed;
	cap = (void *)((char *)info + fixed);
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->header.next = kernel.cap_next;
	cap->nr_iovas = kernel.reported_ranges;
	memcpy(cap->iova_ranges, kernel.ranges, kernel.n_ranges * sizeof(kernel.ranges[0]));
	return 0;
}

static int kernel_region_info(struct vfio_region_info *info)
{
	const uint32_t header = sizeof(struct vfio_region_info_cap_sparse_mmap);
	struct vfio_region_info_cap_sparse_mmap *cap;
	uint32_t argsz = info->argsz, index = info->index, need;

	if (index == VFIO_PCI_VGA_REGION_INDEX) {
		errno = EINVAL;
		return -1;
	}
	*info = kernel.regions[index];
	info->argsz = argsz;
	info->index = index;
	if (index || !kernel.n_sparse)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	need = sizeof(*info) + header + kernel.n_sparse * sizeof(kernel.sparse[0]);
	if (argsz < need) {
		info->argsz = need;
		return 0;
	}
	info->cap_offset = sizeof(*info);
	cap = (void *)(info + 1);
	cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->nr_areas = kernel.reported_sparse;
	memcpy(cap->areas, kernel.sparse, kernel.n_sparse * sizeof(kernel.sparse[0]));
	return 0;
}

static int kernel_set_irqs(const struct vfio_irq_set *set)
{
	struct irq_set *s;

	if (set->index >= VFIO_PCI_ERR_IRQ_INDEX) {
		assert_int_equal(set->count, 1);
		memcpy(&kernel.event_fds[set->index], set->data, sizeof(int));
		return 0;
	}
	s = &kernel.irq_sets[kernel.n_irq_sets++];
	assert_in_range(kernel.n_irq_sets, 1, IRQ_SETS);
	assert_in_range(set->count, 0, VECTORS);
	*s = (struct irq_set){set->flags, set->index, set->start, set->count, {0}};
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		assert_int_equal(set->argsz, sizeof(*set) + set->count * sizeof(int));
		memcpy(s->fds, set->data, set->count * sizeof(int));
	}
	return 0;
}

static int kernel_reset(int fd)
{
	uint64_t config = kernel.regions[VFIO_PCI_CONFIG_REGION_INDEX].offset;

	assert_int_equal(pread(fd, &kernel.command_at_reset, 2, config + 4), 2);
	kernel.irq_sets_at_reset = kernel.n_irq_sets;
	kernel.resets++;
	return 0;
}

static int kernel_hot_reset_info(struct vfio_pci_hot_reset_info *info)
{
	uint32_t room = (info->argsz - sizeof(*info)) / sizeof(info->devices[0]);

	info->count = kernel.n_on_bus;
	if (!kernel.n_on_bus)
		errno = ENODEV;
	else if (room < kernel.n_on_bus)
		errno = ENOSPC;
	else
		memcpy(info->devices, kernel.on_bus, kernel.n_on_bus * sizeof(info->devices[0]));
	return kernel.n_on_bus && room >= kernel.n_on_bus ? 0 : -1;
}

static int kernel_hot_reset(const struct vfio_pci_hot_reset *reset)
{
	assert_int_equal(reset->argsz, sizeof(*reset) + reset->count * sizeof(int));
	for (uint32_t i = 0; i < reset->count; i++)
		assert_int_equal(kernel_files[reset->group_fds[i]], FILE_GROUP);
	kernel.hot_resets++;
	kernel.hot_reset_groups = reset->count;
	return 0;
}

static int kernel_group_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags =
			kernel.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		assert_int_equal(kernel_files[*(int *)arg], FILE_CONTAINER);
		kernel.attached = true;
		return 0;
	case VFIO_GROUP_UNSET_CONTAINER:
		if (kernel.groups == 1) {
			kernel.attached = kernel.live = false;
			kernel.n_mappings = 0;
		}
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		assert_true(kernel.live);
		snprintf(kernel.device_name, sizeof(kernel.device_name), "%s", (char *)arg);
		kernel.devices++;
		return kernel_file_new(FILE_DEVICE);
	}
	fail_msg("ioctl 0x%lx of a group", request);
	return -1;
}

static int kernel_container_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU && !kernel.no_type1v2;
	case VFIO_SET_IOMMU:
		assert_true(kernel.attached && !kernel.live);
		kernel.live = true;
		return 0;
	case VFIO_IOMMU_GET_INFO:
		return kernel_iommu_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		return kernel_map(arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return kernel_unmap(arg);
	}
	fail_msg("ioctl 0x%lx of a container", request);
	return -1;
}

static int kernel_device_ioctl(int fd, unsigned long request, void *arg)
{
	struct vfio_device_info *info = arg;
	struct vfio_irq_info *irq = arg;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = kernel.device_flags;
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		if (ftruncate(fd, 0x100000))
			return -1;
		if (kernel.prepare)
			kernel.prepare(fd);
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return kernel_region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		irq->flags = kernel.irqs[irq->index].flags;
		irq->count = kernel.irqs[irq->index].count;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return kernel_set_irqs(arg);
	case VFIO_DEVICE_RESET:
		return kernel_reset(fd);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return kernel_hot_reset_info(arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return kernel_hot_reset(arg);
	}
	fail_msg("ioctl 0x%lx of a device", request);
	return -1;
}

int ioctl(int fd, unsigned long request, ...)
{
	enum kernel_file kind = fd >= 0 && fd < 1024 ? kernel_files[fd] : FILE_NONE;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (kind == FILE_NONE)
		return syscall(SYS_ioctl, fd, request, arg);
	/* GET_INFO of the IOMMU and HOT_RESET_INFO of a device have one number: so by kind */
	if (request == kernel.failing && !kernel.failing_after--) {
		kernel.failing = 0;
		if (kernel.failing_error < 0)
			return -kernel.failing_error;
		errno = kernel.failing_error;
		return -1;
	}
	if (kind == FILE_GROUP)
		return kernel_group_ioctl(request, arg);
	if (kind == FILE_CONTAINER)
		return kernel_container_ioctl(request, arg);
	return kernel_device_ioctl(fd, request, arg);
}

static inline void kernel_fails(unsigned long request, int err, unsigned int after)
{
	kernel.failing = request;
	kernel.failing_error = err;
	kernel.failing_after = after;
}

/* What an open device's file has at @offset of a region. */
static inline void kernel_poke(int fd, unsigned int region, uint64_t offset, const void *data,
			       size_t size)
{
	assert_int_equal(pwrite(fd, data, size, kernel.regions[region].offset + offset), size);
}

static inline int kernel_setup(void **state)
{
	const uint32_t all = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	if (tree_setup(state))
		return -1;
	put_function(FUNCTION, "0x8086:0x10ca", "0x020000", "vfio-pci", 7);
	put_function(NEIGHBOUR, "0x8086:0x10ca", "0x020000", "vfio-pci", 7);
	put_function(OTHER, "0x1234:0x11e8", "0x00ff00", "vfio-pci", 8);
	memset(&kernel, 0, sizeof(kernel));
	kernel.ranges[0] = (struct vfio_iova_range){0, 0xfedfffff};
	kernel.ranges[1] = (struct vfio_iova_range){0xfef00000, 0xffffffffffff};
	kernel.n_ranges = kernel.reported_ranges = 2;
	kernel.device_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	for (unsigned int i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		kernel.regions[i].offset = i * 0x10000;
	kernel.regions[0].size = 0x4000;
	kernel.regions[0].flags = all | VFIO_REGION_INFO_FLAG_MMAP;
	kernel.regions[2].size = 0x20;
	kernel.regions[2].flags = all;
	kernel.regions[3].size = 0x8000;
	kernel.regions[3].flags = all | VFIO_REGION_INFO_FLAG_MMAP;
	kernel.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = 4096;
	kernel.regions[VFIO_PCI_CONFIG_REGION_INDEX].flags = all;
	kernel.irqs[0] = (struct vfio_irq_info){
		.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED,
		.count = 1};
	kernel.irqs[1] = (struct vfio_irq_info){
		.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, .count = VECTORS};
	kernel.irqs[2] = (struct vfio_irq_info){.flags = VFIO_IRQ_INFO_EVENTFD, .count = VECTORS};
	kernel.irqs[3] = kernel.irqs[4] =
		(struct vfio_irq_info){.flags = VFIO_IRQ_INFO_EVENTFD, .count = 1};
	return 0;
}

/* Whatever a test did: nothing of /dev/vfio is open any more. */
static inline int kernel_teardown(void **state)
{
	assert_int_equal(kernel.containers, 0);
	assert_int_equal(kernel.groups, 0);
	assert_int_equal(kernel.devices, 0);
	return tree_teardown(state);
}

#endif
