// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guest memory map: what a guest may say of addresses, and the RAM that we make.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)

static void assert_explained(const char *text)
{
	if (!strstr(bypass_error(), text))
		fail_msg("'%s' does not say '%s'", bypass_error(), text);
}

static struct bypass_memory_range range(uint64_t gpa, uint64_t size)
{
	return (struct bypass_memory_range){
		.gpa = gpa, .size = size, .hva = (void *)(0x100000000 + gpa), .fd = -1};
}

static int add(struct bypass_memory *mem, uint64_t gpa, uint64_t size)
{
	struct bypass_memory_range r = range(gpa, size);

	return bypass_memory_add(mem, &r);
}

static void test_order(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	const struct bypass_memory_range *r;
	unsigned int n;

	(void)state;
	assert_int_equal(add(mem, 8 * MIB, MIB), 0);
	assert_int_equal(add(mem, 0, MIB), 0);
	assert_int_equal(add(mem, 4 * MIB, 4 * MIB), 0);
	assert_int_equal(add(mem, MIB, PAGE), 0);
	r = bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 4);
	for (unsigned int i = 1; i < n; i++)
		assert_true(r[i].gpa >= r[i - 1].gpa + r[i - 1].size);
	assert_int_equal(bypass_memory_remove(mem, MIB), 0);
	assert_int_equal(bypass_memory_remove(mem, MIB), -ENOENT);
	assert_int_equal(bypass_memory_remove(mem, 4 * MIB + PAGE), -ENOENT);
	bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 3);
	bypass_memory_free(mem);
	bypass_memory_free(NULL);
}

static void test_overlap(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	unsigned int n;

	(void)state;
	assert_int_equal(add(mem, 4 * MIB, 4 * MIB), 0);
	assert_int_equal(add(mem, 4 * MIB, 4 * MIB), -EEXIST);
	assert_int_equal(add(mem, 0, 4 * MIB + PAGE), -EEXIST);
	assert_explained("[0x0, 0x401000)");
	assert_explained("[0x400000, 0x800000)");
	assert_int_equal(add(mem, 8 * MIB - PAGE, MIB), -EEXIST);
	assert_int_equal(add(mem, 5 * MIB, PAGE), -EEXIST);
	assert_int_equal(add(mem, 0, 16 * MIB), -EEXIST);
	bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 1);
	bypass_memory_free(mem);
}

static void test_bad_ranges(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_memory_range r = range(0, PAGE);

	(void)state;
	assert_int_equal(add(mem, 0, 0), -EINVAL);
	assert_int_equal(add(mem, 100, PAGE), -EINVAL);
	assert_int_equal(add(mem, 0, PAGE + 1), -EINVAL);
	assert_explained("multiple of the page size");
	assert_int_equal(add(mem, 0 - 2 * PAGE, 4 * PAGE), -EINVAL);
	assert_explained("over the end");
	r.hva = NULL;
	assert_int_equal(bypass_memory_add(mem, &r), -EINVAL);
	r.hva = (void *)1;
	assert_int_equal(bypass_memory_add(mem, &r), -EINVAL);
	r = range(0, PAGE);
	r.fd = 0;
	r.offset = 512;
	assert_int_equal(bypass_memory_add(mem, &r), -EINVAL);
	/* up to the very end is no wrap */
	r = range(0 - PAGE, PAGE);
	r.hva = (void *)PAGE;
	assert_int_equal(bypass_memory_add(mem, &r), 0);
	assert_non_null(bypass_memory_find(mem, UINT64_MAX, 1));
	assert_null(bypass_memory_find(mem, UINT64_MAX, 2));
	bypass_memory_free(mem);
}

static void test_find(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();

	(void)state;
	assert_null(bypass_memory_find(mem, 0, 1));
	assert_int_equal(add(mem, MIB, MIB), 0);
	assert_int_equal(add(mem, 2 * MIB, MIB), 0);
	assert_null(bypass_memory_find(mem, MIB - 1, 1));
	assert_null(bypass_memory_find(mem, MIB - 1, 2));
	assert_non_null(bypass_memory_find(mem, MIB, MIB));
	assert_null(bypass_memory_find(mem, MIB, MIB + 1));
	assert_null(bypass_memory_find(mem, 2 * MIB - 1, 2));
	assert_non_null(bypass_memory_find(mem, 3 * MIB - 1, 1));
	assert_null(bypass_memory_find(mem, 3 * MIB, 1));
	/* sums that wrap */
	assert_null(bypass_memory_find(mem, MIB, UINT64_MAX));
	assert_null(bypass_memory_find(mem, UINT64_MAX, UINT64_MAX));
	assert_null(bypass_memory_find(mem, UINT64_MAX - MIB, 3 * MIB));
	assert_ptr_equal(bypass_memory_hva(mem, MIB + 5, 1), (void *)(0x100000000 + MIB + 5));
	assert_null(bypass_memory_hva(mem, 3 * MIB, 1));
	bypass_memory_free(mem);
}

static void test_alloc_small(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	const struct bypass_memory_range *r;
	unsigned char *hva, byte = 0;
	unsigned int n;
	int fd;

	(void)state;
	assert_int_equal(bypass_memory_alloc(mem, 4 * MIB, false), 0);
	r = bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 1);
	assert_true(r->gpa == 0 && r->size == 4 * MIB && r->offset == 0 && r->fd >= 0);
	assert_int_equal((uintptr_t)r->hva % (2 * MIB), 0);
	fd = r->fd;

	/* the file is the memory, and cannot be cut off under us */
	hva = bypass_memory_hva(mem, 4 * MIB - 1, 1);
	*hva = 42;
	assert_int_equal(pread(fd, &byte, 1, 4 * MIB - 1), 1);
	assert_int_equal(byte, 42);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, GIB), -1);

	assert_int_equal(bypass_memory_alloc(mem, 4 * MIB, false), -EBUSY);
	bypass_memory_free(mem);
	assert_int_equal(pread(fd, hva, 0, 0), -1);
	assert_int_equal(errno, EBADF);
}

static void test_alloc_hole(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	const struct bypass_memory_range *r;
	unsigned int n;

	(void)state;
	assert_int_equal(bypass_memory_alloc(mem, BYPASS_MEMORY_HOLE + 2 * MIB, false), 0);
	r = bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 2);
	assert_true(r[0].gpa == 0 && r[0].size == BYPASS_MEMORY_HOLE && r[0].offset == 0);
	assert_true(r[1].gpa == BYPASS_MEMORY_HIGH && r[1].size == 2 * MIB);
	assert_true(r[1].offset == BYPASS_MEMORY_HOLE && r[1].fd == r[0].fd);
	assert_ptr_equal(r[1].hva, (char *)r[0].hva + BYPASS_MEMORY_HOLE);
	assert_null(bypass_memory_find(mem, BYPASS_MEMORY_HOLE, 1));
	assert_null(bypass_memory_find(mem, BYPASS_MEMORY_HIGH - 1, 1));
	*(char *)bypass_memory_hva(mem, BYPASS_MEMORY_HIGH, 1) = 1;
	bypass_memory_free(mem);

	/* just up to the hole: one range */
	mem = bypass_memory_new();
	assert_int_equal(bypass_memory_alloc(mem, BYPASS_MEMORY_HOLE, false), 0);
	bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 1);
	bypass_memory_free(mem);
}

static void test_alloc_refused(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	unsigned int n;

	(void)state;
	assert_int_equal(bypass_memory_alloc(mem, 0, false), -EINVAL);
	assert_int_equal(bypass_memory_alloc(mem, MIB, false), -EINVAL);
	assert_int_equal(bypass_memory_alloc(mem, 2 * MIB + 1, false), -EINVAL);
	assert_int_equal(bypass_memory_alloc(mem, 0 - 2 * MIB, false), -EINVAL);
	assert_true(bypass_memory_alloc(mem, 1ull << 60, false) < 0);
	assert_explained("MiB of memory for the guest");
	assert_true(bypass_memory_alloc(mem, 1ull << 46, true) < 0);
	assert_explained("huge pages");
	bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 0);
	/* a refusal leaves the map usable */
	assert_int_equal(bypass_memory_alloc(mem, 2 * MIB, false), 0);
	bypass_memory_free(mem);
}

/* Two pieces of one file around a hole of the VMM's own. */
static void test_ram(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_memory_range ram = {0}, high;

	(void)state;
	bypass_ram_free(&ram);
	assert_int_equal(bypass_ram_alloc(4096, false, &ram), -EINVAL);
	assert_int_equal(bypass_ram_alloc(4 << 20, false, &ram), 0);
	assert_int_equal((uintptr_t)ram.hva % (2 << 20), 0);
	assert_true(ram.gpa == 0 && ram.offset == 0 && ram.size == 4 << 20);
	assert_int_equal(ftruncate(ram.fd, 0), -1);
	high = ram;
	high.gpa = 1ull << 32;
	high.offset = high.size = 2 << 20;
	high.hva = (char *)ram.hva + high.offset;
	ram.size = 2 << 20;
	assert_int_equal(bypass_memory_add(mem, &ram), 0);
	assert_int_equal(bypass_memory_add(mem, &high), 0);
	*(char *)bypass_memory_hva(mem, 1ull << 32, 1) = 7;
	assert_int_equal(((char *)ram.hva)[2 << 20], 7);
	bypass_memory_free(mem);
	ram.size = 4 << 20;
	bypass_ram_free(&ram);
	assert_null(ram.hva);
}

/* What AMD's IOMMU leaves free, and Intel's with memory that firmware keeps for a device. */
static void test_alloc_within(void **state)
{
	static const struct bypass_iova_range amd[] = {
		{0, 0xfedfffff}, {0xfef00000, 0xfcffffffff}, {0x10000000000, UINT64_MAX}};
	static const struct bypass_iova_range intel[] = {
		{0, 0x7b7fffff}, {0x7c900000, 0xfedfffff}, {0xfef00000, 0x7fffffffff}};
	static const struct bypass_iova_range no_zero[] = {{MIB, UINT64_MAX}};
	struct bypass_memory *mem = bypass_memory_new();
	const struct bypass_memory_range *r;
	unsigned int n;

	(void)state;
	assert_int_equal(bypass_memory_alloc_within(mem, 1020 * GIB, false, amd, 3), 0);
	r = bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 3);
	assert_true(r[0].gpa == 0 && r[0].size == BYPASS_MEMORY_HOLE);
	assert_true(r[1].gpa == BYPASS_MEMORY_HIGH && r[1].gpa + r[1].size == 0xfd00000000);
	assert_true(r[2].gpa == 0x10000000000 && r[0].size + r[1].size + r[2].size == 1020 * GIB);
	assert_ptr_equal(r[2].hva, (char *)r[0].hva + r[0].size + r[1].size);
	assert_int_equal(r[2].offset, r[0].size + r[1].size);
	bypass_memory_free(mem);

	mem = bypass_memory_new();
	assert_int_equal(bypass_memory_alloc_within(mem, 4 * GIB, false, intel, 3), 0);
	r = bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 3);
	assert_true(r[0].size == 0x7b800000 && r[1].gpa == 0x7ca00000);
	assert_true(r[1].gpa + r[1].size == BYPASS_MEMORY_HOLE && r[2].gpa == BYPASS_MEMORY_HIGH);
	bypass_memory_free(mem);

	mem = bypass_memory_new();
	assert_int_equal(bypass_memory_alloc_within(mem, 512 * GIB, false, intel, 3), -ERANGE);
	assert_explained("leaves addresses for");
	assert_int_equal(bypass_memory_alloc_within(mem, 4 * MIB, false, no_zero, 1), -ERANGE);
	bypass_memory_ranges(mem, &n);
	assert_int_equal(n, 0);
	assert_int_equal(bypass_memory_alloc_within(mem, 4 * MIB, false, intel, 3), 0);
	bypass_memory_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_bad_ranges),    cmocka_unit_test(test_find),
		cmocka_unit_test(test_alloc_small),   cmocka_unit_test(test_alloc_hole),
		cmocka_unit_test(test_alloc_refused), cmocka_unit_test(test_ram),
		cmocka_unit_test(test_alloc_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
