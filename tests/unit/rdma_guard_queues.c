// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way for rxe: the copies as queues, which fill, are reset, are written at will, and are
 * moved in an order.
 */
#include <sys/stat.h>

#include "rdma_guard.h"

/* Wait until the rings have been moved once more: a receive that is posted now goes with the rest. */
static void rings_seen(struct test *t)
{
	uint32_t at = t->receive->producer_index;

	__atomic_store_n(&t->receive->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->real_receive->producer_index, (at + 1) & MOCK_MASK));
	/* Receives are moved before sends: the next one is moved after these sends. */
	__atomic_store_n(&t->receive->producer_index, (at + 2) & MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->real_receive->producer_index, (at + 2) & MOCK_MASK));
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

/* A peer may send once the queue pair is in a group, or modified: what the guest has posted is there. */
static void test_posted_before(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_modify_qp modify = {
		.mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY,
		.attr = {.qp_state = IBV_QPS_INIT, .port = 1},
	};
	struct bypass_rdma_mcast group = {.gid = {0xff}};
	const struct rdma_guest_call calls[] = {
		{.command = BYPASS_RDMA_MODIFY_QP, .body = &modify, .body_size = sizeof(modify)},
		{.command = BYPASS_RDMA_ATTACH_MCAST, .body = &group, .body_size = sizeof(group)},
	};
	uint32_t status;

	create(t, IB_UVERBS_QPT_UD);
	modify.handle = group.qp = t->qp;
	for (uint32_t i = 1; i <= MOCK_MASK; i++) {
		/* From now on the slice's thread looks into the queues every 16 ms, and is seldom in time. */
		usleep(50000);
		group.gid[15] = i;
		__atomic_store_n(&t->receive->producer_index, i, __ATOMIC_RELEASE);
		mock.watch = &t->real_receive->producer_index;
		status = rdma_guest_call(&t->g, &calls[i % 2]);
		mock.watch = NULL;
		assert_int_equal(status, 0);
		assert_int_equal(mock.watched, i);
	}
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
	assert_true(guest_reaches(&t->real_send->producer_index, MOCK_MASK));
	assert_true(guest_reaches(&t->send->consumer_index, 0)); /* full, and says so */
	((struct rxe_send_wqe *)slot(t->send, MOCK_MASK))->wr.opcode = IB_UVERBS_WR_SEND;
	__atomic_store_n(&t->send->producer_index, 0, __ATOMIC_RELEASE);
	rdma_guest_post_send(&t->g, t->qp);
	rings_seen(t);
	assert_int_equal(t->real_send->producer_index, MOCK_MASK);
	__atomic_store_n(&t->real_send->consumer_index, 1, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->real_send->producer_index, 0));
	assert_int_equal(rdma_guest_stats(&t->g).copied, MOCK_MASK + 1 + 2); /* two receives */
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
	assert_true(guest_reaches(&t->real_receive->producer_index, MOCK_MASK));
	/* All are moved, and a completion comes: the queue stays full. */
	complete(t, 1);
	assert_true(guest_reaches(&t->cq_copy->producer_index, 1));
	assert_true(guest_reaches(&t->receive->consumer_index, 0));
	/* Three are used up; the completion that says so comes no earlier than the room. */
	__atomic_store_n(&t->real_receive->consumer_index, 3, __ATOMIC_RELEASE);
	complete(t, 2);
	assert_true(guest_reaches(&t->cq_copy->producer_index, 2));
	assert_int_equal(__atomic_load_n(&t->receive->consumer_index, __ATOMIC_ACQUIRE), 3);
}

static struct test *armed;

/* While the slice arms the CQ, of which it knows one completion, the driver has used up three. */
static void use_up_three(void)
{
	mock.on_arm = NULL;
	__atomic_store_n(&armed->real_receive->consumer_index, 3, __ATOMIC_RELEASE);
	__atomic_store_n(&armed->real_cq->producer_index, 2, __ATOMIC_RELEASE);
}

static void test_room_at_second_look(void **state)
{
	const time_t end = time(NULL) + 60;

	armed = *state;
	create(armed, IB_UVERBS_QPT_RC);
	__atomic_store_n(&armed->receive->producer_index, MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&armed->real_receive->producer_index, MOCK_MASK));
	mock.on_arm = use_up_three;
	complete(armed, 1);
	/* At once: a millisecond later the slice looks at all queues anyway. */
	while (__atomic_load_n(&armed->cq_copy->producer_index, __ATOMIC_ACQUIRE) != 2)
		assert_true(time(NULL) < end);
	assert_int_equal(__atomic_load_n(&armed->receive->consumer_index, __ATOMIC_ACQUIRE), 3);
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
	assert_true(guest_reaches(&t->real_receive->producer_index, MOCK_MASK));
	__atomic_store_n(&t->receive->producer_index, 3, __ATOMIC_RELEASE);
	assert_int_equal(
		rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_MODIFY_QP,
								 .body = &reset,
								 .body_size = sizeof(reset)}),
		0);
	/* As the driver does upon a reset. */
	__atomic_store_n(&t->real_receive->consumer_index, MOCK_MASK, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->receive->consumer_index, 3));
	((struct rxe_recv_wqe *)slot(t->receive, 3))->wr_id = 100;
	__atomic_store_n(&t->receive->producer_index, 4, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->real_receive->producer_index, 0));
	assert_int_equal(((struct rxe_recv_wqe *)slot(t->real_receive, MOCK_MASK))->wr_id, 100);
	assert_true(guest_reaches(&t->receive->consumer_index, 3));
}

static struct rxe_queue_buf *shared; /* the guest's copy of a shared receive queue */

static void post_shared(uint64_t wr_id)
{
	uint32_t at = shared->producer_index;

	((struct rxe_recv_wqe *)slot(shared, at))->wr_id = wr_id;
	__atomic_store_n(&shared->producer_index, (at + 1) & MOCK_MASK, __ATOMIC_RELEASE);
}

static void post_while_resized(void)
{
	post_shared(7);
}

static uint32_t create_shared(struct test *t)
{
	const struct bypass_rdma_create_srq body = {.pd = t->pd, .max_wr = MOCK_MASK, .max_sge = 1};
	struct bypass_rdma_srq reply;

	assert_int_equal(rdma_guest_call(&t->g,
					 &(struct rdma_guest_call){
						 .command = BYPASS_RDMA_CREATE_SRQ,
						 .body = &body,
						 .body_size = sizeof(body),
						 .reply = &reply,
						 .reply_size = sizeof(reply),
						 .udata_room = sizeof(struct rxe_create_srq_resp)}),
			 0);
	shared = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[0].shm_offset);
	return reply.handle;
}

/* What waits in a shared receive queue moves along to the new queue, or the resize is refused. */
static void test_resize_shared(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_modify_srq body = {.mask = BYPASS_RDMA_SRQ_MAX_WR, .max_wr = 2};
	const struct rxe_modify_srq_cmd blob = {.mmap_info_addr = 0xdead0000};
	const struct rdma_guest_call call = {.command = BYPASS_RDMA_MODIFY_SRQ,
					     .body = &body,
					     .body_size = sizeof(body),
					     .udata = &blob,
					     .udata_size = sizeof(blob)};
	struct rxe_queue_buf *driver;

	create(t, IB_UVERBS_QPT_RC);
	body.handle = create_shared(t);
	driver = real(mock.srq_offset);
	for (uint64_t i = 1; i <= 5; i++)
		post_shared(i);
	assert_true(guest_reaches(&driver->producer_index, 5));
	__atomic_store_n(&driver->consumer_index, 2, __ATOMIC_RELEASE);
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_INVALID);
	post_shared(6);
	assert_true(guest_reaches(&driver->producer_index, 6));
	body.max_wr = 5;
	mock.on_resize = post_while_resized;
	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	munmap(driver, MOCK_QUEUE);
	driver = real(mock.srq_offset);
	shared = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[0].shm_offset);
	assert_int_equal(shared->producer_index, 5);
	assert_true(guest_reaches(&driver->producer_index, 5));
	post_shared(8);
	assert_true(guest_reaches(&driver->producer_index, 6));
	for (uint64_t i = 3; i <= 8; i++)
		assert_int_equal(((struct rxe_recv_wqe *)slot(driver, i - 3))->wr_id, i);
	munmap(driver, MOCK_QUEUE);
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
	assert_true(guest_await(__atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST) >= 10));
	__atomic_store_n(&t->receive->producer_index, 1, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->real_receive->producer_index, 1));
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
	assert_true(guest_reaches(&t->real_send->producer_index, MOCK_MASK));
	assert_int_equal(t->real_send->index_mask, MOCK_MASK);
	scribble(t->send, 0x55555555, MOCK_QUEUE);
	rdma_guest_post_send(&t->g, t->qp);
	rings_seen(t);
	assert_true(t->real_send->producer_index <= MOCK_MASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),	 TEST(test_posted_before),
		TEST(test_full),	 TEST(test_wild_header),
		TEST(test_busy),	 TEST(test_out_of_process),
		TEST(test_full_receive), TEST(test_room_at_second_look),
		TEST(test_reset),	 TEST(test_resize_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
