/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tests of the guarded way for rxe share: a guest with one queue pair, both sides of the copies
 * of its queues.
 */
#ifndef TESTS_UNIT_RDMA_GUARD_H
#define TESTS_UNIT_RDMA_GUARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../libbypass/rdma/dialect/flush.h"
#include "../mock_uverbs.h"
#include "../rdma_guest.h"

struct test {
	struct rdma_guest g;
	uint32_t pd, cq, qp;
	struct rxe_queue_buf *send, *receive, *cq_copy;		  /* the guest's */
	struct rxe_queue_buf *real_send, *real_receive, *real_cq; /* the driver's */
};

static inline void *real(uint64_t offset)
{
	void *hva = mmap(NULL, MOCK_QUEUE, PROT_READ | PROT_WRITE, MAP_SHARED, mock.cmd_fd, offset);

	assert_ptr_not_equal(hva, MAP_FAILED);
	return hva;
}

static inline void create(struct test *t, uint32_t type)
{
	const struct bypass_rdma_create_cq cq = {.cqe = 5};
	struct bypass_rdma_cq cq_reply;
	struct bypass_rdma_qp qp_reply;
	struct bypass_rdma_create_qp qp = {
		.srq = BYPASS_RDMA_NONE,
		.type = type,
		.max_send_wr = 7,
		.max_recv_wr = 7,
	};
	uint64_t first;

	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	first = mock.next_offset;
	assert_int_equal(rdma_guest_call(&t->g,
					 &(struct rdma_guest_call){
						 .command = BYPASS_RDMA_CREATE_CQ,
						 .body = &cq,
						 .body_size = sizeof(cq),
						 .reply = &cq_reply,
						 .reply_size = sizeof(cq_reply),
						 .udata_room = sizeof(struct rxe_create_cq_resp)}),
			 0);
	qp.pd = t->pd;
	t->cq = cq_reply.handle;
	t->cq_copy = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[0].shm_offset);
	t->real_cq = real(first);
	qp.send_cq = qp.recv_cq = t->cq;
	first = mock.next_offset;
	assert_int_equal(rdma_guest_call(&t->g,
					 &(struct rdma_guest_call){
						 .command = BYPASS_RDMA_CREATE_QP,
						 .body = &qp,
						 .body_size = sizeof(qp),
						 .reply = &qp_reply,
						 .reply_size = sizeof(qp_reply),
						 .udata_room = sizeof(struct rxe_create_qp_resp)}),
			 0);
	t->qp = qp_reply.handle;
	t->receive = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[0].shm_offset);
	t->send = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[1].shm_offset);
	t->real_receive = real(first);
	t->real_send = real(first + MOCK_QUEUE);
}

static inline int set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	struct bypass_virtio_device *dev = mock_open("mock0,shm=256K");

	assert_non_null(dev);
	guest_init(&t->g.guest, 16 << 20);
	rdma_guest_start(&t->g, dev);
	assert_int_equal(rdma_guest_set_doorbell(&t->g), 0);
	*state = t;
	return 0;
}

static inline int tear_down(void **state)
{
	struct test *t = *state;

	rdma_guest_stop(&t->g);
	munmap(t->real_send, MOCK_QUEUE);
	munmap(t->real_receive, MOCK_QUEUE);
	munmap(t->real_cq, MOCK_QUEUE);
	free(t);
	assert_int_equal(mock_objects(), 0);
	return 0;
}

static inline void *slot(struct rxe_queue_buf *q, uint32_t index)
{
	return q->data + ((size_t)(index & MOCK_MASK) << MOCK_SHIFT);
}

static inline struct rxe_send_wqe *next_send(struct test *t)
{
	struct rxe_send_wqe *wqe = slot(t->send, t->send->producer_index);

	memset(wqe, 0, 1 << MOCK_SHIFT);
	wqe->wr.wr_id = 0x1234;
	return wqe;
}

/* Post what was written to next_send(), and return what the driver sees of it. */
static inline struct rxe_send_wqe *post(struct test *t)
{
	uint32_t at = t->send->producer_index;
	uint32_t sends = __atomic_load_n(&mock.post_sends, __ATOMIC_SEQ_CST);

	__atomic_store_n(&t->send->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	rdma_guest_post_send(&t->g, t->qp);
	assert_true(guest_reaches(&t->real_send->producer_index, (at + 1) & MOCK_MASK));
	assert_true(guest_reaches(&mock.post_sends, sends + 1));
	/* The driver has done it. */
	__atomic_store_n(&t->real_send->consumer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->send->consumer_index, (at + 1) & MOCK_MASK));
	return slot(t->real_send, at);
}

/* The driver has completed a request. */
static inline void complete(struct test *t, uint64_t wr_id)
{
	uint32_t at = __atomic_load_n(&t->real_cq->producer_index, __ATOMIC_RELAXED);
	struct ib_uverbs_wc *wc = slot(t->real_cq, at);

	*wc = (struct ib_uverbs_wc){.wr_id = wr_id, .qp_num = 17};
	__atomic_store_n(&t->real_cq->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
