// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model with threads that help to copy long messages: each byte arrives, and errors are those of
 * one thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../examples/bypass-hca/copiers.h"
#include "hca_device.h"

#define LONG (1000003u) /* bytes: the last page is not whole */

static struct subnet subnet;
static struct guest one, two;
static struct guest_qp left, right;
static uint64_t from, to; /* a buffer in each guest */

static int setup(void **state)
{
	(void)state;
	memset(&subnet, 0, sizeof(subnet));
	if (copiers_open(3, &subnet.copiers))
		return -1;
	guest_open(&one, &subnet);
	guest_open(&two, &subnet);
	from = guest_alloc(&one, LONG + 4096);
	to = guest_alloc(&two, LONG + 4096);
	for (uint32_t i = 0; i < LONG; i++)
		one.ram[from + i] = i * 7 + (i >> 8) + (i >> 16);
	make_qp(&one, TRANSPORT_RC, &left);
	make_qp(&two, TRANSPORT_RC, &right);
	connect_qp(&left, &right);
	connect_qp(&right, &left);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guest_close(&one);
	guest_close(&two);
	copiers_close(subnet.copiers);
	return 0;
}

/* The opcode of the one completion that comes */
static uint8_t finish(void)
{
	const uint8_t *cqe = NULL;

	for (unsigned int i = 0; i < 1000 && !cqe; i++) {
		subnet_run(&subnet);
		cqe = poll_cq(&one, &left.send_cq);
	}
	assert_non_null(cqe);
	return cqe[63] >> 4;
}

static uint8_t access_remote(uint8_t opcode, uint64_t local, uint64_t remote, uint32_t length)
{
	uint8_t body[32];

	put_remote(body, remote, two.key);
	put_data(body + 16, local, length, one.key);
	post_send(&left, opcode, 0, body, sizeof(body));
	return finish();
}

static void write_and_read(void **state)
{
	(void)state;
	for (uint32_t skip = 0; skip < 3; skip++) {
		memset(two.ram + to, 0xee, LONG + 4096);
		assert_int_equal(access_remote(OP_WRITE, from + skip, to + 5, LONG - skip),
				 CQE_REQUEST);
		assert_memory_equal(two.ram + to + 5, one.ram + from + skip, LONG - skip);
		assert_int_equal(two.ram[to + 4], 0xee);
		assert_int_equal(two.ram[to + 5 + LONG - skip], 0xee);
	}
	memset(one.ram + from, 0, LONG);
	assert_int_equal(access_remote(OP_READ, from, to + 7, LONG - 2), CQE_REQUEST);
	assert_memory_equal(one.ram + from, two.ram + to + 7, LONG - 2);
}

/* Segments of both sides that end at different places */
static void scattered(void **state)
{
	uint8_t body[48];
	uint32_t n = LONG / 3;

	(void)state;
	put_data(body, from + 2 * n, n, one.key);
	put_data(body + 16, from, n, one.key);
	put_data(body + 32, from + n, n, one.key);
	post_receive(&right, to, LONG, two.key);
	post_send(&left, OP_SEND, 0, body, sizeof(body));
	assert_int_equal(finish(), CQE_REQUEST);
	assert_memory_equal(two.ram + to, one.ram + from + 2 * n, n);
	assert_memory_equal(two.ram + to + n, one.ram + from, 2 * n);
}

/* The end of the message lies beyond the key. What is before may have been written, and nothing else. */
static void ends_beyond_the_key(void **state)
{
	(void)state;
	memset(two.ram + to, 0xee, LONG);
	assert_int_equal(access_remote(OP_WRITE, from, RAM_SIZE - LONG / 2, LONG),
			 CQE_REQUEST_ERROR);
	assert_int_equal(two.ram[to], 0xee);
}

static void short_ones_between(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t length = i % 2 ? 64 : LONG - i;

		memset(two.ram + to, 0, length);
		assert_int_equal(access_remote(OP_WRITE, from, to, length), CQE_REQUEST);
		assert_memory_equal(two.ram + to, one.ram + from, length);
	}
}

static void none_has_work(void **state)
{
	struct copiers *copiers;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(copiers_open(COPIERS_MAX, &copiers), 0);
		copiers_copy(copiers, NULL, 0);
		copiers_close(copiers);
	}
	copiers_close(NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(write_and_read),
		TEST(scattered),
		TEST(ends_beyond_the_key),
		TEST(short_ones_between),
		cmocka_unit_test(none_has_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
