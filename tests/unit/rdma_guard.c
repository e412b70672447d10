// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way for rxe: what a guest writes into its copy of a work queue, and what of
 * it reaches the driver's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <sys/stat.h>

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

static void *real(uint64_t offset)
{
	void *hva = mmap(NULL, MOCK_QUEUE, PROT_READ | PROT_WRITE, MAP_SHARED, mock.cmd_fd, offset);

	assert_ptr_not_equal(hva, MAP_FAILED);
	return hva;
}

static void create(struct test *t, uint32_t type)
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

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void *slot(struct rxe_queue_buf *q, uint32_t index)
{
	return q->data + ((size_t)(index & MOCK_MASK) << MOCK_SHIFT);
}

static struct rxe_send_wqe *next_send(struct test *t)
{
	struct rxe_send_wqe *wqe = slot(t->send, t->send->producer_index);

	memset(wqe, 0, 1 << MOCK_SHIFT);
	wqe->wr.wr_id = 0x1234;
	return wqe;
}

static bool reaches(const uint32_t *index, uint32_t wanted);

/* Wait until the rings have been moved once more: a receive that is posted now goes with the rest. */
static void rings_seen(struct test *t)
{
	uint32_t at = t->receive->producer_index;

	__atomic_store_n(&t->receive->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, (at + 1) & MOCK_MASK));
	/* Receives are moved before sends: the next one is moved after these sends. */
	__atomic_store_n(&t->receive->producer_index, (at + 2) & MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, (at + 2) & MOCK_MASK));
}

static bool reaches(const uint32_t *index, uint32_t wanted)
{
	for (int ms = 0; ms < 5000; ms++) {
		if (__atomic_load_n(index, __ATOMIC_ACQUIRE) == wanted)
			return true;
		usleep(1000);
	}
	return false;
}

/* Post what was written to next_send(), and return what the driver sees of it. */
static struct rxe_send_wqe *post(struct test *t)
{
	uint32_t at = t->send->producer_index;
	uint32_t sends = __atomic_load_n(&mock.post_sends, __ATOMIC_SEQ_CST);

	__atomic_store_n(&t->send->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	rdma_guest_post_send(&t->g, t->qp);
	assert_true(reaches(&t->real_send->producer_index, (at + 1) & MOCK_MASK));
	assert_true(reaches(&mock.post_sends, sends + 1));
	/* The driver has done it. */
	__atomic_store_n(&t->real_send->consumer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(reaches(&t->send->consumer_index, (at + 1) & MOCK_MASK));
	return slot(t->real_send, at);
}

static bool failing(const struct rxe_send_wqe *wqe)
{
	return wqe->wr.wr_id == 0x1234 && wqe->wr.opcode == IB_UVERBS_WR_SEND &&
	       wqe->dma.num_sge == 1 && wqe->dma.length == 1 && wqe->dma.sge[0].lkey == 0 &&
	       !wqe->wr.wr.rdma.remote_addr && !wqe->state;
}

static void test_sound(void **state)
{
	struct test *t = *state;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	assert_int_equal(t->send->index_mask, MOCK_MASK);
	/* More rounds than the queue has elements. */
	for (uint32_t i = 0; i < 20; i++) {
		wqe = next_send(t);
		wqe->wr.opcode = IB_UVERBS_WR_RDMA_WRITE;
		wqe->wr.wr.rdma.remote_addr = 0x1000 + i;
		wqe->wr.wr.rdma.rkey = 77;
		wqe->wr.send_flags = 2;
		wqe->iova = 0x1000 + i;
		wqe->dma.num_sge = 2;
		wqe->dma.sge[0] = (struct rxe_sge){0x5000, 100, 3};
		wqe->dma.sge[1] = (struct rxe_sge){0x6000, 20, 4};
		/* What is the driver's own to write, and what lies about the length. */
		wqe->dma.length = 7;
		wqe->dma.resid = 0x7fffffff;
		wqe->dma.cur_sge = 0x10000000;
		wqe->dma.sge_offset = -5;
		wqe->state = 3;
		wqe->mask = -1;
		wqe->first_psn = wqe->last_psn = wqe->ssn = wqe->has_rd_atomic = 9;
		wqe = post(t);
		assert_int_equal(wqe->wr.wr_id, 0x1234);
		assert_int_equal(wqe->wr.opcode, IB_UVERBS_WR_RDMA_WRITE);
		assert_int_equal(wqe->wr.wr.rdma.remote_addr, 0x1000 + i);
		assert_int_equal(wqe->dma.num_sge, 2);
		assert_int_equal(wqe->dma.sge[1].addr, 0x6000);
		assert_int_equal(wqe->dma.length, 120);
		assert_int_equal(wqe->dma.resid, 120);
		assert_int_equal(wqe->dma.cur_sge | wqe->dma.sge_offset | wqe->state | wqe->mask,
				 0);
		assert_int_equal(wqe->first_psn | wqe->last_psn | wqe->ssn | wqe->has_rd_atomic, 0);
	}
	assert_int_equal(mock.post_sends, 20);
}

static void test_inline(void **state)
{
	const uint32_t room = (1 << MOCK_SHIFT) - sizeof(struct rxe_send_wqe);
	struct test *t = *state;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	wqe->wr.send_flags = 1 << 3;
	wqe->dma.length = room;
	wqe->dma.num_sge = 50;
	memset(wqe->dma.inline_data, 'x', room);
	wqe = post(t);
	assert_int_equal(wqe->dma.resid, room);
	assert_int_equal(wqe->dma.num_sge, 0);
	assert_int_equal(wqe->dma.inline_data[room - 1], 'x');

	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	wqe->wr.send_flags = 1 << 3;
	wqe->dma.length = room + 1;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_RDMA_READ;
	wqe->wr.send_flags = 1 << 3;
	assert_true(failing(post(t)));
}

/* Of the specification 1.5: requests without scatter lists that read or write the peer's memory. */
static void test_flush(void **state)
{
	const struct rxe_flush_wr flush = {
		.remote_addr = 0x1000, .length = 0x2000, .rkey = 77, .type = 1, .level = 1};
	struct test *t = *state;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	wqe = next_send(t);
	wqe->wr.opcode = RDMA_WR_FLUSH;
	memcpy(&wqe->wr.wr, &flush, sizeof(flush));
	wqe->iova = 0x666000;
	wqe->dma.num_sge = 5000;
	wqe->dma.length = 1;
	wqe = post(t);
	assert_int_equal(wqe->wr.opcode, RDMA_WR_FLUSH);
	assert_memory_equal(&wqe->wr.wr, &flush, sizeof(flush));
	assert_int_equal(wqe->iova, 0x1000);
	assert_int_equal(wqe->dma.num_sge, 0);
	assert_int_equal(wqe->dma.length, 0x2000);
	assert_int_equal(wqe->dma.resid, 0x2000);

	wqe = next_send(t);
	wqe->wr.opcode = RDMA_WR_ATOMIC_WRITE;
	wqe->wr.wr.rdma.remote_addr = 0x3000;
	wqe->dma.num_sge = 5000;
	wqe->dma.length = 0x7fffffff;
	memcpy(wqe->dma.inline_data, "8 bytes.", 8);
	wqe = post(t);
	assert_int_equal(wqe->wr.opcode, RDMA_WR_ATOMIC_WRITE);
	assert_int_equal(wqe->iova, 0x3000);
	assert_int_equal(wqe->dma.num_sge, 0);
	assert_int_equal(wqe->dma.length, 8);
	assert_int_equal(wqe->dma.resid, 8);
	assert_memory_equal(wqe->dma.inline_data, "8 bytes.", 8);

	wqe = next_send(t);
	wqe->wr.opcode = RDMA_WR_ATOMIC_WRITE;
	wqe->wr.wr.rdma.remote_addr = -4;
	assert_true(failing(post(t)));
}

/* A driver that does not say that it has them does not know these requests. */
static int set_up_plain(void **state)
{
	mock.plain = true;
	return set_up(state);
}

static int tear_down_plain(void **state)
{
	mock.plain = false;
	return tear_down(state);
}

static void refuse_flush(struct test *t)
{
	for (uint32_t opcode = RDMA_WR_FLUSH; opcode <= RDMA_WR_ATOMIC_WRITE; opcode++) {
		struct rxe_send_wqe *wqe = next_send(t);

		wqe->wr.opcode = opcode;
		wqe->wr.wr.rdma.remote_addr = 0x1000;
		assert_true(failing(post(t)));
	}
}

static void test_no_flush(void **state)
{
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	refuse_flush(t);
}

static void test_flush_unreliable(void **state)
{
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_UC);
	refuse_flush(t);
}

static void test_unsound(void **state)
{
	/* A kernel's operation (with a pointer in it), unknown ones, and such past the table. */
	static const uint32_t opcodes[] = {0x20, 12, 13, 16, 31, 32, 0x80000000, -1u};
	struct test *t = *state;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		wqe = next_send(t);
		wqe->wr.opcode = opcodes[i];
		wqe->wr.wr.rdma.remote_addr = 0xffff888000000000;
		assert_true(failing(post(t)));
	}
	wqe = next_send(t);
	wqe->dma.num_sge = ((1 << MOCK_SHIFT) - sizeof(*wqe)) / 16 + 1;
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->dma.num_sge = 2;
	wqe->dma.sge[0].length = wqe->dma.sge[1].length = 0x80000000;
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	wqe->wr.send_flags = 1 << 4;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_ATOMIC_FETCH_AND_ADD;
	wqe->dma.num_sge = 1;
	wqe->dma.sge[0].length = 16;
	assert_true(failing(post(t)));
}

/* Memory that goes over the end of all addresses, at this end or at the other one. */
static void test_wrapped(void **state)
{
	static const struct {
		uint32_t opcode, length;
		uint64_t local, remote;
		bool sound;
	} cases[] = {
		{IB_UVERBS_WR_SEND, 64, -64, 0, false},
		{IB_UVERBS_WR_SEND, 63, -64, -1, true},
		{IB_UVERBS_WR_RDMA_WRITE, 64, 0x5000, -64, false},
		{IB_UVERBS_WR_RDMA_WRITE, 64, 0x5000, -65, true},
		{IB_UVERBS_WR_RDMA_WRITE_WITH_IMM, 64, 0x5000, -1, false},
		{IB_UVERBS_WR_RDMA_READ, 4096, 0x5000, -4095, false},
		{IB_UVERBS_WR_ATOMIC_FETCH_AND_ADD, 8, 0x5000, -8, false},
		{IB_UVERBS_WR_ATOMIC_CMP_AND_SWP, 8, 0x5000, -16, true},
	};
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rxe_send_wqe *wqe = next_send(t);

		wqe->wr.opcode = cases[i].opcode;
		wqe->wr.wr.rdma.remote_addr = cases[i].remote;
		wqe->iova = -1;
		wqe->dma.num_sge = 1;
		wqe->dma.sge[0] = (struct rxe_sge){cases[i].local, cases[i].length, 7};
		wqe = post(t);
		assert_int_equal(failing(wqe), !cases[i].sound);
		/* Of the two places for the address, the driver sends this one. */
		if (cases[i].sound && cases[i].opcode != IB_UVERBS_WR_SEND)
			assert_int_equal(wqe->iova, cases[i].remote);
	}
}

static void test_mws(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_alloc_mw body = {.pd = t->pd};
	struct bypass_rdma_device device;
	struct bypass_rdma_mr mw;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	/* Neither MWs of its own, nor a key that it has guessed. */
	for (body.type = 1; body.type <= 2; body.type++)
		assert_int_equal(RDMA_GUEST_CALL(&t->g, ALLOC_MW, &body, &mw),
				 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(
		rdma_guest_call(&t->g,
				&(struct rdma_guest_call){.command = BYPASS_RDMA_QUERY_DEVICE,
							  .reply = &device,
							  .reply_size = sizeof(device)}),
		0);
	assert_int_equal(device.max_mw, 0);
	/* Nor can it resize an SRQ. */
	assert_int_equal(device.device_cap_flags,
			 RDMA_CAP_FLUSH_GLOBAL | RDMA_CAP_FLUSH_PERSISTENT | RDMA_CAP_ATOMIC_WRITE);
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_LOCAL_INV;
	wqe->wr.ex.invalidate_rkey = 0x100;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND_WITH_INV;
	wqe->wr.ex.invalidate_rkey = 0x100;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_BIND_MW;
	wqe->wr.wr.mw.addr = 0x10000;
	wqe->wr.wr.mw.length = 0x1000;
	assert_true(failing(post(t)));
}

static void test_ud(void **state)
{
	struct test *t = *state;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_UD);
	/* No handle, but an address of the guest's own making. */
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	wqe->wr.wr.ud.av.network_type = RXE_NETWORK_TYPE_IPV4;
	assert_true(failing(post(t)));
	/* The Q_Key of every host's queue pair 1. */
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND;
	wqe->wr.wr.ud.ah_num = 12;
	wqe->wr.wr.ud.remote_qkey = 0x80010000;
	assert_true(failing(post(t)));
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_SEND_WITH_IMM;
	wqe->wr.wr.ud.ah_num = 12;
	wqe->wr.wr.ud.remote_qkey = 0x11111111;
	wqe->wr.wr.ud.pkey_index = 999;
	wqe = post(t);
	assert_int_equal(wqe->wr.wr.ud.ah_num, 12);
	assert_int_equal(wqe->wr.wr.ud.pkey_index, 0);
	wqe = next_send(t);
	wqe->wr.opcode = IB_UVERBS_WR_RDMA_WRITE;
	assert_true(failing(post(t)));
}

static void test_receive(void **state)
{
	struct test *t = *state;
	struct rxe_recv_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	wqe = slot(t->receive, 0);
	wqe->wr_id = 5;
	wqe->dma.num_sge = 1;
	wqe->dma.sge[0] = (struct rxe_sge){0x5000, 64, 3};
	wqe->dma.cur_sge = 100000;
	wqe = slot(t->receive, 1);
	wqe->wr_id = 6;
	wqe->dma.num_sge = -1u;
	/* Nobody rings for a receive. */
	__atomic_store_n(&t->receive->producer_index, 2, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, 2));
	wqe = slot(t->real_receive, 0);
	assert_int_equal(wqe->wr_id, 5);
	assert_int_equal(wqe->dma.length, 64);
	assert_int_equal(wqe->dma.cur_sge, 0);
	wqe = slot(t->real_receive, 1);
	assert_int_equal(wqe->wr_id, 6);
	assert_int_equal(wqe->dma.num_sge, 1);
	assert_int_equal(wqe->dma.sge[0].lkey, 0);
}

/* What is received into was posted before what is sent, by an older queue pair or a newer one. */
static void test_order(void **state)
{
	struct test *older = *state, newer;

	create(older, IB_UVERBS_QPT_UD);
	newer = *older;
	create(&newer, IB_UVERBS_QPT_UD);
	for (uint32_t i = 1; i <= MOCK_MASK; i++) {
		struct test *from = i % 2 ? &newer : older, *to = i % 2 ? older : &newer;
		uint32_t index = (to->receive->producer_index + 1) & MOCK_MASK;

		mock.watch = &to->real_receive->producer_index;
		__atomic_store_n(&to->receive->producer_index, index, __ATOMIC_RELEASE);
		post(from);
		assert_int_equal(mock.watched, index);
	}
	mock.watch = NULL;
}

static void test_full(void **state)
{
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	/* The driver is slow: its queue fills, and the guest's keeps the rest. */
	for (uint32_t i = 0; i < MOCK_MASK; i++)
		((struct rxe_send_wqe *)slot(t->send, i))->wr.opcode = IB_UVERBS_WR_SEND;
	__atomic_store_n(&t->send->producer_index, MOCK_MASK, __ATOMIC_RELEASE);
	rdma_guest_post_send(&t->g, t->qp);
	assert_true(reaches(&t->real_send->producer_index, MOCK_MASK));
	assert_true(reaches(&t->send->consumer_index, 0)); /* full, and says so */
	((struct rxe_send_wqe *)slot(t->send, MOCK_MASK))->wr.opcode = IB_UVERBS_WR_SEND;
	__atomic_store_n(&t->send->producer_index, 0, __ATOMIC_RELEASE);
	rdma_guest_post_send(&t->g, t->qp);
	rings_seen(t);
	assert_int_equal(t->real_send->producer_index, MOCK_MASK);
	__atomic_store_n(&t->real_send->consumer_index, 1, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_send->producer_index, 0));
	assert_int_equal(rdma_guest_stats(&t->g).copied, MOCK_MASK + 1 + 2); /* two receives */
}

/* The driver has completed a request. */
static void complete(struct test *t, uint64_t wr_id)
{
	uint32_t at = t->real_cq->producer_index;
	struct ib_uverbs_wc *wc = slot(t->real_cq, at);

	*wc = (struct ib_uverbs_wc){.wr_id = wr_id, .qp_num = 17};
	__atomic_store_n(&t->real_cq->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
}

static void inject_completion(struct test *t)
{
	const struct ib_uverbs_comp_event_desc desc = {.cq_handle = t->cq};

	assert_int_equal(write(mock.channels[0][1], &desc, sizeof(desc)), sizeof(desc));
}

/* The guest takes the next completion from its copy; 0: there is none. */
static uint64_t take_completion(struct test *t)
{
	uint32_t at = t->cq_copy->consumer_index;
	uint64_t wr_id;

	if (__atomic_load_n(&t->cq_copy->producer_index, __ATOMIC_ACQUIRE) == at)
		return 0;
	wr_id = ((struct ib_uverbs_wc *)slot(t->cq_copy, at))->wr_id;
	__atomic_store_n(&t->cq_copy->consumer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	return wr_id;
}

/* A guest that polls gets all completions in order, as many as its queue holds at a time. */
static void test_completions(void **state)
{
	struct test *t = *state;
	uint32_t arms;

	create(t, IB_UVERBS_QPT_RC);
	for (uint64_t i = 1; i <= 20; i++) {
		complete(t, i);
		assert_true(reaches(&t->cq_copy->producer_index, i & MOCK_MASK));
		assert_true(reaches(&t->real_cq->consumer_index, i & MOCK_MASK));
		assert_int_equal(take_completion(t), i);
	}
	assert_int_equal(take_completion(t), 0);
	/* Such a guest's CQ is armed for it, and the event moves what came; the guest hears nothing. */
	arms = __atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST);
	assert_int_not_equal(arms, 0);
	inject_completion(t);
	assert_true(reaches(&mock.arms, arms + 1));
	assert_int_equal(rdma_guest_stats(&t->g).completions, 0);
	/* The copy is full: the rest waits in the driver's. */
	for (uint64_t i = 21; i <= 20 + MOCK_MASK; i++)
		complete(t, i);
	assert_true(reaches(&t->real_cq->consumer_index, (20 + MOCK_MASK) & MOCK_MASK));
	complete(t, 30);
	for (uint64_t i = 21; i <= 20 + MOCK_MASK; i++)
		assert_int_equal(take_completion(t), i);
	assert_true(reaches(&t->cq_copy->producer_index, (21 + MOCK_MASK) & MOCK_MASK));
	assert_int_equal(take_completion(t), 30);
	/* Work requests are counted as copied, completions are not. */
	assert_int_equal(rdma_guest_stats(&t->g).copied, 0);
}

/* When the arming of a CQ is over, what came before is in the copy; what comes later makes an event. */
static void test_armed(void **state)
{
	struct test *t = *state;
	uint32_t event[2], arms;

	create(t, IB_UVERBS_QPT_RC);
	for (uint64_t i = 1; i <= 10; i++) {
		complete(t, i);
		assert_true(rdma_guest_arm(&t->g, t->cq));
		assert_int_equal(take_completion(t), i);
	}
	arms = __atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST);
	complete(t, 11);
	inject_completion(t);
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_VECTOR, 5000, event));
	assert_int_equal(event[0], t->cq);
	assert_int_equal(take_completion(t), 11);
	/* Not armed any more, by nobody: of a guest that arms only the guest arms. */
	complete(t, 12);
	assert_true(reaches(&t->cq_copy->producer_index, 12 & MOCK_MASK));
	inject_completion(t);
	assert_true(rdma_guest_arm(&t->g, t->cq));
	assert_int_equal(__atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST), arms + 1);
	assert_int_equal(take_completion(t), 12);
}

/* What the guest has not taken yet moves along to the new queue, or the resize is refused. */
static void test_resize_completions(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_resize_cq body = {.cqe = 2};
	struct bypass_rdma_cq reply;
	const struct rdma_guest_call call = {.command = BYPASS_RDMA_RESIZE_CQ,
					     .body = &body,
					     .body_size = sizeof(body),
					     .reply = &reply,
					     .reply_size = sizeof(reply),
					     .udata_room = sizeof(struct rxe_resize_cq_resp)};
	uint64_t offset;

	create(t, IB_UVERBS_QPT_RC);
	body.handle = t->cq;
	for (uint64_t i = 1; i <= 6; i++)
		complete(t, i);
	assert_true(reaches(&t->cq_copy->producer_index, 6));
	assert_int_equal(take_completion(t), 1);
	assert_int_equal(take_completion(t), 2);
	assert_int_equal(take_completion(t), 3);
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_INVALID);
	complete(t, 7);
	assert_true(reaches(&t->cq_copy->producer_index, 7));
	body.cqe = 5;
	offset = mock.next_offset;
	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	munmap(t->real_cq, MOCK_QUEUE);
	t->real_cq = real(offset);
	t->cq_copy = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[0].shm_offset);
	assert_int_equal(t->cq_copy->consumer_index, 0);
	complete(t, 8);
	assert_true(reaches(&t->cq_copy->producer_index, 5));
	for (uint64_t i = 4; i <= 8; i++)
		assert_int_equal(take_completion(t), i);
	assert_int_equal(take_completion(t), 0);
}

static struct {
	unsigned int maps;
	int fd;
} shown;

static int shm_map(void *transport, uint64_t offset, uint64_t size, int fd, uint64_t fd_offset,
		   bool writable)
{
	(void)transport, (void)size, (void)writable;
	shown.maps++;
	shown.fd = fd;
	/* All lies in one file, which is the region: a front end may as well map it once. */
	return fd != mock.cmd_fd && fd_offset == offset ? 0 : -EINVAL;
}

static int shm_unmap(void *transport, uint64_t offset, uint64_t size)
{
	(void)transport, (void)offset, (void)size;
	return 0;
}

/* Whoever has the HCA's descriptor could make queues of his own: no front end gets it. */
static void test_out_of_process(void **state)
{
	static const struct bypass_virtio_carrier carrier = {.shm_map = shm_map,
							     .shm_unmap = shm_unmap};
	struct test *t = *state;
	struct stat file;

	assert_int_equal(t->g.dev->ops->attach(t->g.dev, &carrier, t), 0);
	create(t, IB_UVERBS_QPT_RC);
	assert_int_equal(shown.maps, 3);
	assert_int_equal(fstat(shown.fd, &file), 0);
	assert_int_equal(file.st_size, t->g.dev->shm.size);
	assert_int_not_equal(ftruncate(shown.fd, 0), 0);
}

/* Who has done nothing yet with what it was given has no room for more. */
static void test_full_receive(void **state)
{
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	__atomic_store_n(&t->receive->producer_index, MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, MOCK_MASK));
	/* All are moved, and a completion comes: the queue stays full. */
	complete(t, 1);
	assert_true(reaches(&t->cq_copy->producer_index, 1));
	assert_true(reaches(&t->receive->consumer_index, 0));
	/* Three are used up; the completion that says so comes no earlier than the room. */
	__atomic_store_n(&t->real_receive->consumer_index, 3, __ATOMIC_RELEASE);
	complete(t, 2);
	assert_true(reaches(&t->cq_copy->producer_index, 2));
	assert_int_equal(__atomic_load_n(&t->receive->consumer_index, __ATOMIC_ACQUIRE), 3);
}

/* What was posted before a reset is gone, also what the driver's queue had no room for. */
static void test_reset(void **state)
{
	struct test *t = *state;
	const struct bypass_rdma_modify_qp body = {.handle = t->qp, .mask = IBV_QP_STATE};
	struct bypass_rdma_modify_qp reset;

	create(t, IB_UVERBS_QPT_RC);
	reset = body;
	reset.handle = t->qp;
	for (uint32_t i = 0; i <= MOCK_MASK; i++)
		((struct rxe_recv_wqe *)slot(t->receive, i))->wr_id = i;
	__atomic_store_n(&t->receive->producer_index, MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, MOCK_MASK));
	__atomic_store_n(&t->receive->producer_index, 3, __ATOMIC_RELEASE);
	assert_int_equal(
		rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_MODIFY_QP,
								 .body = &reset,
								 .body_size = sizeof(reset)}),
		0);
	/* As the driver does upon a reset. */
	__atomic_store_n(&t->real_receive->consumer_index, MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(reaches(&t->receive->consumer_index, 3));
	((struct rxe_recv_wqe *)slot(t->receive, 3))->wr_id = 100;
	__atomic_store_n(&t->receive->producer_index, 4, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, 0));
	assert_int_equal(((struct rxe_recv_wqe *)slot(t->real_receive, MOCK_MASK))->wr_id, 100);
	assert_true(reaches(&t->receive->consumer_index, 3));
}

static _Atomic bool quiet;

static void *keep_arming(void *opaque)
{
	struct rdma_guest *g = opaque;
	uint32_t qps = g->config.max_qp, cqs = g->config.max_cq;

	while (!atomic_load(&quiet)) {
		rdma_guest_ring(g, BYPASS_RDMA_ARM_OFFSET(qps), 0);
		rdma_guest_ring(g, BYPASS_RDMA_ARM_SOLICITED_OFFSET(qps, cqs), 0);
	}
	return NULL;
}

/* Who arms all the time keeps nobody's requests from being moved. */
static void test_busy(void **state)
{
	struct test *t = *state;
	pthread_t thread;

	create(t, IB_UVERBS_QPT_RC);
	mock.use_us = 5000;
	atomic_store(&quiet, false);
	assert_int_equal(pthread_create(&thread, NULL, keep_arming, &t->g), 0);
	while (__atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST) < 10)
		usleep(1000);
	__atomic_store_n(&t->receive->producer_index, 1, __ATOMIC_RELEASE);
	assert_true(reaches(&t->real_receive->producer_index, 1));
	/* At once, and not when by chance nothing was to be armed. */
	assert_true(__atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST) < 500);
	atomic_store(&quiet, true);
	pthread_join(thread, NULL);
}

/* A guest that writes while the slice's thread reads: a race, which the slice must survive. */
__attribute__((no_sanitize("thread"))) static void scribble(void *queue, uint32_t word, size_t size)
{
	for (volatile uint32_t *at = queue; size; at++, size -= sizeof(*at))
		*at = word;
}

/* Indices and geometry in the guest's copy mean nothing but how much it has posted. */
static void test_wild_header(void **state)
{
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	scribble(t->send, 0xffffffff, sizeof(*t->send));
	rdma_guest_post_send(&t->g, t->qp);
	assert_true(reaches(&t->real_send->producer_index, MOCK_MASK));
	assert_int_equal(t->real_send->index_mask, MOCK_MASK);
	scribble(t->send, 0x55555555, MOCK_QUEUE);
	rdma_guest_post_send(&t->g, t->qp);
	rings_seen(t);
	assert_true(t->real_send->producer_index <= MOCK_MASK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flush),
		TEST(test_flush_unreliable),
		cmocka_unit_test_setup_teardown(test_no_flush, set_up_plain, tear_down_plain),
		TEST(test_sound),
		TEST(test_inline),
		TEST(test_unsound),
		TEST(test_wrapped),
		TEST(test_mws),
		TEST(test_ud),
		TEST(test_receive),
		TEST(test_order),
		TEST(test_full),
		TEST(test_wild_header),
		TEST(test_busy),
		TEST(test_completions),
		TEST(test_armed),
		TEST(test_resize_completions),
		TEST(test_out_of_process),
		TEST(test_full_receive),
		TEST(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
