// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guest memory map: a short array of ranges, sorted by address, and the
 * sealed memfd behind the RAM that we make ourselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "mapping.h"

#define MIB	   (1ull << 20)
#define HUGE_SIZE  (2 * MIB)
#define SHARED_THP "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGE_POOL  "/sys/kernel/mm/hugepages/hugepages-2048kB/"

struct bypass_memory {
	struct bypass_memory_range *ranges;
	unsigned int count;
	struct bypass_memory_range ram; /* what bypass_memory_alloc() made; hva NULL: nothing */
};

struct bypass_memory *bypass_memory_new(void)
{
	struct bypass_memory *mem = calloc(1, sizeof(*mem));

	if (!mem) {
		bypass_fail(ENOMEM, "no memory for a guest memory map");
		return NULL;
	}
	return mem;
}

void bypass_memory_free(struct bypass_memory *mem)
{
	if (!mem)
		return;
	bypass_ram_free(&mem->ram);
	free(mem->ranges);
	free(mem);
}

static int range_check(const struct bypass_memory_range *r)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (!r->size || !r->hva)
		return bypass_fail(EINVAL, "guest RAM at GPA 0x%llx has no %s",
				   (unsigned long long)r->gpa, r->size ? "address here" : "size");
	if ((r->gpa | r->size | (uintptr_t)r->hva | (r->fd >= 0 ? r->offset : 0)) % page)
		return bypass_fail(EINVAL,
				   "guest RAM at GPA 0x%llx, 0x%llx bytes at %p (file offset "
				   "0x%llx): each must be a multiple of the page size, %llu",
				   (unsigned long long)r->gpa, (unsigned long long)r->size, r->hva,
				   (unsigned long long)r->offset, (unsigned long long)page);
	if (r->gpa + (r->size - 1) < r->gpa || r->offset + r->size < r->offset ||
	    (uintptr_t)r->hva + (r->size - 1) < (uintptr_t)r->hva)
		return bypass_fail(EINVAL,
				   "guest RAM at GPA 0x%llx, 0x%llx bytes, runs over the end of "
				   "the address space",
				   (unsigned long long)r->gpa, (unsigned long long)r->size);
	return 0;
}

int bypass_memory_add(struct bypass_memory *mem, const struct bypass_memory_range *range)
{
	struct bypass_memory_range *r;
	unsigned int at;
	int err;

	err = range_check(range);
	if (err)
		return err;
	for (at = 0; at < mem->count && mem->ranges[at].gpa <= range->gpa; at++)
		;
	/* Only the neighbours can overlap: the one before and the one after. */
	r = NULL;
	if (at > 0 && range->gpa - mem->ranges[at - 1].gpa < mem->ranges[at - 1].size)
		r = &mem->ranges[at - 1];
	else if (at < mem->count && mem->ranges[at].gpa - range->gpa < range->size)
		r = &mem->ranges[at];
	if (r)
		return bypass_fail(EEXIST,
				   "guest RAM [0x%llx, 0x%llx) overlaps [0x%llx, 0x%llx), which is "
				   "in the map already",
				   (unsigned long long)range->gpa,
				   (unsigned long long)(range->gpa + range->size),
				   (unsigned long long)r->gpa,
				   (unsigned long long)(r->gpa + r->size));

	r = reallocarray(mem->ranges, mem->count + 1, sizeof(*r));
	if (!r)
		return bypass_fail(ENOMEM, "no memory for a longer guest memory map");
	memmove(r + at + 1, r + at, (mem->count - at) * sizeof(*r));
	r[at] = *range;
	mem->ranges = r;
	mem->count++;
	return 0;
}

int bypass_memory_remove(struct bypass_memory *mem, uint64_t gpa)
{
	struct bypass_memory_range *r = mem->ranges;

	for (unsigned int i = 0; i < mem->count; i++) {
		if (r[i].gpa != gpa)
			continue;
		mem->count--;
		memmove(r + i, r + i + 1, (mem->count - i) * sizeof(*r));
		return 0;
	}
	return bypass_fail(ENOENT, "no range of guest RAM begins at GPA 0x%llx",
			   (unsigned long long)gpa);
}

const struct bypass_memory_range *bypass_memory_ranges(const struct bypass_memory *mem,
						       unsigned int *count)
{
	*count = mem->count;
	return mem->ranges;
}

const struct bypass_memory_range *bypass_memory_find(const struct bypass_memory *mem, uint64_t gpa,
						     uint64_t size)
{
	unsigned int low = 0, high = mem->count;
	const struct bypass_memory_range *r;

	/* A guest behind an emulated IOMMU has thousands of ranges. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (mem->ranges[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	r = &mem->ranges[low - 1];
	/* Differences, not sums: a guest may say any gpa and size, and no sum may wrap. */
	if (gpa - r->gpa >= r->size || size > r->size - (gpa - r->gpa))
		return NULL;
	return r;
}

void *bypass_memory_hva(const struct bypass_memory *mem, uint64_t gpa, uint64_t size)
{
	const struct bypass_memory_range *r = bypass_memory_find(mem, gpa, size);

	return r ? (char *)r->hva + (gpa - r->gpa) : NULL;
}

/* A number of the kernel's pool of 2 MiB pages; 0 when the kernel has no such pool. */
static unsigned long long pool(const char *attribute)
{
	unsigned long long value = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), HUGE_POOL "%s", attribute);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

static int fail_ram(int err, uint64_t size, bool hugepages)
{
	unsigned long long need = size / HUGE_SIZE, free, all;

	if (!hugepages)
		return bypass_fail(err,
				   "no %llu MiB of memory for the guest: %s. Give it less, or see "
				   "what takes the host's memory with 'free -m'",
				   (unsigned long long)(size / MIB), strerror(err));
	if (access(HUGE_POOL, F_OK))
		return bypass_fail(err,
				   "this kernel has no 2 MiB huge pages (%s is missing): run the "
				   "guest without huge pages",
				   HUGE_POOL);
	free = pool("free_hugepages");
	free -= pool("resv_hugepages");
	all = pool("nr_hugepages");
	if (err != ENOMEM || free >= need)
		return bypass_fail(err, "cannot take %llu huge pages of 2 MiB for the guest: %s",
				   need, strerror(err));
	return bypass_fail(err,
			   "the guest needs %llu huge pages of 2 MiB, and %llu of the pool's %llu "
			   "are free: %llu are missing. Get them with 'echo %llu > " HUGE_POOL
			   "nr_hugepages' as root, or run the guest without huge pages",
			   need, free, all, need - free, all + need - free);
}

/* KVM and the IOMMU map 2 MiB at a time when the kernel finds such pages. */
static void advise_huge(void *ram, uint64_t size)
{
	char policy[128] = "";
	FILE *f = fopen(SHARED_THP, "re");

	if (f && !fgets(policy, sizeof(policy), f))
		policy[0] = '\0';
	if (f)
		fclose(f);
	if (madvise(ram, size, MADV_HUGEPAGE) || strstr(policy, "[never]") ||
	    strstr(policy, "[deny]"))
		bypass_log(BYPASS_LOG_INFO, "guest RAM gets no huge pages by itself: 'echo advise "
					    "> " SHARED_THP "' allows them");
}

int bypass_ram_alloc(uint64_t size, bool hugepages, struct bypass_memory_range *range)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	void *ram;
	int fd, err;

	if (!size || size % HUGE_SIZE || size > INT64_MAX)
		return bypass_fail(EINVAL,
				   "a guest cannot have %llu bytes of RAM: it must be a multiple "
				   "of 2 MiB, and not 0",
				   (unsigned long long)size);
	fd = memfd_create("guest-ram", flags | (hugepages ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	if (fd < 0)
		return fail_ram(errno, size, hugepages);
	/*
	 * Whoever else gets the descriptor (a vhost-user peer, say) must not shrink
	 * the file: our next access would be SIGBUS.
	 */
	if (ftruncate(fd, size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err = fail_ram(errno, size, hugepages);
		goto close;
	}
	err = mapping_aligned(fd, 0, size, PROT_READ | PROT_WRITE, HUGE_SIZE, 0, &ram);
	if (err) {
		err = fail_ram(-err, size, hugepages);
		goto close;
	}
	if (!hugepages)
		advise_huge(ram, size);
	*range = (struct bypass_memory_range){.size = size, .hva = ram, .fd = fd};
	return 0;
close:
	close(fd);
	return err;
}

void bypass_ram_free(struct bypass_memory_range *range)
{
	if (!range->hva)
		return;
	munmap(range->hva, range->size);
	close(range->fd);
	range->hva = NULL;
	range->fd = -1;
}

/* A piece of the RAM that we made, from @offset on. */
static int piece_add(struct bypass_memory *mem, uint64_t gpa, uint64_t size, uint64_t offset)
{
	struct bypass_memory_range range = {
		.gpa = gpa,
		.size = size,
		.hva = (char *)mem->ram.hva + offset,
		.fd = mem->ram.fd,
		.offset = offset,
	};

	return bypass_memory_add(mem, &range);
}

/*
 * Lays @size bytes out from address 0 up: only in @free, not in the hole below 4 GiB, and in
 * whole huge pages.
 */
static int ram_place(struct bypass_memory *mem, uint64_t size, const struct bypass_iova_range *free,
		     unsigned int n_free)
{
	static const struct bypass_iova_range pc[] = {{0, BYPASS_MEMORY_HOLE - 1},
						      {BYPASS_MEMORY_HIGH, INT64_MAX}};
	uint64_t placed = 0, start, end;
	int err = 0;

	for (unsigned int i = 0; i < 2 * n_free && !err && placed < size; i++) {
		const struct bypass_iova_range *zone = &pc[i / n_free], *r = &free[i % n_free];

		start = zone->start > r->start ? zone->start : r->start;
		start = (start + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
		end = zone->last < r->last ? zone->last : r->last;
		end = (end + 1) & ~(HUGE_SIZE - 1);
		if (start >= end)
			continue;
		if (!placed && start)
			break;
		if (end - start > size - placed)
			end = start + (size - placed);
		err = piece_add(mem, start, end - start, placed);
		placed += end - start;
	}
	if (!err && placed < size)
		return bypass_fail(ERANGE,
				   "a guest with a device cannot have %llu MiB of RAM here: the "
				   "platform's IOMMU leaves addresses for %llu MiB. Give the guest "
				   "less",
				   (unsigned long long)(size / MIB),
				   (unsigned long long)(placed / MIB));
	return err;
}

int bypass_memory_alloc_within(struct bypass_memory *mem, uint64_t size, bool hugepages,
			       const struct bypass_iova_range *free, unsigned int n_free)
{
	static const struct bypass_iova_range all = {0, UINT64_MAX};
	int err;

	if (mem->count || mem->ram.hva)
		return bypass_fail(EBUSY, "guest RAM was asked for, but the map is not empty");

	err = bypass_ram_alloc(size, hugepages, &mem->ram);
	if (err)
		return err;
	err = ram_place(mem, size, n_free ? free : &all, n_free ? n_free : 1);
	if (err) {
		mem->count = 0;
		bypass_ram_free(&mem->ram);
	}
	return err;
}

int bypass_memory_alloc(struct bypass_memory *mem, uint64_t size, bool hugepages)
{
	return bypass_memory_alloc_within(mem, size, hugepages, NULL, 0);
}
