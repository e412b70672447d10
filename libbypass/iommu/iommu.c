// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One DMA address space: the list of what is mapped, kept here so that it can be
 * checked before and explained after, and replayed when the first device joins.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

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
	free(iommu->mappings);
	free(iommu->ranges);
	iommu->ops->free(iommu);
}

/* The reserved gap that @m runs into. */
static int fail_reserved(const struct bypass_iommu *iommu, const struct iommu_mapping *m)
{
	uint64_t first = 0, last = UINT64_MAX;

	for (unsigned int i = 0; i < iommu->n_ranges; i++) {
		if (iommu->ranges[i].last < m->iova) {
			first = iommu->ranges[i].last + 1;
		} else if (iommu->ranges[i].start > m->iova) {
			last = iommu->ranges[i].start - 1;
			break;
		} else { /* it begins in this range: the gap is the one behind */
			first = iommu->ranges[i].last + 1;
		}
	}
	return bypass_fail(ERANGE,
			   "IOVA [0x%llx, 0x%llx] cannot be mapped: the platform keeps [0x%llx, "
			   "0x%llx] for itself (interrupts, or more than the IOMMU can address). "
			   "Lay the guest's memory out so that none of it lies there",
			   (ull)m->iova, (ull)(m->iova + m->size - 1), (ull)first, (ull)last);
}

static int check_range(const struct bypass_iommu *iommu, const struct iommu_mapping *m)
{
	if (!iommu->n_ranges)
		return 0;
	for (unsigned int i = 0; i < iommu->n_ranges; i++)
		if (m->iova >= iommu->ranges[i].start &&
		    m->iova + (m->size - 1) <= iommu->ranges[i].last)
			return 0;
	return fail_reserved(iommu, m);
}

int iommu_check_ranges(const struct bypass_iommu *iommu)
{
	int err = 0;

	for (unsigned int i = 0; i < iommu->n_mappings && !err; i++)
		err = check_range(iommu, &iommu->mappings[i]);
	return err;
}

static uint64_t bytes_mapped(const struct bypass_iommu *iommu)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < iommu->n_mappings; i++)
		bytes += iommu->mappings[i].size;
	return bytes;
}

int iommu_replay(struct bypass_iommu *iommu)
{
	uint64_t pending = bytes_mapped(iommu);
	int err;

	for (unsigned int i = 0; i < iommu->n_mappings; i++) {
		err = iommu->ops->map(iommu, &iommu->mappings[i], pending);
		if (err)
			return err;
		pending -= iommu->mappings[i].size;
	}
	return 0;
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

/* Where @iova stands, or would stand, in the list. */
static unsigned int position(const struct bypass_iommu *iommu, uint64_t iova)
{
	unsigned int low = 0, high = iommu->n_mappings, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (iommu->mappings[mid].iova < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int map(struct bypass_iommu *iommu, const struct iommu_mapping *m, uint64_t pending)
{
	const struct iommu_mapping *other = NULL;
	struct iommu_mapping *list;
	unsigned int at;
	int err;

	err = check_mapping(m);
	if (!err)
		err = check_range(iommu, m);
	if (err)
		return err;
	at = position(iommu, m->iova);
	list = iommu->mappings;
	if (at > 0 && m->iova - list[at - 1].iova < list[at - 1].size)
		other = &list[at - 1];
	else if (at < iommu->n_mappings && list[at].iova - m->iova < m->size)
		other = &list[at];
	if (other)
		return bypass_fail(EEXIST,
				   "IOVA [0x%llx, 0x%llx] cannot be mapped: it overlaps [0x%llx, "
				   "0x%llx], which is mapped to %p. Unmap that first",
				   (ull)m->iova, (ull)(m->iova + m->size - 1), (ull)other->iova,
				   (ull)(other->iova + other->size - 1), other->hva);

	list = reallocarray(list, iommu->n_mappings + 1, sizeof(*list));
	if (!list)
		return bypass_fail(ENOMEM, "no memory for a list of %u DMA mappings",
				   iommu->n_mappings + 1);
	iommu->mappings = list;
	if (iommu->live) {
		err = iommu->ops->map(iommu, m, pending);
		if (err)
			return err;
	}
	memmove(list + at + 1, list + at, (iommu->n_mappings - at) * sizeof(*list));
	list[at] = *m;
	iommu->n_mappings++;
	return 0;
}

static int unmap(struct bypass_iommu *iommu, uint64_t iova, uint64_t size)
{
	unsigned int at = position(iommu, iova);
	struct iommu_mapping *m = iommu->mappings + at;
	int err;

	if (at == iommu->n_mappings || m->iova != iova || m->size != size)
		return bypass_fail(ENOENT, "IOVA 0x%llx, 0x%llx bytes, was not mapped so",
				   (ull)iova, (ull)size);
	if (iommu->live) {
		err = iommu->ops->unmap(iommu, m);
		if (err)
			return err;
	}
	iommu->n_mappings--;
	memmove(m, m + 1, (iommu->n_mappings - at) * sizeof(*m));
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

static bool holds(const struct bypass_memory_range *ranges, unsigned int n,
		  const struct iommu_mapping *m)
{
	for (unsigned int i = 0; i < n; i++)
		if (ranges[i].gpa == m->iova && ranges[i].size == m->size &&
		    ranges[i].hva == m->hva)
			return true;
	return false;
}

static bool is_mapped(const struct bypass_iommu *iommu, const struct bypass_memory_range *r)
{
	unsigned int at = position(iommu, r->gpa);

	return at < iommu->n_mappings && iommu->mappings[at].ram &&
	       iommu->mappings[at].iova == r->gpa && iommu->mappings[at].size == r->size &&
	       iommu->mappings[at].hva == r->hva;
}

/* Takes off what is RAM and not in @ranges. What went is added to @gone. */
static int drop_ram(struct bypass_iommu *iommu, const struct bypass_memory_range *ranges,
		    unsigned int n, struct iommu_mapping *gone, unsigned int *n_gone)
{
	struct iommu_mapping m;
	int err;

	for (unsigned int i = iommu->n_mappings; i-- > 0;) {
		m = iommu->mappings[i];
		if (!m.ram || holds(ranges, n, &m))
			continue;
		err = unmap(iommu, m.iova, m.size);
		if (err)
			return err;
		gone[(*n_gone)++] = m;
	}
	return 0;
}

/* Maps those of @ranges that are not. What came is added to @come. */
static int add_ram(struct bypass_iommu *iommu, const struct bypass_memory_range *ranges,
		   unsigned int n, struct iommu_mapping *come, unsigned int *n_come)
{
	struct iommu_mapping m = {.prot = BYPASS_DMA_READ | BYPASS_DMA_WRITE, .ram = true};
	uint64_t pending = 0;
	int err;

	for (unsigned int i = 0; i < n; i++)
		if (!is_mapped(iommu, &ranges[i]))
			pending += ranges[i].size;
	for (unsigned int i = 0; i < n; i++) {
		if (is_mapped(iommu, &ranges[i]))
			continue;
		m.iova = ranges[i].gpa;
		m.size = ranges[i].size;
		m.hva = ranges[i].hva;
		err = map(iommu, &m, pending);
		if (err)
			return err;
		pending -= m.size;
		come[(*n_come)++] = m;
	}
	return 0;
}

/* Back to how it was, keeping the explanation of what went wrong. */
static int undo_ram(struct bypass_iommu *iommu, int failed, const struct iommu_mapping *gone,
		    unsigned int n_gone, const struct iommu_mapping *come, unsigned int n_come)
{
	char why[1024];

	snprintf(why, sizeof(why), "%s", bypass_error());
	while (n_come-- > 0)
		if (unmap(iommu, come[n_come].iova, come[n_come].size))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
	while (n_gone-- > 0)
		if (map(iommu, &gone[n_gone], gone[n_gone].size))
			bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
	return bypass_fail(-failed, "%s", why);
}

static int set_ram(struct bypass_iommu *iommu, const struct bypass_memory *mem)
{
	const struct bypass_memory_range *ranges = NULL;
	unsigned int n = 0, n_gone = 0, n_come = 0;
	struct iommu_mapping *gone, *come;
	int err = -ENOMEM;

	if (mem)
		ranges = bypass_memory_ranges(mem, &n);
	gone = calloc(iommu->n_mappings + 1, sizeof(*gone));
	come = calloc(n + 1, sizeof(*come));
	if (!gone || !come) {
		bypass_fail(ENOMEM, "no memory for a list of DMA mappings");
		goto free;
	}
	/* Off before on: a range may have moved to where another was. */
	err = drop_ram(iommu, ranges, n, gone, &n_gone);
	if (!err)
		err = add_ram(iommu, ranges, n, come, &n_come);
	if (err)
		err = undo_ram(iommu, err, gone, n_gone, come, n_come);
free:
	free(come);
	free(gone);
	return err;
}

int bypass_iommu_set_memory(struct bypass_iommu *iommu, const struct bypass_memory *mem)
{
	int err;

	pthread_mutex_lock(&iommu->lock);
	err = set_ram(iommu, mem);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

uint64_t bypass_iommu_bytes(const struct bypass_iommu *iommu)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&iommu->lock;
	uint64_t bytes;

	pthread_mutex_lock(lock);
	bytes = bytes_mapped(iommu);
	pthread_mutex_unlock(lock);
	return bytes;
}

const struct bypass_iova_range *bypass_iommu_ranges(const struct bypass_iommu *iommu,
						    unsigned int *count)
{
	*count = iommu->n_ranges;
	return iommu->ranges;
}

int iommu_device_open(struct bypass_iommu *iommu, const char *address, const char *token,
		      struct iommu_device *device)
{
	int err;

	pthread_mutex_lock(&iommu->lock);
	device->sees_ram = false;
	err = iommu->ops->device_open(iommu, address, token, device);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

void iommu_device_close(struct bypass_iommu *iommu, struct iommu_device *device)
{
	iommu_device_set_memory(iommu, device, NULL);
	pthread_mutex_lock(&iommu->lock);
	iommu->ops->device_close(iommu, device);
	pthread_mutex_unlock(&iommu->lock);
}

int iommu_device_set_memory(struct bypass_iommu *iommu, struct iommu_device *device,
			    const struct bypass_memory *mem)
{
	int err = 0;

	pthread_mutex_lock(&iommu->lock);
	if (mem || (device->sees_ram && iommu->ram_users == 1))
		err = set_ram(iommu, mem);
	if (!err && !!mem != device->sees_ram) {
		device->sees_ram = !!mem;
		iommu->ram_users += mem ? 1 : -1;
	}
	pthread_mutex_unlock(&iommu->lock);
	return err;
}

int iommu_device_hot_reset(struct bypass_iommu *iommu, const struct iommu_device *device,
			   const char *address)
{
	int err;

	pthread_mutex_lock(&iommu->lock);
	err = iommu->ops->hot_reset(iommu, device, address);
	pthread_mutex_unlock(&iommu->lock);
	return err;
}
