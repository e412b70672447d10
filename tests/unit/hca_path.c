// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model's data path: two guests, each with a function, and what a driver may post: all that
 * works, with data checked, and all that ends in a completion with an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "hca_pair.h"

static int setup_uc(void **state)
{
	(void)state;
	return setup_with(TRANSPORT_UC);
}

static int setup_ud(void **state)
{
	(void)state;
	return setup_with(TRANSPORT_UD);
}

static void send_moves_data(void **state)
{
	(void)state;
	post_receive(&right, to, 65536, two.key);
	send_rc(OP_SEND, 0, 50000);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_SEND, 0);
	assert_memory_equal(one.ram + from, two.ram + to, 50000);
	assert_int_equal(two.ram[to + 50000], 0);
}

static void send_with_immediate(void **state)
{
	const uint8_t *cqe;

	(void)state;
	post_receive(&right, to, 100, two.key);
	send_rc(OP_SEND_IMMEDIATE, 0xcafe1234, 100);
	cqe = poll_cq(&two, &right.receive_cq);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_RECEIVE_SEND_IMMEDIATE);
	assert_int_equal(get_be32(cqe + CQE_IMMEDIATE), 0xcafe1234);
	assert_int_equal(get_be32(cqe + CQE_BYTES), 100);
}

/* Inline bytes that wrap around the end of the queue */
static void send_inline(void **state)
{
	uint8_t body[208] = {0};

	(void)state;
	put_be32(body, 1u << 31 | 200);
	for (unsigned int round = 0; round < 40; round++) {
		memset(body + 4, round + 1, 200);
		post_receive(&right, to, 256, two.key);
		post_send(&left, OP_SEND, 0, body, sizeof(body));
		run();
		expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
		expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_SEND, 0);
		assert_memory_equal(two.ram + to, body + 4, 200);
	}
}

static void write_and_read(void **state)
{
	uint8_t body[32];

	(void)state;
	put_remote(body, to + 5, two.key);
	put_data(body + 16, from + 3, 30000, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_memory_equal(two.ram + to + 5, one.ram + from + 3, 30000);
	assert_null(poll_cq(&two, &right.receive_cq));

	put_data(body + 16, from + 40000, 20000, one.key);
	post_send(&left, OP_READ, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_memory_equal(one.ram + from + 40000, two.ram + to + 5, 20000);
}

static void write_with_immediate(void **state)
{
	uint8_t body[32];

	(void)state;
	put_remote(body, to, two.key);
	put_data(body + 16, from, 64, one.key);
	post_receive(&right, 0, 0, 0);
	post_send(&left, OP_WRITE_IMMEDIATE, 77, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_WRITE_IMMEDIATE, 0);
	assert_memory_equal(two.ram + to, one.ram + from, 64);
}

static void atomics(void **state)
{
	uint64_t *value = (uint64_t *)(void *)(two.ram + to), *result = (void *)(one.ram + from);
	uint8_t body[48] = {0};

	(void)state;
	*value = 40;
	put_remote(body, to, two.key);
	put_be64(body + 16, 2);
	put_data(body + 32, from, 8, one.key);
	post_send(&left, OP_FETCH_ADD, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_int_equal(*value, 42);
	assert_int_equal(*result, 40);

	put_be64(body + 16, 7);
	put_be64(body + 24, 42);
	post_send(&left, OP_COMPARE_SWAP, 0, body, sizeof(body));
	post_send(&left, OP_COMPARE_SWAP, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_int_equal(*value, 7);
	assert_int_equal(*result, 7);
}

static void atomic_not_aligned(void **state)
{
	uint8_t body[48] = {0};

	(void)state;
	put_remote(body, to + 4, two.key);
	put_data(body + 32, from, 8, one.key);
	post_send(&left, OP_FETCH_ADD, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_REQUEST);
}

/* A bad key of one's own takes no receive request of the other side. */
static void local_key_is_wrong(void **state)
{
	uint8_t data[16];

	(void)state;
	post_receive(&right, to, 100, two.key);
	put_data(data, from, 100, one.key ^ 1);
	post_send(&left, OP_SEND, 0, data, sizeof(data));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_LOCAL_PROTECTION);
	assert_null(poll_cq(&two, &right.receive_cq));
}

static void remote_key_is_wrong(void **state)
{
	uint8_t body[32];
	const uint8_t *event;

	(void)state;
	put_remote(body, to, two.key ^ 1);
	put_data(body + 16, from, 8, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_ACCESS);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_FLUSHED);
	event = next_event(&two);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_QP_ACCESS);
	assert_int_equal(get_be32(event + 32 + 24), right.number);
}

static void remote_address_outside(void **state)
{
	uint8_t body[32];

	(void)state;
	put_remote(body, RAM_SIZE - 4, two.key);
	put_data(body + 16, from, 8, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_ACCESS);
}

static void right_is_missing(void **state)
{
	static const uint32_t local_only[] = {MKC_LOCAL_READ, MKC_LOCAL_WRITE, 0};
	uint32_t key = make_key(&two, to, 4096, local_only);
	uint8_t body[32];

	(void)state;
	put_remote(body, to, key);
	put_data(body + 16, from, 8, one.key);
	post_send(&left, OP_READ, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_ACCESS);
}

static void message_too_long(void **state)
{
	(void)state;
	post_receive(&right, to, 99, two.key);
	send_rc(OP_SEND, 0, 100);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_LENGTH);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_REQUEST);
}

static void no_receive_posted(void **state)
{
	(void)state;
	send_rc(OP_SEND, 0, 100);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_RNR_RETRIES);
}

/* A receive request that comes while the sender waits */
static void receive_posted_late(void **state)
{
	uint8_t data[16];

	(void)state;
	put_data(data, from, 100, one.key);
	post_send(&left, OP_SEND, 0, data, sizeof(data));
	assert_true(subnet_run(&subnet) >= 0);
	post_receive(&right, to, 100, two.key);
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_SEND, 0);
}

static void peer_is_gone(void **state)
{
	(void)state;
	simple(&two, 0x501, right.number);
	send_rc(OP_SEND, 0, 100);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_RETRIES);
}

static void error_state_flushes(void **state)
{
	(void)state;
	post_receive(&right, to, 100, two.key);
	post_receive(&right, to, 100, two.key);
	simple(&two, 0x507, right.number);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED);
	post_receive(&right, to, 100, two.key);
	usleep(25000);
	subnet_run(&subnet);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED);
}

/* The first message that comes before the driver says RTS is an event; the second one is none. */
static void message_before_rts(void **state)
{
	const uint8_t *event;

	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		simple(&two, 0x50a, right.number);
		put_be32(two.ram + right.record, right.receives = 0);
		listen_qp(&right, &left);
		for (unsigned int i = 0; i < 2; i++) {
			post_receive(&right, to, 100, two.key);
			send_rc(OP_SEND, 0, 100);
			expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_SEND, 0);
		}
		event = next_event(&two);
		assert_non_null(event);
		assert_int_equal(event[1], EVENT_ESTABLISHED);
		assert_int_equal(get_be32(event + 32 + 24), right.number);
		assert_null(next_event(&two));
	}
}

static void message_after_rts(void **state)
{
	(void)state;
	post_receive(&right, to, 100, two.key);
	send_rc(OP_SEND, 0, 100);
	assert_null(next_event(&two));
}

/* One event for the first completion after the queue is armed */
static void armed_queue_posts_event(void **state)
{
	const uint8_t *event;
	eventfd_t count;

	(void)state;
	arm_cq(&two, &right.receive_cq, 0, 0);
	for (unsigned int i = 0; i < 2; i++) {
		post_receive(&right, to, 100, two.key);
		send_rc(OP_SEND, 0, 100);
	}
	event = next_event(&two);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_COMPLETION);
	assert_int_equal(get_be32(event + 32 + 24), right.receive_cq.number);
	assert_null(next_event(&two));
	assert_int_equal(eventfd_read(two.vector, &count), 0);
	assert_int_equal(count, 1);
}

static void full_queue_is_an_error(void **state)
{
	const uint8_t *event = NULL;

	(void)state;
	for (unsigned int i = 0; i < (1 << LOG_CQ) + 1; i++) {
		post_send(&left, OP_NOP, 0, "", 0);
		run();
	}
	event = next_event(&one);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_CQ_ERROR);
	assert_int_equal(get_be32(event + 32), left.send_cq.number);
	assert_int_equal(event[32 + 11], 1);
}

/* @log_size: of the queue's new memory, which the driver empties */
static uint8_t resize_cq(struct guest *g, const struct guest_cq *cq, uint64_t entries,
			 uint32_t log_size)
{
	uint8_t in[CMD_PAGES + 64] = {0}, out[16];

	field_set(in, CMD_OPCODE, 0x403);
	field_set(in, CMD_MODIFIER, 1);
	field_set(in, CMD_NUMBER, cq->number);
	field_set(in + CMD_CONTEXT, CQC_LOG_SIZE, log_size);
	put_pages(in + CMD_PAGES, entries, 64ull << log_size);
	for (unsigned int i = 0; i < 1u << log_size; i++)
		g->ram[entries + i * 64 + 63] = 0xf1;
	return command(g, in, sizeof(in), out, sizeof(out));
}

/* What is not taken yet stays in the old memory, before an entry that ends it. */
static void queue_is_resized(void **state)
{
	uint64_t larger = guest_alloc(&one, 64 << (LOG_CQ + 1));
	const uint8_t *cqe;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		post_send(&left, OP_NOP, 0, "", 0);
	run();
	assert_int_equal(resize_cq(&one, &left.send_cq, larger, 1), STATUS_BAD_SIZE);
	assert_int_equal(resize_cq(&one, &left.send_cq, larger, LOG_CQ + 1), STATUS_OK);
	for (unsigned int i = 0; i < 3; i++)
		expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&one, &left.send_cq, CQE_RESIZE, 0);
	assert_null(poll_cq(&one, &left.send_cq));

	post_send(&left, OP_NOP, 0, "", 0);
	run();
	cqe = one.ram + larger + 64 * 4;
	assert_int_equal(cqe[63] >> 4, CQE_REQUEST);
	assert_int_equal(cqe[63] & 1, 0);
}

static void datagram(void **state)
{
	uint8_t body[64] = {0};
	const uint8_t *cqe;

	(void)state;
	put_be32(body, 0x11111111);
	put_be32(body + 8, 1u << 31 | right.number);
	put_be16(body + 14, lid_of(&two));
	put_data(body + 48, from, 1000, one.key);
	post_receive(&right, to, 1040, two.key);
	post_send(&left, OP_SEND, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	cqe = poll_cq(&two, &right.receive_cq);
	assert_non_null(cqe);
	assert_int_equal(get_be32(cqe + CQE_BYTES), 1040);
	assert_int_equal(get_be32(cqe + CQE_FLAGS_QPN) & 0xffffff, left.number);
	assert_int_equal(get_be16(cqe + CQE_REMOTE_LID), lid_of(&one));
	assert_memory_equal(two.ram + to + 40, one.ram + from, 1000);
}

static void datagram_with_wrong_qkey(void **state)
{
	uint8_t body[64] = {0};

	(void)state;
	put_be32(body, 0x22222222);
	put_be32(body + 8, 1u << 31 | right.number);
	put_be16(body + 14, lid_of(&two));
	put_data(body + 48, from, 1000, one.key);
	post_receive(&right, to, 1040, two.key);
	post_send(&left, OP_SEND, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_null(poll_cq(&two, &right.receive_cq));
}

/* An SRQ of guest two, with the queue pairs' XRC domain or another one */
static uint32_t make_xrc_srq(uint32_t pd, uint32_t domain)
{
	uint8_t in[CMD_PAGES + 8] = {0};

	field_set(in + CMD_CONTEXT, XSRQC_LOG_SIZE, 4);
	field_set(in + CMD_CONTEXT, XSRQC_LOG_STRIDE, 1);
	field_set(in + CMD_CONTEXT, XSRQC_XRCD, domain);
	field_set(in + CMD_CONTEXT, XSRQC_CQN, right.receive_cq.number);
	field_set(in + CMD_CONTEXT, XSRQC_PD, pd);
	field_set(in + CMD_CONTEXT, XSRQC_RECORD, guest_alloc(&two, 8));
	put_pages(in + CMD_PAGES, guest_alloc(&two, 4096), 4096);
	return must(&two, 0x705, in, sizeof(in));
}

static void write_xrc(uint32_t srqn, uint32_t key)
{
	uint8_t body[48] = {0};

	put_be32(body, srqn);
	put_remote(body + 16, to, key);
	put_data(body + 32, from, 64, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	run();
}

/* The target is the kernel's, with a protection domain that no program has. */
static int setup_xrc(void **state)
{
	int status;

	(void)state;
	status = setup_with(TRANSPORT_XRC);
	two.pd = simple(&two, 0x800, 0);
	return status;
}

static void xrc_keys_are_of_the_pd_of_the_srq(void **state)
{
	uint32_t key = make_key(&two, to, 4096, all_rights);

	(void)state;
	write_xrc(make_xrc_srq(two.pd, 0), key);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_memory_equal(two.ram + to, one.ram + from, 64);
}

static void xrc_keys_of_the_pd_of_the_target(void **state)
{
	(void)state;
	write_xrc(make_xrc_srq(two.pd, 0), two.key);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_ACCESS);
	assert_int_equal(two.ram[to + 1], 0);
}

static void xrc_srq_of_another_domain(void **state)
{
	(void)state;
	write_xrc(make_xrc_srq(two.pd, 1), two.key);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_REQUEST);
	assert_int_equal(two.ram[to + 1], 0);
}

static void xrc_srq_does_not_exist(void **state)
{
	(void)state;
	write_xrc(77, two.key);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_REMOTE_REQUEST);
	assert_int_equal(two.ram[to + 1], 0);
}

static void unreliable_drops(void **state)
{
	(void)state;
	send_rc(OP_SEND, 0, 100);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	post_receive(&right, to, 100, two.key);
	send_rc(OP_SEND, 0, 100);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_SEND, 0);
}

static void unreliable_reads_nothing(void **state)
{
	uint8_t body[32];

	(void)state;
	put_remote(body, to, two.key);
	put_data(body + 16, from, 8, one.key);
	post_send(&left, OP_READ, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_LOCAL_QP);
}

#define UC(test)  cmocka_unit_test_setup_teardown(test, setup_uc, teardown)
#define XRC(test) cmocka_unit_test_setup_teardown(test, setup_xrc, teardown)
#define UD(test)  cmocka_unit_test_setup_teardown(test, setup_ud, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RC(send_moves_data),
		RC(send_with_immediate),
		RC(send_inline),
		RC(write_and_read),
		RC(write_with_immediate),
		RC(atomics),
		RC(atomic_not_aligned),
		RC(local_key_is_wrong),
		RC(remote_key_is_wrong),
		RC(remote_address_outside),
		RC(right_is_missing),
		RC(message_too_long),
		RC(no_receive_posted),
		RC(receive_posted_late),
		RC(peer_is_gone),
		RC(error_state_flushes),
		RC(message_before_rts),
		RC(message_after_rts),
		RC(armed_queue_posts_event),
		RC(full_queue_is_an_error),
		RC(queue_is_resized),
		UC(unreliable_drops),
		UC(unreliable_reads_nothing),
		XRC(xrc_keys_are_of_the_pd_of_the_srq),
		XRC(xrc_keys_of_the_pd_of_the_target),
		XRC(xrc_srq_of_another_domain),
		XRC(xrc_srq_does_not_exist),
		UD(datagram),
		UD(datagram_with_wrong_qkey),
	};

	return with_both_doorbells(tests);
}
