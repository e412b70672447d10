// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ports of the ConnectX model: what they count, and what their functions and connections hear when one goes down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "hca_pair.h"

static uint64_t counted(struct guest *g, unsigned int counter)
{
	uint8_t in[32] = {0}, out[528];

	field_set(in, CMD_OPCODE, 0x770);
	assert_int_equal(command(g, in, sizeof(in), out, sizeof(out)), STATUS_OK);
	return get_be64(out + counter);
}

/* The data of a write and of a read, in packets of the MTU, then in octets */
static void ports_count(void **state)
{
	uint8_t body[32];

	(void)state;
	put_remote(body, to, two.key);
	put_data(body + 16, from, 30000, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	put_data(body + 16, from, 20000, one.key);
	post_send(&left, OP_READ, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_int_equal(counted(&one, COUNTERS_SENT_UNICAST), 8);
	assert_int_equal(counted(&one, COUNTERS_SENT_UNICAST + 8), 30000);
	assert_int_equal(counted(&two, COUNTERS_RECEIVED_UNICAST + 8), 30000);
	assert_int_equal(counted(&two, COUNTERS_SENT_UNICAST), 5);
	assert_int_equal(counted(&two, COUNTERS_SENT_UNICAST + 8), 20000);
	assert_int_equal(counted(&one, COUNTERS_RECEIVED_UNICAST + 8), 20000);
	assert_int_equal(counted(&one, COUNTERS_SENT_MULTICAST), 0);
}

static uint32_t port_state(struct guest *g)
{
	uint8_t in[16] = {0}, out[16 + 256];

	field_set(in, CMD_OPCODE, 0x762);
	assert_int_equal(command(g, in, sizeof(in), out, sizeof(out)), STATUS_OK);
	return field_get(out + 16, VPORT_PORT_STATE);
}

static void expect_port_event(struct guest *g, uint8_t subtype)
{
	const uint8_t *event = next_event(g);

	assert_non_null(event);
	assert_int_equal(event[1], EVENT_PORT);
	assert_int_equal(event[3], subtype);
	assert_int_equal(event[32 + 8] >> 4, 1);
}

/* The driver of the function whose port it is hears of it; both ends of a connection lose it. */
static void port_goes_down_and_up(void **state)
{
	(void)state;
	port_set(two.hca, false);
	port_set(two.hca, false);
	expect_port_event(&two, 1);
	assert_null(next_event(&two));
	assert_null(next_event(&one));
	assert_int_equal(port_state(&two), 1);
	assert_int_equal(port_state(&one), 4);
	post_receive(&right, to, 100, two.key);
	send_rc(OP_SEND, 0, 100);
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_RETRIES);

	port_set(two.hca, true);
	expect_port_event(&two, 4);
	assert_int_equal(port_state(&two), 4);
}

/* A request waits for a port that is down no longer than the timer says. */
static void port_is_down_for_a_moment(void **state)
{
	uint8_t data[16];

	(void)state;
	port_set(one.hca, false);
	post_receive(&right, to, 100, two.key);
	put_data(data, from, 100, one.key);
	post_send(&left, OP_SEND, 0, data, sizeof(data));
	assert_true(subnet_run(&subnet) >= 0);
	port_set(one.hca, true);
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	expect_cqe(&two, &right.receive_cq, CQE_RECEIVE_SEND, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RC(ports_count),
		RC(port_goes_down_and_up),
		RC(port_is_down_for_a_moment),
	};

	return with_both_doorbells(tests);
}
