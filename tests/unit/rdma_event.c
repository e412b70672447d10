// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events of the HCA on their way to a guest: while the guest has buffers for them, and while it
 * has none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_slice.h"

#define MANY 100000 /* more than a pipe holds */

/* Report something about the HCA, as its driver does. False: nobody reads it. */
static bool put_record(int fd, const void *record, size_t size)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	return poll(&room, 1, 10000) == 1 && write(fd, record, size) == (ssize_t)size;
}

static bool inject_event(uint32_t type, uint64_t element)
{
	const struct ib_uverbs_async_event_desc desc = {.element = element, .event_type = type};

	return put_record(mock.async[1], &desc, sizeof(desc));
}

static bool inject_completion(unsigned int vector, uint64_t cq)
{
	const struct ib_uverbs_comp_event_desc desc = {.cq_handle = cq};

	return put_record(mock.channels[vector][1], &desc, sizeof(desc));
}

/* Take the buffers that the guest has posted to a queue; returns how many came back filled. */
static unsigned int take_buffers(struct test *t, unsigned int queue)
{
	struct guest_queue *q = &t->g.queues[queue];
	unsigned int n = 0;
	uint32_t head, len;

	while (guest_wait(q, 0, &head, &len))
		n++;
	return n;
}

static void give_buffers(struct test *t, unsigned int queue)
{
	struct guest_queue *q = &t->g.queues[queue];

	for (uint16_t d = 0; d < q->ring.num; d++)
		guest_avail(q, d);
	guest_kick(q);
}

/* Fill all buffers of a queue with events of port 200, which the guest does not give back. */
static void use_up_events(struct test *t)
{
	unsigned int n = 0;

	while (n < t->g.queues[BYPASS_RDMA_QUEUE_EVENT].ring.num) {
		assert_true(inject_event(IBV_EVENT_PORT_ACTIVE, 200));
		n += take_buffers(t, BYPASS_RDMA_QUEUE_EVENT);
	}
}

/* Each event of each port reaches the guest, and none twice, though it has fewer buffers. */
static void test_ports(void **state)
{
	static uint8_t seen[256][32];
	struct test *t = *state;
	uint32_t event[2];

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < 600; i++)
		assert_true(inject_event(IBV_EVENT_PORT_ACTIVE + i / 200, i % 200));
	for (uint32_t i = 0; i < 600; i++) {
		assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
		assert_true(event[0] < 32 && event[1] < 256);
		assert_int_equal(seen[event[1]][event[0]]++, 0);
	}
	assert_false(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 0, event));
	assert_int_equal(rdma_guest_stats(&t->g).events, 600);
}

static void test_no_event_buffers(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq[2];
	uint32_t event[2], handles = 0, n = 0;
	bool marked = false;

	assert_int_equal(create_cq(t, 0, &cq[0]), 0);
	assert_int_equal(create_cq(t, 0, &cq[1]), 0);
	use_up_events(t);
	for (int i = 0; i < MANY; i++)
		assert_true(inject_event(IBV_EVENT_CQ_ERR, cq[i % 2].handle));
	assert_true(inject_event(IBV_EVENT_GID_CHANGE, 1));
	give_buffers(t, BYPASS_RDMA_QUEUE_EVENT);
	while (!marked || handles != (1u << cq[0].handle | 1u << cq[1].handle)) {
		assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
		marked |= event[0] == IBV_EVENT_GID_CHANGE;
		if (event[0] == IBV_EVENT_CQ_ERR)
			handles |= 1u << event[1];
		n++;
	}
	/* Not many more than those: what was read while the guest had buffers again. */
	assert_true(n < MANY / 2);
}

static void test_no_completion_buffers(void **state)
{
	const unsigned int queue = BYPASS_RDMA_QUEUE_VECTOR + 1;
	struct test *t = *state;
	struct bypass_rdma_cq cq[4];
	uint32_t event[2], handles = 0;
	unsigned int n = 0;

	for (int i = 0; i < 4; i++)
		assert_int_equal(create_cq(t, 1, &cq[i]), 0);
	while (n < t->g.queues[queue].ring.num) {
		assert_true(inject_completion(1, cq[0].handle));
		n += take_buffers(t, queue);
	}
	for (int i = 0; i < MANY; i++)
		assert_true(inject_completion(1, cq[i % 3].handle));
	/* A CQ that is gone has no completions. */
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, cq[1].handle), 0);
	assert_true(inject_completion(1, cq[3].handle));
	give_buffers(t, queue);
	for (n = 0; handles != (1u << cq[0].handle | 1u << cq[2].handle | 1u << cq[3].handle);
	     n++) {
		assert_true(rdma_guest_event(&t->g, queue, 5000, event));
		assert_int_not_equal(event[0], cq[1].handle);
		handles |= 1u << event[0];
	}
	assert_true(n < MANY / 2);
}

/* An object whose events wait ends: a new one of the same handle has none of them. */
static void test_gone(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	uint32_t event[2];

	assert_int_equal(create_cq(t, 0, &cq), 0);
	use_up_events(t);
	assert_true(inject_event(IBV_EVENT_CQ_ERR, cq.handle));
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, cq.handle), 0);
	give_buffers(t, BYPASS_RDMA_QUEUE_EVENT);
	assert_true(inject_event(IBV_EVENT_GID_CHANGE, 1));
	do {
		assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
		assert_int_not_equal(event[0], IBV_EVENT_CQ_ERR);
	} while (event[0] != IBV_EVENT_GID_CHANGE);
}

static void set_state(struct test *t, uint32_t qp, uint32_t mask, uint8_t state)
{
	const struct bypass_rdma_qp_attr attr = {.qp_state = state, .port = 1};

	assert_int_equal(modify_qp(t, qp, mask, attr), 0);
}

static void reset(struct test *t, uint32_t qp)
{
	set_state(t, qp, IBV_QP_STATE, IBV_QPS_RESET);
}

/* From RESET. */
static void to_error(struct test *t, uint32_t qp)
{
	set_state(t, qp, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS,
		  IBV_QPS_INIT);
	set_state(t, qp, IBV_QP_STATE, IBV_QPS_ERR);
}

/*
 * How many events of the last work request of @qp the guest has not heard of yet. An event of the
 * port overtakes one of a queue pair that is read at the same time; the second one does not.
 */
static unsigned int last_wqes(struct test *t, uint32_t qp)
{
	unsigned int n = 0, ports = 0;
	uint32_t event[2];

	assert_true(inject_event(IBV_EVENT_PORT_ERR, 1));
	for (;;) {
		assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
		if (event[0] == IBV_EVENT_PORT_ERR) {
			if (ports++)
				return n;
			assert_true(inject_event(IBV_EVENT_PORT_ERR, 1));
			continue;
		}
		assert_int_equal(event[0], IBV_EVENT_QP_LAST_WQE_REACHED);
		assert_int_equal(event[1], qp);
		n++;
	}
}

/* rxe repeats this event with each packet that arrives in ERR. The guest has it once each time. */
static void test_last_wqe(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	for (int round = 0; round < 3; round++) {
		to_error(t, qp.handle);
		assert_true(inject_event(IBV_EVENT_QP_LAST_WQE_REACHED, qp.handle));
		assert_int_equal(last_wqes(t, qp.handle), 1);
		for (int i = 0; i < 10; i++)
			assert_true(inject_event(IBV_EVENT_QP_LAST_WQE_REACHED, qp.handle));
		assert_int_equal(last_wqes(t, qp.handle), 0);
		reset(t, qp.handle);
	}
	/* A new queue pair has an event of its own. */
	to_error(t, qp.handle);
	assert_true(inject_event(IBV_EVENT_QP_LAST_WQE_REACHED, qp.handle));
	assert_int_equal(last_wqes(t, qp.handle), 1);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp.handle), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	assert_true(inject_event(IBV_EVENT_QP_LAST_WQE_REACHED, qp.handle));
	assert_int_equal(last_wqes(t, qp.handle), 1);
}

static uint32_t late_qp;

static void say_late(void)
{
	assert_true(inject_event(IBV_EVENT_QP_LAST_WQE_REACHED, late_qp));
}

/*
 * An event that comes while the queue pair goes to RESET is one of its time before: the next ERR
 * has its own.
 */
static void test_last_wqe_at_reset(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;
	uint32_t event[2];

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
	to_error(t, qp.handle);
	late_qp = qp.handle;
	mock.on_modify = say_late;
	reset(t, qp.handle);
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
	assert_int_equal(event[0], IBV_EVENT_QP_LAST_WQE_REACHED);
	to_error(t, qp.handle);
	assert_true(inject_event(IBV_EVENT_QP_LAST_WQE_REACHED, qp.handle));
	assert_int_equal(last_wqes(t, qp.handle), 1);
}

/* What a newer kernel may say, and what no object of the guest has. */
static void test_unknown(void **state)
{
	struct test *t = *state;
	uint32_t event[2];

	assert_true(inject_event(IBV_EVENT_QP_FATAL, 3));
	assert_true(inject_event(IBV_EVENT_CQ_ERR, -1));
	assert_true(inject_event(IBV_EVENT_PORT_ERR, 256));
	assert_true(inject_event(IBV_EVENT_PORT_ERR, -1));
	assert_true(inject_event(32, 1));
	assert_true(inject_event(-1, 1));
	assert_true(inject_event(IBV_EVENT_PORT_ERR, 1));
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
	assert_int_equal(event[0], IBV_EVENT_PORT_ERR);
	assert_int_equal(event[1], 1);
	assert_true(inject_completion(0, 5));
	assert_true(inject_completion(0, -1));
	assert_false(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 0, event));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ports),
		TEST(test_no_event_buffers),
		TEST(test_no_completion_buffers),
		TEST(test_gone),
		TEST(test_unknown),
		TEST(test_last_wqe),
		TEST(test_last_wqe_at_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
