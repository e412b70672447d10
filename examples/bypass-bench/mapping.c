// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Maps 1 GiB of resident guest memory into a slice, against the bare minimum: one
 * mlock and one KVM memory slot. The slice is a loop slice that pins what it can
 * reach, as the DMA of hardware needs it; an IOMMU's own tables are not in it.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>

#include "machine.h"
#include "mapping.h"
#include "plan.h"

#define SIZE	   (1ull << 30)
#define HUGE_PAGE  (2ull << 20)
#define ROUNDS	   7u
#define FIRST_SLOT 16
#define FIRST_GSI  32

const char *const bench_pages_names[BENCH_PAGES] = {
	[BENCH_PAGES_4K] = "4 KiB pages",
	[BENCH_PAGES_THP] = "THP",
	[BENCH_PAGES_HUGETLB] = "hugetlb",
};

struct memory {
	void *start; /* of the mapping, with room to align */
	uint64_t size;
	uint8_t *hva;
	int fd;
};

/* A number from a file of "name: number" lines; 0 when it is not there. */
static uint64_t read_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	unsigned long long value = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), ": %llu", &value) == 1)
			break;
	if (file)
		fclose(file);
	return value;
}

static const char *allocate(struct memory *memory, enum bench_pages pages)
{
	unsigned int flags = MFD_CLOEXEC |
			     (pages == BENCH_PAGES_HUGETLB ? MFD_HUGETLB | MFD_HUGE_2MB : 0);

	*memory = (struct memory){.fd = -1, .size = SIZE, .start = MAP_FAILED};
	if (read_number("/proc/meminfo", "MemAvailable") < 3 * (SIZE >> 11))
		return "less than 1.5 GiB of memory is available";
	if (pages == BENCH_PAGES_THP) {
		memory->size += HUGE_PAGE;
		memory->start = mmap(NULL, memory->size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	} else {
		memory->fd = memfd_create("bypass-bench-map", flags);
		if (memory->fd >= 0 && !ftruncate(memory->fd, SIZE))
			memory->start =
				mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	}
	if (memory->start == MAP_FAILED)
		return pages == BENCH_PAGES_HUGETLB ? "the pool has too few pages: sysctl "
						      "vm.nr_hugepages=512"
						    : strerror(errno);
	memory->hva = (uint8_t *)(((uintptr_t)memory->start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (pages != BENCH_PAGES_THP)
		memory->hva = memory->start;
	madvise(memory->hva, SIZE, pages == BENCH_PAGES_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(memory->hva, 1, SIZE);
	if (pages == BENCH_PAGES_THP &&
	    read_number("/proc/self/smaps_rollup", "AnonHugePages") < (SIZE >> 10) * 9 / 10)
		return "the kernel gave no transparent huge pages: see "
		       "/sys/kernel/mm/transparent_hugepage/enabled";
	return NULL;
}

static void release(struct memory *memory)
{
	if (memory->start != MAP_FAILED)
		munmap(memory->start, memory->size);
	if (memory->fd >= 0)
		close(memory->fd);
}

static void close_vm(int kvm, int vm)
{
	if (vm >= 0)
		close(vm);
	if (kvm >= 0)
		close(kvm);
}

static int map_bare(const struct memory *memory, double *ms)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = SIZE,
		.userspace_addr = (uint64_t)(uintptr_t)memory->hva,
	};
	int kvm, vm, ret = bench_kvm_open(&kvm, &vm);
	double begin = bench_now_ms();

	if (!ret && (mlock(memory->hva, SIZE) || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot)))
		ret = bypass_fail(errno, "1 GiB cannot be locked and given to a VM: %s",
				  strerror(errno));
	*ms = bench_now_ms() - begin;
	close_vm(kvm, vm);
	munlock(memory->hva, SIZE);
	return ret;
}

static int64_t refuse(void *opaque, const void *request, uint32_t length, void *response,
		      uint32_t room)
{
	(void)opaque, (void)request, (void)length, (void)response, (void)room;
	return -EOPNOTSUPP;
}

static int map_into_slice(const struct memory *memory, double *ms)
{
	const struct bypass_vm_config config = {
		.first_slot = FIRST_SLOT,
		.first_gsi = FIRST_GSI,
		.split_irqchip = true,
		.mmio32 = {BENCH_MMIO, BENCH_MMIO_SIZE},
	};
	const struct bypass_loop_config loop = {
		.name = "map", .entries = 1, .pin = true, .serve = refuse};
	const struct bypass_memory_range range = {
		.size = SIZE, .hva = memory->hva, .fd = memory->fd};
	struct bypass_slice *slice = NULL;
	struct bypass_vm *glue = NULL;
	int kvm, vm, ret = bench_kvm_open(&kvm, &vm);
	double begin;

	if (!ret)
		ret = bypass_vm_attach(vm, &config, &glue);
	if (!ret)
		ret = bypass_loop_open(&loop, &slice);
	if (!ret)
		ret = bypass_vm_plug(glue, slice, BENCH_DEVFN_RING, -1);
	begin = bench_now_ms();
	if (!ret)
		ret = bypass_vm_add_ram(glue, &range, true);
	*ms = bench_now_ms() - begin;
	bypass_vm_detach(glue);
	bypass_slice_close(slice);
	close_vm(kvm, vm);
	return ret;
}

void bench_mapping_run(struct bench_mapping *mapping, enum bench_pages pages)
{
	double bare[ROUNDS], slice[ROUNDS], ratio[ROUNDS];
	struct memory memory;
	const char *why_not = allocate(&memory, pages);

	for (unsigned int i = 0; !why_not && i < ROUNDS; i++) {
		if (map_bare(&memory, &bare[i]) || map_into_slice(&memory, &slice[i]))
			why_not = bypass_error();
		ratio[i] = slice[i] / bare[i];
	}
	release(&memory);
	snprintf(mapping->why_not, sizeof(mapping->why_not), "%s", why_not ? why_not : "");
	if (why_not)
		return;
	mapping->bare_ms = bench_median(bare, ROUNDS);
	mapping->slice_ms = bench_median(slice, ROUNDS);
	mapping->ratio = bench_median(ratio, ROUNDS);
}
