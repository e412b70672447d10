// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dma_space EDU EDU: the DMA address space on the real kernel, seen through the
 * DMA of two edu devices that share it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/iommu.h>
#include <bypass/memory.h>
#include <bypass/vfio.h>

#include "expect.h"

#define MIB	  (1ull << 20)
#define PAGE	  4096
#define BOTH	  (BYPASS_DMA_READ | BYPASS_DMA_WRITE)
#define INTERRUPT 0xfee00000 /* reserved on every x86 */

static const char *const limit_file = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";

/* One DMA of a page by an edu device: from memory into its buffer, or back. */
static void dma(struct bypass_vfio *edu, uint64_t iova, bool to_memory)
{
	uint64_t buffer = 0x40000, size = PAGE, command = to_memory ? 3 : 1;
	const unsigned int bar = VFIO_PCI_BAR0_REGION_INDEX;

	expect(!bypass_vfio_bus_master(edu, true));
	expect(!bypass_vfio_write(edu, bar, 0x80, to_memory ? &buffer : &iova, 8));
	expect(!bypass_vfio_write(edu, bar, 0x88, to_memory ? &iova : &buffer, 8));
	expect(!bypass_vfio_write(edu, bar, 0x90, &size, 8));
	expect(!bypass_vfio_write(edu, bar, 0x98, &command, 8));
	do {
		usleep(1000);
		expect(!bypass_vfio_read(edu, bar, 0x98, &command, 8));
	} while (command & 1);
}

/* Does a page at @from reach @to through @edu? */
static bool copies(struct bypass_vfio *edu, struct bypass_memory *mem, uint64_t from, uint64_t to)
{
	static unsigned char pattern;

	memset(bypass_memory_hva(mem, from, PAGE), ++pattern, PAGE);
	memset(bypass_memory_hva(mem, to, PAGE), 0, PAGE);
	dma(edu, from, false);
	dma(edu, to, true);
	return !memcmp(bypass_memory_hva(mem, from, PAGE), bypass_memory_hva(mem, to, PAGE), PAGE);
}

static void check_ranges(struct bypass_iommu *iommu)
{
	const struct bypass_iova_range *ranges;
	unsigned int n;

	ranges = bypass_iommu_ranges(iommu, &n);
	expect(n >= 2);
	for (unsigned int i = 0; i < n; i++) {
		expect(ranges[i].start <= ranges[i].last);
		expect(!i || ranges[i].start > ranges[i - 1].last);
		expect(ranges[i].start > INTERRUPT || ranges[i].last < INTERRUPT);
	}
}

static void check_refusals(struct bypass_iommu *iommu, void *page)
{
	const struct bypass_iova_range *ranges;
	uint64_t before = bypass_iommu_bytes(iommu);
	unsigned int n;

	expect_error(bypass_iommu_map(iommu, INTERRUPT, page, PAGE, BOTH), ERANGE, "0xfee");
	ranges = bypass_iommu_ranges(iommu, &n);
	if (ranges[n - 1].last != UINT64_MAX)
		expect_error(bypass_iommu_map(iommu, ranges[n - 1].last + 1, page, PAGE, BOTH),
			     ERANGE, "0xffffffffffffffff");
	expect_error(bypass_iommu_map(iommu, 1, page, PAGE, BOTH), EINVAL, "multiple");
	expect_error(bypass_iommu_map(iommu, 64 * MIB, page, 0, BOTH), EINVAL, "multiple");
	expect_error(bypass_iommu_map(iommu, 64 * MIB, (void *)PAGE, PAGE, BOTH), EFAULT, "0x1000");
	expect(!bypass_iommu_map(iommu, 64 * MIB, page, PAGE, BOTH));
	expect_error(bypass_iommu_map(iommu, 64 * MIB, page, PAGE, BOTH), EEXIST, "overlaps");
	expect_error(bypass_iommu_unmap(iommu, 64 * MIB, 2 * PAGE), ENOENT, "was not mapped");
	expect(!bypass_iommu_unmap(iommu, 64 * MIB, PAGE));
	expect_error(bypass_iommu_unmap(iommu, 64 * MIB, PAGE), ENOENT, "was not mapped");
	expect(bypass_iommu_bytes(iommu) == before);
}

static void write_limit(const char *value)
{
	int fd = open(limit_file, O_WRONLY);

	expect(fd >= 0 && write(fd, value, strlen(value)) > 0);
	close(fd);
}

/* With room for two mappings, the third is refused; and the guest's RAM all or nothing. */
static void check_limit(const char *address, void *page)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_iommu *iommu;
	struct bypass_vfio *edu;
	struct bypass_memory_range range = {.size = PAGE, .fd = -1, .hva = page};

	write_limit("2");
	expect(!bypass_iommu_new(&iommu));
	expect(!bypass_vfio_open(iommu, address, NULL, &edu));
	expect(!bypass_iommu_map(iommu, 16 * MIB, page, PAGE, BOTH));
	for (range.gpa = 0; range.gpa < 2 * MIB; range.gpa += MIB)
		expect(!bypass_memory_add(mem, &range));
	expect_error(bypass_vfio_set_memory(edu, mem), ENOSPC, limit_file);
	expect(bypass_iommu_bytes(iommu) == PAGE);
	expect(!bypass_memory_remove(mem, 0));
	expect(!bypass_vfio_set_memory(edu, mem));
	expect(bypass_iommu_bytes(iommu) == 2 * PAGE);
	bypass_vfio_close(edu);
	bypass_iommu_free(iommu);
	bypass_memory_free(mem);
	write_limit("65535");
}

/* What one device no longer wants, the other keeps. */
static void check_sharing(struct bypass_iommu *iommu, struct bypass_vfio *one,
			  struct bypass_vfio *two, struct bypass_memory *mem)
{
	expect(!bypass_vfio_set_memory(one, mem) && !bypass_vfio_set_memory(two, mem));
	expect(bypass_iommu_bytes(iommu) == 32 * MIB);
	expect(copies(one, mem, 0, MIB) && copies(two, mem, 16 * MIB, 2 * MIB));
	expect(!bypass_vfio_set_memory(one, NULL));
	expect(bypass_iommu_bytes(iommu) == 32 * MIB);
	expect(copies(two, mem, MIB, 31 * MIB));
	expect(!bypass_vfio_set_memory(two, NULL));
	expect(bypass_iommu_bytes(iommu) == 0);
	expect(!copies(two, mem, 0, MIB));
}

int main(int argc, char **argv)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_vfio *one, *two;
	struct bypass_iommu *iommu;
	unsigned int n;
	void *page;

	expect(argc == 3);
	expect(mem && !bypass_memory_alloc(mem, 32 * MIB, false));
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(page != MAP_FAILED);
	expect(!bypass_iommu_new(&iommu));
	expect(!bypass_iommu_ranges(iommu, &n));

	/* Mapped before any device is there: in force when the first one comes. */
	expect(!bypass_iommu_set_memory(iommu, mem));
	expect(!bypass_vfio_open(iommu, argv[1], NULL, &one));
	expect(copies(one, mem, 0, 31 * MIB));
	expect(!bypass_iommu_set_memory(iommu, NULL));
	check_ranges(iommu);
	check_refusals(iommu, page);

	expect(!bypass_vfio_open(iommu, argv[2], NULL, &two));
	check_ranges(iommu);
	check_sharing(iommu, one, two, mem);

	/* All devices go, and one comes back: the mappings with it. */
	expect(!bypass_iommu_set_memory(iommu, mem));
	bypass_vfio_close(one);
	expect(copies(two, mem, 0, MIB));
	bypass_vfio_close(two);
	expect(!bypass_iommu_ranges(iommu, &n) && bypass_iommu_bytes(iommu) == 32 * MIB);
	expect(!bypass_vfio_open(iommu, argv[2], NULL, &two));
	expect(copies(two, mem, 0, MIB));
	bypass_vfio_close(two);

	/* What a device cannot have is found when it joins. */
	expect(!bypass_iommu_map(iommu, INTERRUPT, page, PAGE, BOTH));
	expect_error(bypass_vfio_open(iommu, argv[1], NULL, &one), ERANGE, "0xfee");
	expect(!bypass_iommu_unmap(iommu, INTERRUPT, PAGE));
	expect(!bypass_vfio_open(iommu, argv[1], NULL, &one));
	bypass_vfio_close(one);
	bypass_iommu_free(iommu);

	check_limit(argv[1], page);
	bypass_memory_free(mem);
	return 0;
}
