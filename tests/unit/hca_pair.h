/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two guests, each with a function of the ConnectX model and a queue pair, connected to each other. Tests of the
 * data path run twice: each doorbell traps, and the model polls doorbells in shared memory.
 */
#ifndef HCA_PAIR_H
#define HCA_PAIR_H

#include "hca_device.h"

static struct subnet subnet;
static struct guest one, two;
static struct guest_qp left, right;
static uint64_t from, to; /* a buffer in each guest */

static inline void expect_cqe(struct guest *g, struct guest_cq *cq, enum cqe_opcode opcode,
			      enum syndrome syndrome)
{
	const uint8_t *cqe = poll_cq(g, cq);

	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, opcode);
	if (opcode == CQE_REQUEST_ERROR || opcode == CQE_RECEIVE_ERROR)
		assert_int_equal(cqe[CQE_SYNDROME], syndrome);
	else if (opcode != CQE_RESIZE)
		assert_int_not_equal(get_be64(cqe + CQE_TIME), 0);
}

static inline int setup_with(enum transport transport)
{
	memset(&subnet, 0, sizeof(subnet));
	guest_open(&one, &subnet);
	guest_open(&two, &subnet);
	from = guest_alloc(&one, 65536);
	to = guest_alloc(&two, 65536);
	for (unsigned int i = 0; i < 65536; i++)
		one.ram[from + i] = i * 7 + (i >> 8);
	make_qp(&one, transport, &left);
	make_qp(&two, transport, &right);
	connect_qp(&left, &right);
	connect_qp(&right, &left);
	return 0;
}

static inline int setup_rc(void **state)
{
	(void)state;
	return setup_with(TRANSPORT_RC);
}

static inline int teardown(void **state)
{
	(void)state;
	guest_close(&one);
	guest_close(&two);
	return 0;
}

static inline void run(void)
{
	int64_t ns;

	while ((ns = subnet_run(&subnet)) >= 0 && ns < 15000000)
		usleep(ns / 1000);
}

static inline void send_rc(uint8_t opcode, uint32_t immediate, uint32_t length)
{
	uint8_t data[16];

	put_data(data, from, length, one.key);
	post_send(&left, opcode, immediate, data, sizeof(data));
	run();
}

#define RC(test) cmocka_unit_test_setup_teardown(test, setup_rc, teardown)

#define with_both_doorbells(tests)                                                                 \
	({                                                                                         \
		int failed =                                                                       \
			cmocka_run_group_tests_name("doorbells that trap", tests, NULL, NULL);     \
		shared_pages = true;                                                               \
		failed + cmocka_run_group_tests_name("doorbells in shared memory", tests, NULL,    \
						     NULL);                                        \
	})

#endif
