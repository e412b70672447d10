// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One DMA address space. Every mapping is checked here before the kernel sees it, and all
 * of them are replayed when the first device attaches.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

typedef unsigned long long ull; /* what printf wants for uint64_t */

int bypass_iommu_new(struct bypass_iommu **iommu)
{
	int err = type1_new(iommu);

	if (!err)
		pthread_mutex_init(&(*iommu)->lock, NULL);
	return err;
}

void bypass_iommu_free(struct bypass_iommu *iommu)
{
	if (!iommu)
		return;
	pthread_mutex_destroy(&iommu->lock);
	free(iommu->mappings.list);
	free(iommu->ranges.list);
	iommu->ops->free(iommu);
}

/* The reserved gap that @m runs into. */
static int fail_reserved(const struct iommu_ranges *ranges, const struct iommu_mapping *m)
{
	uint64_t first = 0, last = UINT64_MAX;

	for (unsigned int i = 0; i < ranges->n; i++) {
		if (ranges->list[i].last < m->iova) {
			first = ranges->list[i].last + 1;
		} else if (ranges->list[i].start > m->iova) {
			last = ranges->list[i].start - 1;
			break;
		} else { /* the mapping begins in this range: the gap is the one behind */
			first = ranges->list[i].last + 1;
		}
	}
	return bypass_fail(ERANGE,
			   "IOVA [0x%llx, 0x%llx] cannot be mapped: the platform keeps [0x%llx, "
			   "0x%llx] for itself (interrupts, or more than the IOMMU can address). "
			   "Lay the guest's memory out so that none of it lies there",
			   (ull)m->iova, (ull)(m->iova + m->size - 1), (ull)first, (ull)last);
}

static int check_range(const struct iommu_ranges *ranges, const struct iommu_mapping *m)
{
	if (!ranges->n)
		return 0;
	for (unsigned int i = 0; i < ranges->n; i++)
		if (m->iova >= ranges->list[i].start &&
		    m->iova + (m->size - 1) <= ranges->list[i].last)
			return 0;
	return fail_reserved(ranges, m);
}

static int check_mapping(const struct iommu_mapping *m)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (!m->size || (m->iova | m->size | (uintptr_t)m->hva) % page)
		return bypass_fail(EINVAL,
				   "cannot map 0x%llx bytes at %p to IOVA 0x%llx: each must be a "
				   "multiple of the page size, %llu, and the length not 0",
				   (ull)m->size, m->hva, (ull)m->iova, (ull)page);
	if (m->iova + (m->size - 1) < m->iova)
		return bypass_fail(EINVAL,
				   "cannot map 0x%llx bytes to IOVA 0x%llx: they run over the end "
				   "of the address space",
				   (ull)m->size, (ull)m->iova);
	if (!m->prot || m->prot & ~(BYPASS_DMA_READ | BYPASS_DMA_WRITE))
		return bypass_fail(EINVAL,
				   "cannot map IOVA 0x%llx with protection 0x%x: it is of "
				   "BYPASS_DMA_READ and BYPASS_DMA_WRITE",
				   (ull)m->iova, m->prot);
	return 0;
}

static int check_overlap(const struct iommu_mappings *mappings, const struct iommu_mapping *m)
{
	const struct iommu_mapping *other = mappings_overlap(mappings, m);

	if (!other)
		return 0;
	return bypass_fail(EEXIST,
			   "IOVA [0x%llx, 0x%llx] cannot be mapped: it overlaps [0x%llx, "
			   "0x%llx], which is mapped to %p. Unmap that first",
			   (ull)m->iova, (ull)(m->iova + m->size - 1), (ull)other->iova,
			   (ull)(other->iova + other->size - 1), other->hva);
}

static int map(struct bypass_iommu *iommu, const struct iommu_mapping *m, uint64_t pending)
{
	int err;

	err = check_mapping(m);
	if (!err)
		err = check_range(&iommu->ranges, m);
	if (!err)
		err = check_overlap(&iommu->mappings, m);
	if (!err)
		err = mappings_reserve(&iommu->mappings);
	if (!err && iommu->devices)
		err = iommu->ops->map(iommu, m, pending);
	if (!err)
		mappings_insert(&iommu->mappings, m);
	return err;
}

static int unmap(struct bypass_iommu *iommu, uint64_t iova, uint64_t size)
{
	const struct iommu_mapping *m = mappings_find(&iommu->mappings, iova, size);
	int err;

	if (!m)
		return bypass_fail(ENOENT, "IOVA 0x%llx, 0x%llx bytes, was not mapped so",
				   (ull)iova, (ull)size);
	if (iommu->devices) {
		err = iommu->ops->unmap(iommu, m);
		if (err)
			return err;
	}
	mappings_remove(&iommu->mappings, m);
	return 0;
}

int bypass_iommu_map(struct bypass_iommu *iommu, uint64_t iova, void *hva, uint64_t size,
		     unsigned int prot)
{
	struct iommu_mapping m = {.iova = iova, .size = size, .hva = hva, .prot = prot};
	int err;

	pthread_mutex_lock(&iommu->lock);
	err = map(iommu, &m, size);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

int bypass_iommu_unmap(struct bypass_iommu *iommu, uint64_t iova, uint64_t size)
{
	int err;

	pthread_mutex_lock(&iommu->lock);
	err = unmap(iommu, iova, size);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

/* Takes the first @n_come of @come off and puts the first @n_gone of @gone back. */
static int undo_change(struct bypass_iommu *iommu, int failed, const struct iommu_mappings *gone,
		       unsigned int n_gone, const struct iommu_mappings *come, unsigned int n_come)
{
	char why[1024];

	snprintf(why, sizeof(why), "%s", bypass_error());
	while (n_come-- > 0)
		if (unmap(iommu, come->list[n_come].iova, come->list[n_come].size))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
	while (n_gone-- > 0)
		if (map(iommu, &gone->list[n_gone], gone->list[n_gone].size))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
	return bypass_fail(-failed, "%s", why);
}

static int set_memory(struct bypass_iommu *iommu, const struct bypass_memory *mem)
{
	unsigned int n_gone = 0, n_come = 0;
	struct iommu_mappings gone, come;
	uint64_t pending;
	int err;

	err = mappings_difference(&iommu->mappings, mem, &gone, &come);
	if (err)
		return err;
	if (iommu->devices)
		err = iommu_check_room(&come);
	pending = mappings_bytes(&come);
	/* Off before on: a range may have moved to where another was. */
	for (; n_gone < gone.n && !err; n_gone += !err)
		err = unmap(iommu, gone.list[n_gone].iova, gone.list[n_gone].size);
	for (; n_come < come.n && !err; n_come += !err) {
		err = map(iommu, &come.list[n_come], pending);
		pending -= come.list[n_come].size;
	}
	if (err)
		err = undo_change(iommu, err, &gone, n_gone, &come, n_come);
	free(come.list);
	free(gone.list);
	return err;
}

int bypass_iommu_set_memory(struct bypass_iommu *iommu, const struct bypass_memory *mem)
{
	int err;

	pthread_mutex_lock(&iommu->lock);
	err = set_memory(iommu, mem);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

uint64_t bypass_iommu_bytes(const struct bypass_iommu *iommu)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&iommu->lock;
	uint64_t bytes;

	pthread_mutex_lock(lock);
	bytes = mappings_bytes(&iommu->mappings);
	pthread_mutex_unlock(lock);
	return bytes;
}

const struct bypass_iova_range *bypass_iommu_ranges(const struct bypass_iommu *iommu,
						    unsigned int *count)
{
	*count = iommu->ranges.n;
	return iommu->ranges.list;
}

static int check_all(const struct bypass_iommu *iommu, const struct iommu_ranges *ranges)
{
	int err = 0;

	for (unsigned int i = 0; i < iommu->mappings.n && !err; i++)
		err = check_range(ranges, &iommu->mappings.list[i]);
	return err;
}

/* Gives every mapping to the kernel; after a failure some may be there. */
static int replay(struct bypass_iommu *iommu)
{
	uint64_t pending = mappings_bytes(&iommu->mappings);
	const struct iommu_mapping *m;
	int err = 0;

	for (unsigned int i = 0; i < iommu->mappings.n && !err; i++) {
		m = &iommu->mappings.list[i];
		err = iommu->ops->map(iommu, m, pending);
		pending -= m->size;
	}
	return err;
}

static bool is_open(const struct bypass_iommu *iommu, const char *address)
{
	const struct iommu_device *device = iommu->devices;

	while (device && strcmp(device->address, address))
		device = device->next;
	return device;
}

/* The kernel opens a function any number of times for the process that has its group. */
static int attach(struct bypass_iommu *iommu, const char *token, struct iommu_device *device)
{
	struct iommu_ranges ranges = {NULL, 0};
	int err;

	if (is_open(iommu, device->address))
		return iommu_fail_open(device->address);
	err = iommu->ops->attach(iommu, token, device, &ranges);
	if (err)
		return err;
	err = check_all(iommu, &ranges);
	if (!err && !iommu->devices)
		err = iommu_check_room(&iommu->mappings);
	if (!err && !iommu->devices)
		err = replay(iommu);
	if (err) {
		iommu->ops->detach(iommu, device);
		free(ranges.list);
		return err;
	}
	free(iommu->ranges.list);
	iommu->ranges = ranges;
	device->next = iommu->devices;
	iommu->devices = device;
	return 0;
}

int iommu_device_open(struct bypass_iommu *iommu, const char *token, struct iommu_device *device)
{
	int err;

	device->sees_ram = false;
	pthread_mutex_lock(&iommu->lock);
	err = attach(iommu, token, device);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

void iommu_device_close(struct bypass_iommu *iommu, struct iommu_device *device)
{
	struct iommu_device **link = &iommu->devices;

	iommu_device_set_memory(iommu, device, NULL);
	pthread_mutex_lock(&iommu->lock);
	while (*link != device)
		link = &(*link)->next;
	*link = device->next;
	iommu->ops->detach(iommu, device);
	if (!iommu->devices) {
		free(iommu->ranges.list);
		iommu->ranges = (struct iommu_ranges){NULL, 0};
	}
	pthread_mutex_unlock(&iommu->lock);
}

int iommu_device_set_memory(struct bypass_iommu *iommu, struct iommu_device *device,
			    const struct bypass_memory *mem)
{
	int err = 0;

	pthread_mutex_lock(&iommu->lock);
	if (mem || (device->sees_ram && iommu->ram_users == 1))
		err = set_memory(iommu, mem);
	if (!err && !!mem != device->sees_ram) {
		device->sees_ram = !!mem;
		iommu->ram_users += mem ? 1 : -1;
	}
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

int iommu_device_hot_reset(struct bypass_iommu *iommu, const struct iommu_device *device)
{
	int err;

	pthread_mutex_lock(&iommu->lock);
	err = iommu->ops->hot_reset(iommu, device);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}
