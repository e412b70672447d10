// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Registrations of guest memory: what the HCA finds under the addresses that it is given,
 * and lists of runs that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <linux/memfd.h>

#include <cmocka.h>

#include <bypass/log.h>

#include "../mock_mlx5.h"
#include "../rdma_guest.h"

#define OPTIONS "mock0,trust-guest,mrs=3,pinned=1M,shm=64K"
#define LARGE	"mock0,trust-guest,mrs=3,pinned=16M,shm=64K"
#define HIGH	(16ull << 20) /* where a second range of RAM may lie */

struct test {
	struct rdma_guest g;
	uint32_t pd;
};

static void open_slice(struct test *t, const char *options)
{
	struct bypass_virtio_device *dev = mock_open(options);

	assert_non_null(dev);
	rdma_guest_start(&t->g, dev);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
}

static int set_up_with(void **state, const char *options)
{
	struct test *t = calloc(1, sizeof(*t));

	guest_init(&t->g.guest, 4 << 20);
	open_slice(t, options);
	*state = t;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, OPTIONS);
}

static int set_up_large(void **state)
{
	return set_up_with(state, LARGE);
}

/* An HCA whose driver takes dma-bufs. */
static int set_up_mlx5(void **state)
{
	mock.driver = &mock_mlx5_driver;
	memset(&mock_mlx5, 0, sizeof(mock_mlx5));
	return set_up_with(state, "mock0,mrs=3,pinned=16M,shm=64K");
}

#define HUGE	   (2ull << 20)
#define OVERCOMMIT "/proc/sys/vm/nr_overcommit_hugepages"

static char *huge_pool_was;

static void write_pool(const char *value)
{
	FILE *f = fopen(OVERCOMMIT, "we");

	if (f) {
		fputs(value, f);
		fclose(f);
	}
}

/* Let the kernel make huge pages when they are asked for; where that is allowed. */
static void fill_pool(void)
{
	static char was[32];
	FILE *f = fopen(OVERCOMMIT, "re");

	if (f && fgets(was, sizeof(was), f)) {
		huge_pool_was = was;
		write_pool("64");
	}
	if (f)
		fclose(f);
}

static void restore_pool(void)
{
	if (huge_pool_was)
		write_pool(huge_pool_was);
}

static int tear_down(void **state)
{
	struct test *t = *state;

	rdma_guest_stop(&t->g);
	free(t);
	mock.driver = NULL;
	restore_pool();
	assert_int_equal(mock_objects(), 0);
	return 0;
}

static uint64_t sum(uint64_t so_far, const char *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		so_far = so_far * 31 + (uint8_t)bytes[i];
	return so_far;
}

static uint32_t reg(struct test *t, uint64_t iova, uint64_t length, const uint64_t *pages,
		    uint32_t n, struct bypass_rdma_mr *mr)
{
	return rdma_guest_register(&t->g, t->pd, IB_UVERBS_ACCESS_LOCAL_WRITE, iova, length, pages,
				   n, mr);
}

static void test_layout(void **state)
{
	struct test *t = *state;
	const uint64_t iova = 0x7fff12345678, length = 2 * GUEST_PAGE;
	uint64_t base = guest_alloc(&t->g.guest, 8 * GUEST_PAGE), sum = 0;
	const uint64_t pages[] = {base + 5 * GUEST_PAGE, base, base + 3 * GUEST_PAGE};
	struct bypass_rdma_mr mr;

	for (uint64_t i = 0; i < 8 * GUEST_PAGE; i++)
		t->g.guest.ram[base + i] = rand();
	for (uint64_t i = 0; i < length; i++) {
		uint64_t at = iova % GUEST_PAGE + i;

		sum = sum * 31 + (uint8_t)t->g.guest.ram[pages[at / GUEST_PAGE] + at % GUEST_PAGE];
	}
	mock.reg_look = true;
	assert_int_equal(reg(t, iova, length, pages, 3, &mr), 0);
	mock.reg_look = false;
	/* What the HCA finds at the span is the guest's buffer, in the guest's order. */
	assert_int_equal(mock.reg_sum, sum);
	assert_int_equal(mock.reg_iova, iova);
	assert_int_equal(mock.reg_length, length);
	assert_int_equal((mock.reg_start ^ iova) % (2 << 20), 0);
	assert_int_equal(mr.rkey, 0x200);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 3 * GUEST_PAGE);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEREG_MR, mr.handle), 0);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 0);
}

static void test_one_run(void **state)
{
	struct test *t = *state;
	uint64_t base = guest_alloc(&t->g.guest, 2 * GUEST_PAGE);
	const uint64_t pages[] = {base, base + GUEST_PAGE};
	struct bypass_rdma_mr mr;

	/* Neighbours merge, and one run is registered where it lies. */
	assert_int_equal(reg(t, 0x1000, 2 * GUEST_PAGE, pages, 2, &mr), 0);
	assert_ptr_equal(mock.reg_start, t->g.guest.ram + base);
}

static void test_bad_runs(void **state)
{
	struct test *t = *state;
	uint64_t base = guest_alloc(&t->g.guest, 2 * GUEST_PAGE);
	const uint64_t good[] = {base, base + GUEST_PAGE}, odd[] = {base + 512},
		       outside[] = {t->g.guest.size}, wild[] = {-GUEST_PAGE};
	static uint64_t many[257];
	struct bypass_rdma_mr mr;

	assert_int_equal(reg(t, 0, GUEST_PAGE, odd, 1, &mr), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(reg(t, 0, GUEST_PAGE, outside, 1, &mr), BYPASS_RDMA_E_FAULT);
	assert_int_equal(reg(t, 0, GUEST_PAGE, wild, 1, &mr), BYPASS_RDMA_E_FAULT);
	assert_int_equal(reg(t, 0, GUEST_PAGE, good, 2, &mr), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(reg(t, 0, 2 * GUEST_PAGE, good, 1, &mr), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(reg(t, 1, 2 * GUEST_PAGE, good, 2, &mr), BYPASS_RDMA_E_MALFORMED);
	assert_int_equal(reg(t, 0, 0, good, 1, &mr), BYPASS_RDMA_E_INVALID);
	assert_int_equal(reg(t, -1ull, GUEST_PAGE, good, 2, &mr), BYPASS_RDMA_E_INVALID);
	assert_int_equal(reg(t, 0, -1ull, good, 2, &mr), BYPASS_RDMA_E_INVALID);
	assert_int_equal(reg(t, 100, -50ull, good, 2, &mr), BYPASS_RDMA_E_INVALID);
	for (int i = 0; i < 257; i++)
		many[i] = base;
	assert_int_equal(reg(t, 0, 257 * GUEST_PAGE, many, 257, &mr), BYPASS_RDMA_E_QUOTA);
	assert_int_equal(reg(t, 0, 256 * GUEST_PAGE, many, 256, &mr), 0);
	assert_int_equal(reg(t, 0, GUEST_PAGE, good, 1, &mr), BYPASS_RDMA_E_QUOTA);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 1 << 20);
	assert_int_equal(
		rdma_guest_register(&t->g, t->pd, IB_UVERBS_ACCESS_ON_DEMAND, 0, 1, good, 1, &mr),
		BYPASS_RDMA_E_UNSUPPORTED);
}

static void test_rereg(void **state)
{
	struct test *t = *state;
	uint64_t base = guest_alloc(&t->g.guest, GUEST_PAGE);
	struct bypass_rdma_mr mr;
	struct bypass_rdma_rereg_mr body = {.flags = BYPASS_RDMA_REREG_ACCESS};
	const struct rdma_guest_call call = {.command = BYPASS_RDMA_REREG_MR,
					     .body = &body,
					     .body_size = sizeof(body),
					     .reply = &mr,
					     .reply_size = sizeof(mr)};

	assert_int_equal(reg(t, 0, GUEST_PAGE, &base, 1, &mr), 0);
	body.handle = mr.handle;
	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	body.flags = 8;
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_UNSUPPORTED);
	body.flags = BYPASS_RDMA_REREG_PD;
	body.reg.pd = 99;
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_HANDLE);
	body.flags = BYPASS_RDMA_REREG_TRANS;
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_INVALID);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, GUEST_PAGE);
}

static void test_all_ram_not_granted(void **state)
{
	struct test *t = *state;
	const struct bypass_rdma_reg_mr body = {.pd = t->pd, .flags = BYPASS_RDMA_MR_ALL_RAM};
	struct bypass_rdma_mr mr;

	assert_int_equal(RDMA_GUEST_CALL(&t->g, REG_MR, &body, &mr), BYPASS_RDMA_E_PERMISSION);
}

/* A second range of RAM; with @fd -1 it is not a file. */
static char *add_ram(struct test *t, uint64_t gpa, bool file)
{
	struct bypass_memory_range range = {.gpa = gpa, .size = 1 << 20, .fd = -1};
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (file) {
		range.fd = memfd_create("more", MFD_CLOEXEC);
		assert_int_equal(ftruncate(range.fd, 2 << 20), 0);
		range.offset = 1 << 20;
		flags = MAP_SHARED;
	}
	range.hva = mmap(NULL, range.size, PROT_READ | PROT_WRITE, flags, range.fd, range.offset);
	assert_ptr_not_equal(range.hva, MAP_FAILED);
	memset(range.hva, 7, range.size);
	assert_int_equal(bypass_memory_add(t->g.guest.mem, &range), 0);
	if (t->g.dev && file)
		assert_int_equal(t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem), 0);
	return range.hva;
}

/* A run goes on where another range of RAM begins, in another file. */
static void test_two_ranges(void **state)
{
	struct test *t = *state;
	const uint64_t last = t->g.guest.size - GUEST_PAGE;
	char *more = add_ram(t, t->g.guest.size, true);
	const uint64_t pages[] = {last, last + GUEST_PAGE};
	struct bypass_rdma_mr mr;
	uint64_t want;

	memset(t->g.guest.ram + last, 5, GUEST_PAGE);
	want = sum(sum(0, t->g.guest.ram + last, GUEST_PAGE), more, GUEST_PAGE);
	mock.reg_look = true;
	assert_int_equal(reg(t, 0, 2 * GUEST_PAGE, pages, 2, &mr), 0);
	mock.reg_look = false;
	assert_int_equal(mock.reg_sum, want);
	munmap(more, 1 << 20);
}

static void test_not_a_file(void **state)
{
	struct test *t = *state;
	char *more = add_ram(t, HIGH, false);
	const uint64_t one[] = {HIGH}, apart[] = {0, 2 * GUEST_PAGE};
	struct bypass_rdma_mr mr;

	/* The VMM is told, and the former map holds. */
	assert_int_equal(t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem), -EINVAL);
	assert_non_null(strstr(bypass_error(), "memfd"));
	assert_int_not_equal(reg(t, 0, GUEST_PAGE, one, 1, &mr), 0);
	assert_int_equal(reg(t, 0, 2 * GUEST_PAGE, apart, 2, &mr), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEREG_MR, mr.handle), 0);
	munmap(more, 1 << 20);
}

static void test_all_ram(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	const struct bypass_rdma_reg_mr wrong = {.flags = BYPASS_RDMA_MR_ALL_RAM, .length = 1};
	struct bypass_rdma_reg_mr body = {.flags = BYPASS_RDMA_MR_ALL_RAM};
	struct bypass_rdma_mr mr;
	char *more;

	(void)state;
	guest_init(&t->g.guest, 4 << 20);
	more = add_ram(t, HIGH, true);
	open_slice(t, "mock0,trust-guest,all-ram,shm=64K");
	assert_int_equal(RDMA_GUEST_CALL(&t->g, REG_MR, &wrong, &mr), BYPASS_RDMA_E_MALFORMED);
	body.pd = t->pd;
	t->g.guest.ram[3 << 20] = 0x5a;
	mock.probe_at[0] = 3 << 20;
	mock.probe_at[1] = 9 << 20; /* no RAM */
	mock.probe_at[2] = HIGH + 100;
	mock.reg_look = true;
	assert_int_equal(RDMA_GUEST_CALL(&t->g, REG_MR, &body, &mr), 0);
	mock.reg_look = false;
	memset(mock.probe_at, 0, sizeof(mock.probe_at));
	assert_memory_equal(mock.probe, "\x5a\0\7", 3);
	assert_int_equal(mock.reg_iova, 0);
	assert_int_equal(mock.reg_length, HIGH + (1 << 20));
	munmap(more, 1 << 20);
	rdma_guest_stop(&t->g);
	free(t);
}

static char remark[512];

static void keep_remark(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)opaque;
	if (level == BYPASS_LOG_WARN)
		snprintf(remark, sizeof(remark), "%s", text);
}

/* A guest with all-ram may do without registrations, so such RAM is taken, with a warning. */
static void test_all_ram_without_file(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	char *more;

	(void)state;
	guest_init(&t->g.guest, 4 << 20);
	open_slice(t, "mock0,trust-guest,all-ram,shm=64K");
	more = add_ram(t, HIGH, false);
	bypass_log_set(keep_remark, NULL);
	assert_int_equal(t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem), 0);
	bypass_log_set(NULL, NULL);
	assert_non_null(strstr(remark, "cannot register scattered buffers"));
	munmap(more, 1 << 20);
	rdma_guest_stop(&t->g);
	free(t);
}

/* RAM at HIGH of huge pages, each with bytes of its own; skips the test where there are none. */
static char *add_huge_ram(struct test *t, uint64_t size)
{
	struct bypass_memory_range range = {.gpa = HIGH, .size = size};

	fill_pool();
	range.fd = memfd_create("huge-ram", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (range.fd < 0 || ftruncate(range.fd, size) ||
	    (range.hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, range.fd, 0)) ==
		    MAP_FAILED)
		skip();
	for (uint64_t i = 0; i < size; i += 8)
		*(uint64_t *)((char *)range.hva + i) = i * 0x9e3779b97f4a7c15;
	assert_int_equal(bypass_memory_add(t->g.guest.mem, &range), 0);
	assert_int_equal(t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem), 0);
	return range.hva;
}

static void remove_huge_ram(struct test *t, void *hva, uint64_t size)
{
	int fd = bypass_memory_find(t->g.guest.mem, HIGH, 1)->fd;

	assert_int_equal(bypass_memory_remove(t->g.guest.mem, HIGH), 0);
	assert_int_equal(t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem), 0);
	munmap(hva, size);
	close(fd);
}

/* How often the file of that RAM is mapped. */
static unsigned int huge_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, "huge-ram");
	fclose(f);
	return n;
}

static void *register_page(void *opaque)
{
	struct test *t = opaque;
	const uint64_t page = guest_alloc(&t->g.guest, GUEST_PAGE);
	struct bypass_rdma_mr mr;

	return (void *)(uintptr_t)reg(t, 0, GUEST_PAGE, &page, 1, &mr);
}

static _Atomic bool map_is_set;
static _Atomic pid_t setter;

static void *set_map(void *opaque)
{
	struct test *t = opaque;
	int err;

	atomic_store(&setter, gettid());
	err = t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem);
	map_is_set = true;
	return (void *)(intptr_t)err;
}

/* The thread that sets the map waits for the lock. */
static bool setter_sleeps(void)
{
	char path[64], name[32], state = '?';
	FILE *f;

	if (!atomic_load(&setter))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&setter));
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%31[^)]) %c", name, &state), 2);
	fclose(f);
	return state == 'S';
}

/*
 * While the driver pins memory, and the VMM waits to change its map, the doorbells of others
 * work. The map itself changes only after that.
 */
static void test_long_registration(void **state)
{
	struct test *t = *state;
	uint32_t *awake = (uint32_t *)(t->g.guest.ram + t->g.doorbell);
	pthread_t registers, sets;
	void *result;

	assert_int_equal(rdma_guest_set_doorbell(&t->g), 0);
	mock.reg_stays = 1;
	map_is_set = false;
	assert_int_equal(pthread_create(&registers, NULL, register_page, t), 0);
	assert_true(guest_await(mock.reg_stays == 2));
	assert_int_equal(pthread_create(&sets, NULL, set_map, t), 0);
	assert_true(guest_await(setter_sleeps()));
	for (int i = 0; i < 3; i++) {
		uint64_t *word = (uint64_t *)((char *)awake + BYPASS_RDMA_SEND_OFFSET);

		rdma_guest_post_send(&t->g, 0);
		assert_true(guest_await(!__atomic_load_n(word, __ATOMIC_SEQ_CST)));
	}
	assert_false(map_is_set);
	mock.reg_stays = 0;
	pthread_join(registers, &result);
	assert_ptr_equal(result, NULL);
	pthread_join(sets, &result);
	assert_ptr_equal(result, NULL);
}

/* A run of guest memory; @pages has room for its pages. */
static uint32_t list_run(uint64_t *pages, uint64_t gpa, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += GUEST_PAGE)
		*pages++ = gpa + at;
	return size / GUEST_PAGE;
}

/* A buffer that begins and ends within huge pages, at any address of the guest. */
static void test_huge_pages(void **state)
{
	struct test *t = *state;
	char *ram = add_huge_ram(t, 5 * HUGE);
	static uint64_t pages[2048];
	const struct {
		uint64_t iova, first, whole, last; /* bytes of the runs */
	} cases[] = {
		/* What once covered the memory behind its span. */
		{0x7f0000000000, 0, HUGE, GUEST_PAGE},
		{0x7f0000123000, 0, HUGE, GUEST_PAGE},
		{0x7f0000123000, 5 * GUEST_PAGE, HUGE, 7 * GUEST_PAGE},
		{0, HUGE - GUEST_PAGE, HUGE, HUGE},
		{0x1000, GUEST_PAGE, 0, HUGE - GUEST_PAGE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t length = cases[i].first + cases[i].whole + cases[i].last, want;
		struct bypass_rdma_mr mr;
		uint32_t n;

		/* The end of the first huge page, the fourth, the beginning of the third. */
		n = list_run(pages, HIGH + HUGE - cases[i].first, cases[i].first);
		n += list_run(pages + n, HIGH + 3 * HUGE, cases[i].whole);
		n += list_run(pages + n, HIGH + 2 * HUGE, cases[i].last);
		want = sum(0, ram + HUGE - cases[i].first, cases[i].first);
		want = sum(want, ram + 3 * HUGE, cases[i].whole);
		want = sum(want, ram + 2 * HUGE, cases[i].last);
		mock.reg_look = true;
		assert_int_equal(reg(t, cases[i].iova, length, pages, n, &mr), 0);
		mock.reg_look = false;
		assert_int_equal(mock.reg_sum, want);
		assert_int_equal(huge_mappings(), 1);
		assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEREG_MR, mr.handle), 0);
	}
	remove_huge_ram(t, ram, 5 * HUGE);
}

/* What cannot lie side by side: a huge page of the host's is mapped whole or not at all. */
static void test_scattered_huge_pages(void **state)
{
	struct test *t = *state;
	uint64_t small = guest_alloc(&t->g.guest, GUEST_PAGE);
	char *ram = add_huge_ram(t, 5 * HUGE);
	const uint64_t cases[][3] = {
		{HIGH, HIGH + 2 * GUEST_PAGE, HIGH + 4 * GUEST_PAGE},
		{HIGH + HUGE - GUEST_PAGE, HIGH + 2 * HUGE, HIGH + 4 * HUGE},
		{HIGH + HUGE, HIGH + 2 * HUGE, HIGH + 3 * HUGE},
		{HIGH, small, HIGH + GUEST_PAGE},
		{small, HIGH + GUEST_PAGE, small},
		{HIGH + HUGE - GUEST_PAGE, HIGH + 2 * HUGE, small},
	};
	struct bypass_rdma_mr mr;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(reg(t, 0x7f0000000000, 3 * GUEST_PAGE, cases[i], 3, &mr),
				 BYPASS_RDMA_E_INVALID);
		assert_int_equal(huge_mappings(), 1);
	}
	remove_huge_ram(t, ram, 5 * HUGE);
}

/* The same where the driver takes dma-bufs: the runs become one. */
static void test_gathered(void **state)
{
	struct test *t = *state;
	char *ram = add_huge_ram(t, 2 * HUGE);
	const uint64_t pages[] = {HIGH + 5 * GUEST_PAGE, HIGH, HIGH + HUGE};
	struct bypass_rdma_rereg_mr body = {.flags = BYPASS_RDMA_REREG_ACCESS};
	const struct rdma_guest_call call = {
		.command = BYPASS_RDMA_REREG_MR, .body = &body, .body_size = sizeof(body)};
	struct bypass_rdma_mr mr;
	uint64_t want = 0;

	for (int i = 0; i < 3; i++)
		want = sum(want, ram + (pages[i] - HIGH), GUEST_PAGE);
	assert_int_equal(reg(t, 0x7f0000000800, 2 * GUEST_PAGE, pages, 3, &mr), 0);
	assert_int_equal(mock_mlx5.runs, 3);
	assert_int_equal(mock_mlx5.gathered, want);
	assert_int_equal(mock_mlx5.offset, 0x800);
	assert_int_equal(mock_mlx5.length, 2 * GUEST_PAGE);
	assert_int_equal(mock_mlx5.iova, 0x7f0000000800);
	assert_int_equal(mock_mlx5.access, IB_UVERBS_ACCESS_LOCAL_WRITE);
	assert_int_equal(mr.rkey, 0x200);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 3 * GUEST_PAGE);
	body.handle = mr.handle;
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEREG_MR, mr.handle), 0);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 0);

	mock_mlx5.gather_fails = EINVAL;
	assert_int_equal(reg(t, 0x7f0000000800, 2 * GUEST_PAGE, pages, 3, &mr),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(huge_mappings(), 1);
	remove_huge_ram(t, ram, 2 * HUGE);
}

/* More runs than udmabuf takes. */
static void test_gathered_too_many(void **state)
{
	struct test *t = *state;
	char *ram = add_huge_ram(t, 5 * HUGE);
	static uint64_t pages[1025];
	struct bypass_rdma_mr mr;

	for (unsigned int i = 0; i < 1025; i++)
		pages[i] = HIGH + i * 2ull * GUEST_PAGE;
	assert_int_equal(reg(t, 0x7f0000000000, 1025 * GUEST_PAGE, pages, 1025, &mr),
			 BYPASS_RDMA_E_TOO_BIG);
	assert_int_equal(reg(t, 0x7f0000000000, 1024 * GUEST_PAGE, pages, 1024, &mr), 0);
	assert_int_equal(mock_mlx5.runs, 1024);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEREG_MR, mr.handle), 0);
	remove_huge_ram(t, ram, 5 * HUGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_layout),
		TEST(test_one_run),
		TEST(test_bad_runs),
		TEST(test_rereg),
		TEST(test_two_ranges),
		TEST(test_not_a_file),
		TEST(test_all_ram_not_granted),
		cmocka_unit_test_setup_teardown(test_huge_pages, set_up_large, tear_down),
		TEST(test_scattered_huge_pages),
		cmocka_unit_test_setup_teardown(test_gathered, set_up_mlx5, tear_down),
		cmocka_unit_test_setup_teardown(test_gathered_too_many, set_up_mlx5, tear_down),
		TEST(test_long_registration),
		cmocka_unit_test(test_all_ram),
		cmocka_unit_test(test_all_ram_without_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
