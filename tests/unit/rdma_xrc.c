// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XRC on mlx5: domains that no process owns, shared receive queues and queue pairs of theirs, what
 * each of these may name, and which attributes the two halves of a connection have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_mlx5.h"

#define USER	0x7f0000001000ull /* where a process has its queue … */
#define RECORD	(USER + 0x10000)  /* … and its doorbell record */
#define ENTRIES 63u		  /* of a queue; with one more, of 64 bytes each: one page */
#define NONE	BYPASS_RDMA_NONE

struct test {
	struct rdma_guest g;
	uint32_t pd, cq, xrcd;
	uint64_t page, list;
};

/* A queue of one page as the module describes it. */
struct description {
	struct bypass_rdma_queue_memory memory;
	uint64_t list;
} __attribute__((packed));

static struct description describe(const struct test *t, uint64_t size)
{
	return (struct description){
		.memory = {.size = size, .record = t->page, .run_pages = 1, .last_runs = 1},
		.list = t->list,
	};
}

/* A command; @d: its queue, or NULL. */
static uint32_t call(struct test *t, uint32_t command, const void *body, uint32_t body_size,
		     const void *blob, uint32_t blob_size, const struct description *d, void *reply,
		     uint32_t reply_size)
{
	return rdma_guest_call(&t->g, &(struct rdma_guest_call){
					      .command = command,
					      .body = body,
					      .body_size = body_size,
					      .reply = reply,
					      .reply_size = reply_size,
					      .udata = blob,
					      .udata_size = blob_size,
					      .udata_room = 64,
					      .tail = d,
					      .tail_size = d ? sizeof(*d) : 0,
				      });
}

static uint32_t make_cq(struct test *t)
{
	const struct bypass_rdma_create_cq body = {.cqe = ENTRIES};
	const struct mlx5_ib_create_cq blob = {.buf_addr = USER, .db_addr = RECORD, .cqe_size = 64};
	const struct description d = describe(t, GUEST_PAGE);
	struct bypass_rdma_cq cq;

	assert_int_equal(call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 0);
	return cq.handle;
}

static int set_up_with(void **state, bool xrc)
{
	struct test *t = calloc(1, sizeof(*t));
	struct bypass_rdma_run run = {.size = GUEST_PAGE};
	struct bypass_virtio_device *dev;

	mock.driver = &mock_mlx5_driver;
	mock.no_xrc = !xrc;
	memset(&mock_mlx5, 0, sizeof(mock_mlx5));
	dev = mock_open("mock0,qps=8,cqs=4,srqs=2,xrcds=2,ucontexts=3,shm=64K,vectors=2");
	assert_non_null(dev);
	guest_init(&t->g.guest, 4 << 20);
	rdma_guest_start(&t->g, dev);
	assert_int_equal(mlx5_open(&t->g, &t->g.ucontext), 0);
	t->page = run.gpa = guest_alloc(&t->g.guest, GUEST_PAGE);
	t->list = guest_alloc(&t->g.guest, GUEST_PAGE);
	memcpy(t->g.guest.ram + t->list, &run, sizeof(run));
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	t->cq = make_cq(t);
	*state = t;
	return 0;
}

static int set_up(void **state)
{
	struct test *t;

	set_up_with(state, true);
	t = *state;
	return (int)rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_XRCD, &t->xrcd);
}

static int set_up_without(void **state)
{
	return set_up_with(state, false);
}

static int tear_down(void **state)
{
	struct test *t = *state;

	rdma_guest_stop(&t->g);
	free(t);
	mock.driver = NULL;
	mock.no_xrc = false;
	assert_int_equal(mock_objects(), 0);
	return 0;
}

static uint64_t query_caps(struct test *t)
{
	struct bypass_rdma_device device;

	assert_int_equal(
		call(t, BYPASS_RDMA_QUERY_DEVICE, NULL, 0, NULL, 0, NULL, &device, sizeof(device)),
		0);
	return device.device_cap_flags;
}

static struct bypass_rdma_create_xsrq good_srq(const struct test *t)
{
	return (struct bypass_rdma_create_xsrq){
		.srq = {.pd = t->pd, .max_wr = ENTRIES, .max_sge = 2},
		.xrcd = t->xrcd,
		.cq = t->cq,
	};
}

static uint32_t create_srq(struct test *t, struct bypass_rdma_create_xsrq body,
			   struct bypass_rdma_xsrq *srq)
{
	const struct mlx5_ib_create_srq blob = {.buf_addr = USER, .db_addr = RECORD, .uidx = 3};
	const struct description d = describe(t, GUEST_PAGE);

	return call(t, BYPASS_RDMA_CREATE_XSRQ, &body, sizeof(body), &blob, sizeof(blob), &d, srq,
		    sizeof(*srq));
}

static struct bypass_rdma_create_qp good_initiator(const struct test *t)
{
	struct bypass_rdma_create_qp body = rdma_guest_qp(t->pd, t->cq, IB_UVERBS_QPT_XRC_INI);

	body.recv_cq = NONE;
	body.max_recv_wr = body.max_recv_sge = 0;
	return body;
}

static uint32_t create_initiator(struct test *t, struct bypass_rdma_create_qp body,
				 struct bypass_rdma_qp *qp)
{
	const struct mlx5_ib_create_qp blob = {
		.buf_addr = USER, .db_addr = RECORD, .sq_wqe_count = 64};
	const struct description d = describe(t, GUEST_PAGE);

	return call(t, BYPASS_RDMA_CREATE_QP, &body, sizeof(body), &blob, sizeof(blob), &d, qp,
		    sizeof(*qp));
}

static struct bypass_rdma_create_qp good_target(const struct test *t)
{
	return (struct bypass_rdma_create_qp){
		.pd = t->xrcd,
		.send_cq = NONE,
		.recv_cq = NONE,
		.srq = NONE,
		.type = IB_UVERBS_QPT_XRC_TGT,
	};
}

/* The guest's kernel asks, and not a process. */
static uint32_t create_target(struct test *t, struct bypass_rdma_create_qp body,
			      struct bypass_rdma_qp *qp)
{
	uint32_t process = t->g.ucontext, status;

	t->g.ucontext = NONE;
	status =
		call(t, BYPASS_RDMA_CREATE_QP, &body, sizeof(body), NULL, 0, NULL, qp, sizeof(*qp));
	t->g.ucontext = process;
	return status;
}

static void end_process(struct test *t)
{
	uint32_t process = t->g.ucontext;

	t->g.ucontext = NONE;
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, process), 0);
}

static void test_capability(void **state)
{
	struct test *t = *state;
	struct rdma_slice *s = rdma_slice(t->g.dev);

	assert_true(t->g.dev->features & 1ull << BYPASS_RDMA_F_XRC);
	assert_true(query_caps(t) & IB_UVERBS_DEVICE_XRC);
	/* A module that does not know of XRC. */
	s->features &= ~(1ull << BYPASS_RDMA_F_XRC);
	assert_false(query_caps(t) & IB_UVERBS_DEVICE_XRC);
}

static void test_hca_without(void **state)
{
	struct test *t = *state;

	assert_false(t->g.dev->features & 1ull << BYPASS_RDMA_F_XRC);
	assert_false(query_caps(t) & IB_UVERBS_DEVICE_XRC);
}

/* A domain stays when the process that asked first is gone, and is one of a quota. */
static void test_domain(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_xsrq srq;
	uint32_t second, third;

	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_XRCD, &second), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_XRCD, &third),
			 BYPASS_RDMA_E_QUOTA);
	end_process(t);
	assert_int_not_equal(mock_handle(MOCK_XRCD), 0);
	assert_int_equal(mlx5_open(&t->g, &t->g.ucontext), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	t->cq = make_cq(t);
	assert_int_equal(create_srq(t, good_srq(t), &srq), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_XRCD, second), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_XRCD, second),
			 BYPASS_RDMA_E_HANDLE);
	mock.busy = MOCK_XRCD;
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_XRCD, t->xrcd),
			 BYPASS_RDMA_E_BUSY);
	mock.busy = MOCK_NONE;
}

static void test_srq(void **state)
{
	struct test *t = *state;
	uint64_t pinned = rdma_guest_stats(&t->g).pinned_bytes;
	struct bypass_rdma_create_xsrq body;
	struct bypass_rdma_xsrq srq;

	assert_int_equal(create_srq(t, good_srq(t), &srq), 0);
	assert_int_equal(mock_mlx5.size, GUEST_PAGE);
	assert_int_equal(srq.srqn, MOCK_SRQN);
	assert_int_equal(srq.srq.max_wr, ENTRIES);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes - pinned, 2 * GUEST_PAGE);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_SRQ, srq.srq.handle), 0);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, pinned);

#define BAD(change, status)                                                                        \
	do {                                                                                       \
		body = good_srq(t);                                                                \
		change;                                                                            \
		assert_int_equal(create_srq(t, body, &srq), BYPASS_RDMA_E_##status);               \
	} while (0)
	BAD(body.srq.pd = NONE, HANDLE);
	BAD(body.xrcd = NONE, HANDLE);
	BAD(body.xrcd = t->xrcd + 1, HANDLE);
	BAD(body.cq = NONE, HANDLE);
	BAD(body.srq.max_wr = 1 << 20, INVALID);
	BAD(body.srq.max_sge = 28, INVALID);
	BAD(body.srq.srq_limit = ENTRIES + 1, INVALID);
	BAD(body.srq.max_wr = ENTRIES + 1, MALFORMED); /* longer than the page */
#undef BAD
	assert_int_equal(mock_handle(MOCK_SRQ), 0);
}

static void test_initiator(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_create_qp body;
	struct bypass_rdma_xsrq srq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_srq(t, good_srq(t), &srq), 0);
	assert_int_equal(create_initiator(t, good_initiator(t), &qp), 0);
	assert_int_equal(mock_mlx5.size, GUEST_PAGE);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp.handle), 0);

#define BAD(change)                                                                                \
	do {                                                                                       \
		body = good_initiator(t);                                                          \
		change;                                                                            \
		assert_int_equal(create_initiator(t, body, &qp), BYPASS_RDMA_E_HANDLE);            \
	} while (0)
	BAD(body.pd = NONE);
	BAD(body.send_cq = NONE);
	BAD(body.recv_cq = t->cq);
	BAD(body.srq = srq.srq.handle);
#undef BAD
	assert_int_equal(mock_handle(MOCK_QP), 0);
}

static void test_target(void **state)
{
	struct test *t = *state;
	const struct description d = describe(t, GUEST_PAGE);
	const uint64_t blob[] = {0, 1};
	struct bypass_rdma_create_qp body = good_target(t);
	uint64_t pinned = rdma_guest_stats(&t->g).pinned_bytes;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_target(t, body, &qp), 0);
	assert_int_equal(qp.qpn, 18);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, pinned);
	/* It stays when processes go. */
	end_process(t);
	assert_int_not_equal(mock_handle(MOCK_QP), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp.handle), 0);

	assert_int_equal(call(t, BYPASS_RDMA_CREATE_QP, &body, sizeof(body), blob, sizeof(blob),
			      NULL, &qp, sizeof(qp)),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(
		call(t, BYPASS_RDMA_CREATE_QP, &body, sizeof(body), NULL, 0, &d, &qp, sizeof(qp)),
		BYPASS_RDMA_E_MALFORMED);
#define BAD(change)                                                                                \
	do {                                                                                       \
		body = good_target(t);                                                             \
		change;                                                                            \
		assert_int_equal(create_target(t, body, &qp), BYPASS_RDMA_E_HANDLE);               \
	} while (0)
	BAD(body.pd = NONE);
	BAD(body.pd = t->xrcd + 1);
	BAD(body.send_cq = t->cq);
	BAD(body.recv_cq = t->cq);
	BAD(body.srq = 0);
#undef BAD
	assert_int_equal(mock_handle(MOCK_QP), 0);
}

#define INIT  (IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)
#define RTR   (IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN)
#define HEARS (IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define RTS   (IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_SQ_PSN)
#define ASKS  (IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC)

static uint32_t go(struct test *t, uint32_t qp, uint32_t mask, uint8_t to)
{
	const struct bypass_rdma_modify_qp body = {
		.handle = qp,
		.mask = mask,
		.attr = {.qp_state = to,
			 .path_mtu = IBV_MTU_1024,
			 .dest_qpn = 17,
			 .ah = {.is_global = 1, .sgid_index = 3, .hop_limit = 64, .port = 1},
			 .max_rd_atomic = 1,
			 .max_dest_rd_atomic = 1,
			 .port = 1}};

	return call(t, BYPASS_RDMA_MODIFY_QP, &body, sizeof(body), NULL, 0, NULL, NULL, 0);
}

/* The initiator has the half that asks, and the target the half that answers. */
static void test_states(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_qp ini, tgt;

	assert_int_equal(create_initiator(t, good_initiator(t), &ini), 0);
	assert_int_equal(create_target(t, good_target(t), &tgt), 0);
	assert_int_equal(go(t, ini.handle, INIT, IBV_QPS_INIT), 0);
	assert_int_equal(go(t, tgt.handle, INIT, IBV_QPS_INIT), 0);
	assert_int_equal(go(t, ini.handle, RTR | HEARS, IBV_QPS_RTR), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, ini.handle, RTR, IBV_QPS_RTR), 0);
	assert_int_equal(go(t, tgt.handle, RTR, IBV_QPS_RTR), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, tgt.handle, RTR | HEARS, IBV_QPS_RTR), 0);
	assert_int_equal(go(t, ini.handle, RTS, IBV_QPS_RTS), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, ini.handle, RTS | ASKS, IBV_QPS_RTS), 0);
	assert_int_equal(go(t, tgt.handle, RTS | ASKS, IBV_QPS_RTS), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, tgt.handle, RTS, IBV_QPS_RTS), 0);
	assert_int_equal(go(t, ini.handle, IBV_QP_MIN_RNR_TIMER, 0), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, tgt.handle, IBV_QP_MIN_RNR_TIMER, 0), 0);
	assert_int_equal(go(t, ini.handle, IBV_QP_STATE, IBV_QPS_SQD), 0);
	assert_int_equal(go(t, tgt.handle, IBV_QP_STATE, IBV_QPS_SQD), 0);
	assert_int_equal(go(t, ini.handle, IBV_QP_MAX_DEST_RD_ATOMIC, 0), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, ini.handle, ASKS, 0), 0);
	assert_int_equal(go(t, tgt.handle, IBV_QP_RETRY_CNT, 0), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, tgt.handle, HEARS, 0), 0);
	assert_int_equal(go(t, tgt.handle, IBV_QP_STATE, IBV_QPS_ERR), 0);
}

/* rxe has no XRC, and the guest cannot ask for it. */
static void test_rxe(void **state)
{
	struct test t = {0};
	struct bypass_rdma_create_qp body = good_target(&t);
	struct bypass_virtio_device *dev = mock_open("mock0,trust-guest,vectors=2");
	struct bypass_rdma_xsrq srq;
	struct bypass_rdma_qp qp;

	(void)state;
	assert_non_null(dev);
	assert_false(dev->features & 1ull << BYPASS_RDMA_F_XRC);
	guest_init(&t.g.guest, 4 << 20);
	rdma_guest_start(&t.g, dev);
	assert_int_equal(rdma_guest_create(&t.g, BYPASS_RDMA_ALLOC_XRCD, &t.xrcd),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(create_target(&t, body, &qp), BYPASS_RDMA_E_UNSUPPORTED);
	body.type = IB_UVERBS_QPT_XRC_INI;
	assert_int_equal(create_target(&t, body, &qp), BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(rdma_guest_create(&t.g, BYPASS_RDMA_ALLOC_PD, &t.pd), 0);
	body.type = 0;
	assert_int_equal(call(&t, BYPASS_RDMA_CREATE_XSRQ, &(struct bypass_rdma_create_xsrq){0},
			      sizeof(struct bypass_rdma_create_xsrq), NULL, 0, NULL, &srq,
			      sizeof(srq)),
			 BYPASS_RDMA_E_HANDLE);
	rdma_guest_stop(&t.g);
	assert_int_equal(mock_objects(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_capability),
		cmocka_unit_test_setup_teardown(test_hca_without, set_up_without, tear_down),
		TEST(test_domain),
		TEST(test_srq),
		TEST(test_initiator),
		TEST(test_target),
		TEST(test_states),
		cmocka_unit_test(test_rxe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
