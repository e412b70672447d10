// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * MODIFY_QP on an HCA that believes its caller: which transitions, masks and values the slice lets
 * through to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_slice.h"

#define INIT_RC (IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)
#define INIT_UD (IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY)
#define RTR_UC	(IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN)
#define RTR_RC	(RTR_UC | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define RTS_UC	(IBV_QP_STATE | IBV_QP_SQ_PSN)
#define RTS_RC                                                                                     \
	(RTS_UC | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC)

/* Attributes of which each is good. */
static const struct bypass_rdma_qp_attr good = {
	.path_mtu = IBV_MTU_1024,
	.qkey = 0x11111111,
	.dest_qpn = 17,
	.access = 15,
	.ah = {.is_global = 1, .sgid_index = 3, .hop_limit = 64, .port = 1},
	.max_rd_atomic = 1,
	.max_dest_rd_atomic = 1,
	.min_rnr_timer = 12,
	.port = 1,
	.timeout = 14,
	.retry_cnt = 7,
	.rnr_retry = 7,
};

static uint32_t make_qp(struct test *t, uint32_t type)
{
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(create_qp(t, type, cq.handle, &qp), 0);
	return qp.handle;
}

static uint32_t go(struct test *t, uint32_t qp, uint32_t mask, uint8_t state)
{
	struct bypass_rdma_qp_attr attr = good;

	attr.qp_state = state;
	return modify_qp(t, qp, mask, attr);
}

/* A queue pair in a state that one reaches by the masks of its type. */
static uint32_t make_qp_in(struct test *t, uint32_t type, uint8_t state)
{
	bool ud = type == IB_UVERBS_QPT_UD, rc = type == IB_UVERBS_QPT_RC;
	uint32_t qp = make_qp(t, type);

	if (state >= IBV_QPS_INIT)
		assert_int_equal(go(t, qp, ud ? INIT_UD : INIT_RC, IBV_QPS_INIT), 0);
	if (state >= IBV_QPS_RTR)
		assert_int_equal(go(t, qp,
				    ud	 ? IBV_QP_STATE
				    : rc ? RTR_RC
					 : RTR_UC,
				    IBV_QPS_RTR),
				 0);
	if (state >= IBV_QPS_RTS)
		assert_int_equal(go(t, qp, rc ? RTS_RC : RTS_UC, IBV_QPS_RTS), 0);
	if (state == IBV_QPS_SQD)
		assert_int_equal(go(t, qp, IBV_QP_STATE, IBV_QPS_SQD), 0);
	if (state == IBV_QPS_ERR)
		assert_int_equal(go(t, qp, IBV_QP_STATE, IBV_QPS_ERR), 0);
	return qp;
}

/* With the process that has it, so that its shared pages are free again. */
static void drop(struct test *t, uint32_t qp)
{
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp), 0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, t->g.ucontext), 0);
	t->g.ucontext = BYPASS_RDMA_NONE;
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_UCONTEXT, &t->g.ucontext), 0);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
}

/* Path MTU 0 passes uverbs and rxe; a message then crashes the host in rxe_crc32(). */
static void test_path_mtu(void **state)
{
	static const uint8_t bad[] = {0, IBV_MTU_4096, IBV_MTU_4096 + 1, 0x7f, 0x80, 0xff};
	struct test *t = *state;
	uint32_t qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_INIT);
	struct bypass_rdma_qp_attr attr = good;
	unsigned int before = mock.modifies;

	attr.qp_state = IBV_QPS_RTR;
	for (size_t i = 0; i < sizeof(bad); i++) {
		attr.path_mtu = bad[i]; /* 4096 is above what is active */
		assert_int_equal(modify_qp(t, qp, RTR_RC, attr), BYPASS_RDMA_E_INVALID);
	}
	assert_int_equal(mock.modifies, before);
	attr.path_mtu = IBV_MTU_2048;
	assert_int_equal(modify_qp(t, qp, RTR_RC, attr), 0);
	assert_int_equal(mock.modified.path_mtu, IBV_MTU_2048);
}

/* Without a state a mask is one of the state that the queue pair is in. */
static void test_mask_without_state(void **state)
{
	struct test *t = *state;
	uint32_t qp = make_qp(t, IB_UVERBS_QPT_RC);

	assert_int_equal(modify_qp(t, qp, IBV_QP_PATH_MTU, good), BYPASS_RDMA_E_INVALID);
	assert_int_equal(modify_qp(t, qp, IBV_QP_ACCESS_FLAGS, good), BYPASS_RDMA_E_INVALID);
	drop(t, qp);
	qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_INIT);
	assert_int_equal(modify_qp(t, qp, IBV_QP_ACCESS_FLAGS, good), 0);
	assert_int_equal(modify_qp(t, qp, IBV_QP_MAX_DEST_RD_ATOMIC, good), BYPASS_RDMA_E_INVALID);
	drop(t, qp);
	qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_RTR);
	assert_int_equal(modify_qp(t, qp, IBV_QP_ACCESS_FLAGS, good), BYPASS_RDMA_E_INVALID);
	drop(t, qp);
	qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_RTS);
	assert_int_equal(modify_qp(t, qp, IBV_QP_MIN_RNR_TIMER, good), 0);
	assert_int_equal(modify_qp(t, qp, IBV_QP_MAX_DEST_RD_ATOMIC, good), BYPASS_RDMA_E_INVALID);
	assert_int_equal(modify_qp(t, qp, IBV_QP_PATH_MTU, good), BYPASS_RDMA_E_INVALID);
	assert_int_equal(modify_qp(t, qp, IBV_QP_CAP, good), BYPASS_RDMA_E_INVALID);
	assert_int_equal(modify_qp(t, qp, 1 << 25, good), BYPASS_RDMA_E_UNSUPPORTED);
}

/* rxe frees what its responder uses when it changes these. */
static void test_fixed_in_use(void **state)
{
	struct test *t = *state;
	uint32_t qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_SQD);

	assert_int_equal(modify_qp(t, qp, IBV_QP_MAX_DEST_RD_ATOMIC, good),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(modify_qp(t, qp, IBV_QP_MAX_QP_RD_ATOMIC, good), 0);
}

/* The driver is not told what the guest takes for the current state. */
static void test_current_state(void **state)
{
	struct test *t = *state;
	uint32_t qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_RTR);
	struct bypass_rdma_qp_attr attr = good;

	attr.qp_state = IBV_QPS_RTS;
	for (unsigned int s = 0; s < 256; s++) {
		attr.cur_qp_state = s;
		if (s != IBV_QPS_RTR)
			assert_int_equal(modify_qp(t, qp, RTS_RC | IBV_QP_CUR_STATE, attr),
					 BYPASS_RDMA_E_INVALID);
	}
	attr.cur_qp_state = IBV_QPS_RTR;
	assert_int_equal(modify_qp(t, qp, RTS_RC | IBV_QP_CUR_STATE, attr), 0);
	assert_int_equal(mock.modified.attr_mask, RTS_RC);
	/* The host's queue pair falls to ERR by itself. */
	attr.cur_qp_state = IBV_QPS_RTS;
	mock.state[mock_handle(MOCK_QP)] = IBV_QPS_ERR;
	assert_int_equal(modify_qp(t, qp, IBV_QP_STATE | IBV_QP_CUR_STATE, attr),
			 BYPASS_RDMA_E_INVALID);
	assert_int_equal(modify_qp(t, qp, IBV_QP_MIN_RNR_TIMER, attr), BYPASS_RDMA_E_INVALID);
	attr.qp_state = IBV_QPS_RESET;
	assert_int_equal(modify_qp(t, qp, IBV_QP_STATE, attr), 0);
	assert_int_equal(go(t, qp, INIT_RC, IBV_QPS_INIT), 0);
}

/* A send queue in error: UD and UC go on from there, RC is never in that state. */
static void test_send_queue_error(void **state)
{
	struct test *t = *state;
	uint32_t qp = make_qp_in(t, IB_UVERBS_QPT_UD, IBV_QPS_RTS);

	mock.state[mock_handle(MOCK_QP)] = IBV_QPS_SQE;
	assert_int_equal(go(t, qp, IBV_QP_STATE, IBV_QPS_SQD), BYPASS_RDMA_E_INVALID);
	assert_int_equal(go(t, qp, IBV_QP_STATE | IBV_QP_QKEY, IBV_QPS_RTS), 0);
}

/* From each state to each, with the state alone: only where no attribute is needed. */
static void test_transitions(void **state)
{
	static const char bare[7][8] = {
		/* to RESET, INIT, RTR, RTS, SQD, SQE, ERR; from: */
		[IBV_QPS_RESET] = "x......", [IBV_QPS_INIT] = "xx....x", [IBV_QPS_RTR] = "x.....x",
		[IBV_QPS_RTS] = "x..xx.x",   [IBV_QPS_SQD] = "x..xx.x",	 [IBV_QPS_SQE] = "x..x..x",
		[IBV_QPS_ERR] = "x.....x",
	};
	struct test *t = *state;

	for (uint8_t from = 0; from < 7; from++) {
		for (unsigned int to = 0; to < 256; to++) {
			uint32_t status, want = BYPASS_RDMA_E_INVALID, qp;

			if (to > 7 && to < 254)
				continue;
			qp = make_qp_in(t, IB_UVERBS_QPT_RC,
					from == IBV_QPS_SQE ? IBV_QPS_RTS : from);
			mock.state[mock_handle(MOCK_QP)] = from;
			if (to < 7 && bare[from][to] == 'x')
				want = 0;
			status = go(t, qp, IBV_QP_STATE, to);
			if (status != want)
				fail_msg("%u to %u: status %u", from, to, status);
			drop(t, qp);
		}
	}
}

/* Each needed attribute is needed, and what belongs to another type is refused. */
static void test_masks(void **state)
{
	static const struct {
		uint32_t type;
		uint8_t from;
		uint32_t mask;
	} steps[] = {
		{IB_UVERBS_QPT_RC, IBV_QPS_RESET, INIT_RC},
		{IB_UVERBS_QPT_RC, IBV_QPS_INIT, RTR_RC},
		{IB_UVERBS_QPT_RC, IBV_QPS_RTR, RTS_RC},
		{IB_UVERBS_QPT_UC, IBV_QPS_RESET, INIT_RC},
		{IB_UVERBS_QPT_UC, IBV_QPS_INIT, RTR_UC},
		{IB_UVERBS_QPT_UC, IBV_QPS_RTR, RTS_UC},
		{IB_UVERBS_QPT_UD, IBV_QPS_RESET, INIT_UD},
		{IB_UVERBS_QPT_UD, IBV_QPS_RTR, RTS_UC},
	};
	struct test *t = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint32_t qp = make_qp_in(t, steps[i].type, steps[i].from), mask = steps[i].mask;

		for (uint32_t bit = 2; bit < 1u << 21; bit <<= 1) {
			if (mask & bit)
				assert_int_equal(go(t, qp, mask & ~bit, steps[i].from + 1),
						 BYPASS_RDMA_E_INVALID);
		}
		assert_int_equal(go(t, qp, mask | IBV_QP_CAP, steps[i].from + 1),
				 BYPASS_RDMA_E_INVALID);
		assert_int_equal(go(t, qp, mask | IBV_QP_EN_SQD_ASYNC_NOTIFY, steps[i].from + 1),
				 BYPASS_RDMA_E_INVALID);
		assert_int_equal(go(t, qp, mask, steps[i].from + 1), 0);
		drop(t, qp);
	}
}

static void test_qkey(void **state)
{
	struct test *t = *state;
	uint32_t qp = make_qp_in(t, IB_UVERBS_QPT_UD, IBV_QPS_INIT);
	struct bypass_rdma_qp_attr attr = good;

	assert_int_equal(modify_qp(t, qp, IBV_QP_QKEY, attr), 0);
	attr.qkey = 0x80010000;
	assert_int_equal(modify_qp(t, qp, IBV_QP_QKEY, attr), BYPASS_RDMA_E_PERMISSION);
}

static uint32_t create_ah(struct test *t, uint8_t gid)
{
	struct bypass_rdma_create_ah body = {.pd = t->pd, .attr = good.ah};
	const struct rdma_guest_call call = {
		.command = BYPASS_RDMA_CREATE_AH, .body = &body, .body_size = sizeof(body)};

	body.attr.sgid_index = gid;
	return rdma_guest_call(&t->g, &call);
}

/* UCX sets all 32 bits. An HCA reads 20, and rxe would put the others into the header. */
static void test_flow_label(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_qp_attr attr = good;
	uint32_t qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_INIT);

	attr.qp_state = IBV_QPS_RTR;
	attr.ah.flow_label = htole32(UINT32_MAX);
	assert_int_equal(modify_qp(t, qp, RTR_RC, attr), 0);
	assert_int_equal(mock.modified.dest.flow_label, 0xfffff);
}

/*
 * The host's GIDs are 0 and 1 (link-local), 3 and 6 (the first address), 5 (another one). The guest
 * counts its own four alone.
 */
static void test_scope(void **state)
{
	static const uint8_t host[] = {0, 1, 3, 6};
	struct bypass_rdma_query_qp query = {0};
	struct test *t = *state;
	struct bypass_rdma_qp_state reply;
	struct bypass_rdma_qp_attr attr = good;
	uint32_t qp;

	attr.qp_state = IBV_QPS_RTR;
	for (uint8_t i = 0; i < 4; i++) {
		qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_INIT);
		attr.ah.sgid_index = i;
		assert_int_equal(modify_qp(t, qp, RTR_RC, attr), 0);
		assert_int_equal(mock.modified.dest.sgid_index, host[i]);
		assert_int_equal(create_ah(t, i), 0);
		assert_int_equal(mock.sgid_index, host[i]);
		drop(t, qp);
	}
	qp = make_qp_in(t, IB_UVERBS_QPT_RC, IBV_QPS_INIT);
	for (unsigned int i = 4; i < 256; i++) {
		attr.ah.sgid_index = i;
		assert_int_equal(modify_qp(t, qp, RTR_RC, attr), BYPASS_RDMA_E_INVALID);
		assert_int_equal(create_ah(t, i), BYPASS_RDMA_E_INVALID);
	}
	/* The host says GID 1, P_Key 0x101. */
	query.handle = qp;
	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_QP, &query, &reply), 0);
	assert_int_equal(reply.attr.ah.sgid_index, 1);
	assert_int_equal(reply.attr.pkey_index, 0);
}

/* Lists of the user's, in the user's order; what is not there is no entry. */
static void test_lists(void **state)
{
	struct bypass_virtio_device *dev = mock_open("mock0,trust-guest,qps=4,cqs=4,gids=5+0+4,"
						     "pkeys=7+2,vectors=2");
	const struct bypass_rdma_port_query query = {.port = 1};
	struct test t = {0};
	struct bypass_rdma_qp_attr attr = good;
	static struct bypass_rdma_gids gids;
	static struct bypass_rdma_pkeys pkeys;
	struct bypass_rdma_port port;
	uint32_t qp;

	(void)state;
	assert_non_null(dev);
	guest_init(&t.g.guest, 4 << 20);
	rdma_guest_start(&t.g, dev);
	assert_int_equal(rdma_guest_set_doorbell(&t.g), 0);
	assert_int_equal(rdma_guest_create(&t.g, BYPASS_RDMA_ALLOC_PD, &t.pd), 0);
	assert_int_equal(RDMA_GUEST_CALL(&t.g, QUERY_PORT, &query, &port), 0);
	assert_int_equal(port.gid_tbl_len, 3);
	assert_int_equal(port.pkey_tbl_len, 2);
	assert_int_equal(RDMA_GUEST_CALL(&t.g, QUERY_GIDS, &query, &gids), 0);
	assert_int_equal(gids.count, 3);
	assert_int_equal(gids.gid[0][15], 10);
	assert_int_equal(gids.gid[1][0], 0xfe);
	assert_int_equal(gids.gid[2][15], 0);
	assert_int_equal(RDMA_GUEST_CALL(&t.g, QUERY_PKEYS, &query, &pkeys), 0);
	assert_int_equal(pkeys.count, 2);
	assert_int_equal(pkeys.pkey[0], 0x8007);
	assert_int_equal(pkeys.pkey[1], 0x8002);
	qp = make_qp(&t, IB_UVERBS_QPT_RC);
	attr.qp_state = IBV_QPS_INIT;
	attr.pkey_index = 2;
	assert_int_equal(modify_qp(&t, qp, INIT_RC, attr), BYPASS_RDMA_E_INVALID);
	attr.pkey_index = 1;
	assert_int_equal(modify_qp(&t, qp, INIT_RC, attr), 0);
	assert_int_equal(mock.modified.pkey_index, 2);
	assert_int_equal(create_ah(&t, 0), 0);
	assert_int_equal(mock.sgid_index, 5);
	assert_int_equal(create_ah(&t, 2), BYPASS_RDMA_E_INVALID);
	rdma_guest_stop(&t.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_path_mtu),
		TEST(test_mask_without_state),
		TEST(test_fixed_in_use),
		TEST(test_current_state),
		TEST(test_transitions),
		TEST(test_send_queue_error),
		TEST(test_masks),
		TEST(test_qkey),
		TEST(test_flow_label),
		TEST(test_scope),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
