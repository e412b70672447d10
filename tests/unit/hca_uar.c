// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model's UAR pages in shared memory: doorbells that overwrite each other lose nothing, and
 * how long the model sleeps between two looks at the pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hca_device.h"

#define QPS 3

static struct subnet subnet;
static struct guest one, two;
static struct guest_qp left[QPS], right[QPS];

static int setup(void **state)
{
	(void)state;
	shared_pages = true;
	memset(&subnet, 0, sizeof(subnet));
	guest_open(&one, &subnet);
	guest_open(&two, &subnet);
	for (unsigned int i = 0; i < QPS; i++) {
		make_qp(&one, TRANSPORT_RC, &left[i]);
		make_qp(&two, TRANSPORT_RC, &right[i]);
		connect_qp(&left[i], &right[i]);
		connect_qp(&right[i], &left[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guest_close(&one);
	guest_close(&two);
	return 0;
}

static uint8_t *page_of(struct guest *g, uint32_t number)
{
	const struct bypass_window *window = g->slice->bars[0].windows;

	assert_true((uint64_t)number * HCA_PAGE >= window->offset);
	return (uint8_t *)window->hva + ((uint64_t)number * HCA_PAGE - window->offset);
}

static void post_message(unsigned int i)
{
	uint64_t from = guest_alloc(&one, 64), to = guest_alloc(&two, 64);
	uint8_t data[16];

	post_receive(&right[i], to, 64, two.key);
	put_data(data, from, 64, one.key);
	post_send(&left[i], OP_SEND, 0, data, sizeof(data));
}

static unsigned int count_events(struct guest *g, uint32_t number)
{
	const uint8_t *event;
	unsigned int n = 0;

	while ((event = next_event(g)))
		n += event[1] == EVENT_COMPLETION && get_be32(event + 32 + 24) == number;
	return n;
}

static void first_page_traps(void **state)
{
	const struct bypass_window *window = one.slice->bars[0].windows;

	(void)state;
	assert_int_equal(one.slice->bars[0].n_windows, 1);
	assert_true(one.uar * HCA_PAGE < window->offset);
	assert_int_equal(window->offset + window->size, one.slice->bars[0].size);
	assert_true(window->fd >= 0);
	assert_int_equal(ftruncate(window->fd, 0), -1);
}

static void new_page_is_empty(void **state)
{
	uint32_t number;

	(void)state;
	for (unsigned int i = 0; i < HCA_UARS - HCA_FIRST_SHARED - 1; i++) {
		number = simple(&one, 0x802, 0);
		memset(page_of(&one, number), 0xff, HCA_PAGE);
	}
	simple(&one, 0x803, number);
	assert_int_equal(simple(&one, 0x802, 0), number);
	for (unsigned int i = 0; i < HCA_PAGE; i++)
		assert_int_equal(page_of(&one, number)[i], 0);
}

/* Asked to trap, the model shows no window, and a doorbell needs no look. */
static void all_pages_trap(void **state)
{
	static struct subnet trapping;
	struct guest guest;
	struct guest_qp qp;

	(void)state;
	trapping.traps = true;
	guest_open(&guest, &trapping);
	assert_int_equal(guest.slice->bars[0].n_windows, 0);
	make_qp(&guest, TRANSPORT_RC, &qp);
	assert_null(guest.hca->used_uars);
	connect_qp(&qp, &qp);
	put_be32(guest.ram + qp.record + 4, 1);
	guest.ram[qp.entries + (RQ_STRIDE << LOG_RQ) + 7] = 1;
	guest.ram[qp.entries + (RQ_STRIDE << LOG_RQ) + 11] = 0x08;
	bar_write64(&guest, (uint64_t)guest.page * HCA_PAGE + 0x800, 0, qp.number << 8 | 1);
	assert_true(guest.page >= HCA_FIRST_SHARED);
	subnet_run(&trapping);
	assert_non_null(poll_cq(&guest, &qp.send_cq));
	assert_false(trapping.listens);
	guest_close(&guest);
}

/* A driver that was loaded again takes a page that traps first. */
static void pages_after_reset(void **state)
{
	(void)state;
	one.slice->ops->reset(one.slice);
	assert_null(one.hca->used_uars);
	guest_start(&one);
	assert_true(one.uar < HCA_FIRST_SHARED);
	assert_true(one.page >= HCA_FIRST_SHARED);
}

/* All on one page, before the model looks once */
static void doorbells_overwrite_each_other(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < QPS; i++)
		post_message(i);
	subnet_run(&subnet);
	for (unsigned int i = 0; i < QPS; i++) {
		assert_non_null(poll_cq(&one, &left[i].send_cq));
		assert_non_null(poll_cq(&two, &right[i].receive_cq));
	}
}

/* A doorbell of the same value as the one before is one more. */
static void same_doorbell_twice(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		ring(&one, 0x800, 1, 2);
		subnet_run(&subnet);
		assert_true(subnet.worked);
		subnet_run(&subnet);
		assert_false(subnet.worked);
	}
}

static void each_place_is_looked_at(void **state)
{
	static const uint32_t places[] = {0x20,	 0x800, 0x900, 0xa00, 0xb00,
					  0xc00, 0xd00, 0xe00, 0xf00};

	(void)state;
	for (unsigned int i = 0; i < sizeof(places) / sizeof(*places); i++) {
		ring(&one, places[i], 0, 1);
		subnet_run(&subnet);
		assert_true(subnet.worked);
	}
	ring(&one, 0x40, 0, 1);
	subnet_run(&subnet);
	assert_false(subnet.worked);
}

/* Serial 0, command 0, consumer 0: the same as what a driver has put into the record at first */
static void two_queues_armed_at_first(void **state)
{
	(void)state;
	arm_cq(&two, &right[0].receive_cq, 0, 0);
	arm_cq(&two, &right[1].receive_cq, 0, 0);
	subnet_run(&subnet);
	post_message(0);
	post_message(1);
	subnet_run(&subnet);
	assert_int_equal(next_event(&two)[1], EVENT_COMPLETION);
	assert_int_equal(next_event(&two)[1], EVENT_COMPLETION);
	assert_null(next_event(&two));
}

/* A doorbell of another queue does not arm a queue again whose event the driver has not taken yet. */
static void armed_once(void **state)
{
	(void)state;
	arm_cq(&two, &right[0].receive_cq, 0, 0);
	post_message(0);
	subnet_run(&subnet);
	arm_cq(&two, &right[1].receive_cq, 0, 0);
	subnet_run(&subnet);
	post_message(0);
	subnet_run(&subnet);
	assert_int_equal(count_events(&two, right[0].receive_cq.number), 1);

	assert_non_null(poll_cq(&two, &right[0].receive_cq));
	assert_non_null(poll_cq(&two, &right[0].receive_cq));
	arm_cq(&two, &right[0].receive_cq, 1, 0);
	post_message(0);
	subnet_run(&subnet);
	assert_int_equal(count_events(&two, right[0].receive_cq.number), 1);
}

static void queue_never_armed(void **state)
{
	(void)state;
	arm_cq(&two, &right[1].receive_cq, 0, 0);
	subnet_run(&subnet);
	post_message(0);
	subnet_run(&subnet);
	assert_int_equal(count_events(&two, right[0].receive_cq.number), 0);
}

static void vmm_that_maps_nothing(void **state)
{
	(void)state;
	put_be32(two.ram + right[0].receive_cq.record + 4, 0);
	bar_write64(&two, (uint64_t)two.page * HCA_PAGE + 0x20, 0, right[0].receive_cq.number);
	subnet_run(&subnet);
	post_message(0);
	memset(page_of(&one, one.page), 0, HCA_PAGE);
	bar_write64(&one, (uint64_t)one.page * HCA_PAGE + 0x800, 0, left[0].number << 8 | 2);
	subnet_run(&subnet);
	assert_non_null(poll_cq(&one, &left[0].send_cq));
	assert_int_equal(count_events(&two, right[0].receive_cq.number), 1);
	bar_write32(&one, (uint64_t)one.page * HCA_PAGE + HCA_PAGE - 4, 1);
}

static void queues_are_gone(void **state)
{
	(void)state;
	simple(&one, 0x501, left[1].number);
	simple(&one, 0x401, left[1].send_cq.number);
	ring(&one, 0x800, 0, left[1].number << 8);
	subnet_run(&subnet);
	assert_true(subnet.listens);
	for (unsigned int i = 0; i < QPS; i += 2)
		simple(&one, 0x501, left[i].number);
	for (unsigned int i = 0; i < QPS; i++) {
		if (i != 1)
			simple(&one, 0x401, left[i].send_cq.number);
		simple(&one, 0x401, left[i].receive_cq.number);
	}
	assert_null(one.hca->used_uars);
	assert_non_null(two.hca->used_uars);
}

/* No queue on a shared page: the thread may sleep until a VMM has something to say. */
static void nothing_to_listen_to(void **state)
{
	(void)state;
	assert_int_equal(subnet_run(&subnet), -1);
	assert_true(subnet.listens);
	one.slice->ops->reset(one.slice);
	two.slice->ops->reset(two.slice);
	assert_int_equal(subnet_run(&subnet), -1);
	assert_false(subnet.listens);
}

/* Pages that no queue can use, and numbers far outside */
static void queue_on_no_page(void **state)
{
	static const uint32_t pages[] = {0, HCA_FIRST_SHARED - 1, HCA_UARS, 0xffffff};
	struct guest_qp qp;

	(void)state;
	for (unsigned int i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		one.page = pages[i];
		make_qp(&one, TRANSPORT_RC, &qp);
		simple(&one, 0x501, qp.number);
	}
}

#define MS 1000000ull

/* The time without work after @rounds sleeps of which each costs @cost, and the CPU time of all */
static uint64_t be_idle(uint64_t cost, uint64_t ns, uint64_t *longest)
{
	struct idle idle = {0};
	uint64_t start = 1000 * MS, now = start, cpu = 1, sleep;

	assert_true(idle_is_over(&idle, true, now));
	*longest = 0;
	while (now < start + ns) {
		now += 1000;
		cpu += 1000;
		if (idle_is_over(&idle, false, now))
			continue;
		sleep = idle_sleep(&idle, now, cpu);
		assert_true(sleep <= (now - start) / 4);
		*longest = sleep > *longest ? sleep : *longest;
		now += sleep;
		cpu += cost - 1000;
	}
	return cpu;
}

static void idle_costs_little(void **state)
{
	static const uint64_t costs[] = {2000, 5000, 20000, 100000, 500000};
	uint64_t longest;

	(void)state;
	for (unsigned int i = 0; i < sizeof(costs) / sizeof(*costs); i++)
		assert_true(be_idle(costs[i], 10000 * MS, &longest) < 10000 * MS / 100);
	be_idle(2000, 10000 * MS, &longest);
	assert_int_equal(longest, MS);
	be_idle(10 * MS, 10000 * MS, &longest);
	assert_int_equal(longest, 500 * MS);
}

static void awake_after_work(void **state)
{
	struct idle idle = {0};

	(void)state;
	assert_true(idle_is_over(&idle, true, 5 * MS));
	assert_true(idle_is_over(&idle, false, 5 * MS + 50000));
	assert_false(idle_is_over(&idle, false, 6 * MS));
	assert_true(idle_is_over(&idle, true, 6 * MS));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_page_traps),
		TEST(new_page_is_empty),
		TEST(all_pages_trap),
		TEST(pages_after_reset),
		TEST(doorbells_overwrite_each_other),
		TEST(same_doorbell_twice),
		TEST(each_place_is_looked_at),
		TEST(two_queues_armed_at_first),
		TEST(armed_once),
		TEST(queue_never_armed),
		TEST(vmm_that_maps_nothing),
		TEST(queues_are_gone),
		TEST(nothing_to_listen_to),
		TEST(queue_on_no_page),
		cmocka_unit_test(idle_costs_little),
		cmocka_unit_test(awake_after_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
