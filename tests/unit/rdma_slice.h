/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tests of the context slice begin and end with: one on an HCA that is not there, a guest
 * that drives it, a protection domain; and calls that make objects.
 */
#ifndef TESTS_UNIT_RDMA_SLICE_H
#define TESTS_UNIT_RDMA_SLICE_H

#include "../mock_uverbs.h"
#include "../rdma_guest.h"

#define OPTIONS "mock0,trust-guest,qps=4,cqs=70,mrs=3,pinned=1M,shm=64K,vectors=2"

struct test {
	struct rdma_guest g;
	uint32_t pd;
};

static inline int set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	struct bypass_virtio_device *dev = mock_open(OPTIONS);

	assert_non_null(dev);
	guest_init(&t->g.guest, 4 << 20);
	rdma_guest_start(&t->g, dev);
	assert_int_equal(rdma_guest_set_doorbell(&t->g), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_UCONTEXT, &t->g.ucontext), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	*state = t;
	return 0;
}

static inline int tear_down(void **state)
{
	struct test *t = *state;

	rdma_guest_stop(&t->g);
	free(t);
	assert_int_equal(mock_objects(), 0);
	return 0;
}

static inline uint32_t create_cq(struct test *t, uint32_t vector, struct bypass_rdma_cq *reply)
{
	const struct bypass_rdma_create_cq body = {.cqe = 10, .vector = vector};

	return rdma_guest_call(
		&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_CREATE_CQ,
						 .body = &body,
						 .body_size = sizeof(body),
						 .reply = reply,
						 .reply_size = sizeof(*reply),
						 .udata_room = sizeof(struct rxe_create_cq_resp)});
}

static inline uint32_t create_qp(struct test *t, uint32_t type, uint32_t cq,
				 struct bypass_rdma_qp *reply)
{
	const struct bypass_rdma_create_qp body = rdma_guest_qp(t->pd, cq, type);

	return rdma_guest_call(
		&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_CREATE_QP,
						 .body = &body,
						 .body_size = sizeof(body),
						 .reply = reply,
						 .reply_size = sizeof(*reply),
						 .udata_room = sizeof(struct rxe_create_qp_resp)});
}

static inline uint32_t modify_qp(struct test *t, uint32_t qp, uint32_t mask,
				 struct bypass_rdma_qp_attr attr)
{
	const struct bypass_rdma_modify_qp body = {.handle = qp, .mask = mask, .attr = attr};

	return rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_MODIFY_QP,
								.body = &body,
								.body_size = sizeof(body)});
}

static inline uint32_t create_srq(struct test *t, struct bypass_rdma_srq *reply)
{
	const struct bypass_rdma_create_srq body = {.pd = t->pd, .max_wr = 8, .max_sge = 1};

	return rdma_guest_call(
		&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_CREATE_SRQ,
						 .body = &body,
						 .body_size = sizeof(body),
						 .reply = reply,
						 .reply_size = sizeof(*reply),
						 .udata_room = sizeof(struct rxe_create_srq_resp)});
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
