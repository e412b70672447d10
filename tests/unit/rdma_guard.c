// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way for rxe: which work requests of a guest reach the driver's queue, and what of each.
 */
#include "rdma_guard.h"

#include <bypass/log.h>

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

/* An HCA whose ports take short messages. */
static int set_up_short(void **state)
{
	mock.max_msg_sz = 8192;
	return set_up(state);
}

static int tear_down_short(void **state)
{
	mock.max_msg_sz = 0;
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

/* One request whose scatter list has three entries: two of @half bytes, one of @rest. */
static struct rxe_send_wqe *post_length(struct test *t, uint32_t opcode, uint32_t half,
					uint32_t rest)
{
	struct rxe_send_wqe *wqe = next_send(t);

	wqe->wr.opcode = opcode;
	wqe->dma.num_sge = 3;
	wqe->dma.sge[0] = wqe->dma.sge[1] = (struct rxe_sge){0x5000, half, 3};
	wqe->dma.sge[2] = (struct rxe_sge){0x5000, rest, 3};
	return post(t);
}

/* The driver counts what is left of a message in an int, and its port says 2^31. */
static void test_longest(void **state)
{
	static const uint32_t opcodes[] = {IB_UVERBS_WR_SEND, IB_UVERBS_WR_RDMA_WRITE,
					   IB_UVERBS_WR_RDMA_READ};
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		struct rxe_send_wqe *wqe = post_length(t, opcodes[i], 0x3fffffff, 1);

		assert_int_equal(wqe->dma.length, 0x7fffffff);
		assert_true(failing(post_length(t, opcodes[i], 0x40000000, 0)));
		assert_true(failing(post_length(t, opcodes[i], 0xffffffff, 2)));
	}
}

/* No message that the port does not take. */
static void test_longest_of_port(void **state)
{
	struct test *t = *state;

	create(t, IB_UVERBS_QPT_RC);
	assert_int_equal(post_length(t, IB_UVERBS_WR_SEND, 4096, 0)->dma.length, 8192);
	assert_true(failing(post_length(t, IB_UVERBS_WR_SEND, 4096, 1)));
}

/* A receive has room for more than what one message brings: the limit is that of the field. */
static void test_long_receive(void **state)
{
	struct test *t = *state;
	struct rxe_recv_wqe *wqe;

	create(t, IB_UVERBS_QPT_RC);
	for (uint32_t i = 0; i < 2; i++) {
		wqe = slot(t->receive, i);
		wqe->wr_id = 7;
		wqe->dma.num_sge = 2;
		wqe->dma.sge[0] = (struct rxe_sge){0x5000, 0x80000000, 3};
		wqe->dma.sge[1] = (struct rxe_sge){0x5000, 0x7fffffff + i, 3};
	}
	__atomic_store_n(&t->receive->producer_index, 2, __ATOMIC_RELEASE);
	assert_true(guest_reaches(&t->real_receive->producer_index, 2));
	wqe = slot(t->real_receive, 0);
	assert_int_equal(wqe->dma.length, 0xffffffff);
	assert_int_equal(wqe->dma.num_sge, 2);
	wqe = slot(t->real_receive, 1);
	assert_int_equal(wqe->wr_id, 7);
	assert_int_equal(wqe->dma.length, 1);
	assert_int_equal(wqe->dma.sge[0].lkey, 0);
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
	assert_int_equal(device.device_cap_flags,
			 IB_UVERBS_DEVICE_SRQ_RESIZE | RDMA_CAP_FLUSH_GLOBAL |
				 RDMA_CAP_FLUSH_PERSISTENT | RDMA_CAP_ATOMIC_WRITE);
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

static _Atomic unsigned int remarks;

static void count_remarks(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)opaque;
	remarks += level == BYPASS_LOG_WARN && strstr(text, "rdma-core before 36");
}

/* Libraries that are too old for the guarded way are named in the log, once a slice. */
static void test_old_library(void **state)
{
	struct test *t = *state;
	struct rxe_send_wqe *wqe;

	create(t, IB_UVERBS_QPT_UD);
	remarks = 0;
	bypass_log_set(count_remarks, NULL);
	for (int i = 0; i < 3; i++) {
		wqe = next_send(t);
		wqe->wr.opcode = IB_UVERBS_WR_SEND;
		wqe->wr.wr.ud.av.network_type = RXE_NETWORK_TYPE_IPV4;
		wqe->wr.wr.ud.remote_qkey = 0x11111111;
		assert_true(failing(post(t)));
	}
	bypass_log_set(NULL, NULL);
	assert_int_equal(remarks, 1);
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
	assert_true(guest_reaches(&t->real_receive->producer_index, 2));
	wqe = slot(t->real_receive, 0);
	assert_int_equal(wqe->wr_id, 5);
	assert_int_equal(wqe->dma.length, 64);
	assert_int_equal(wqe->dma.cur_sge, 0);
	wqe = slot(t->real_receive, 1);
	assert_int_equal(wqe->wr_id, 6);
	assert_int_equal(wqe->dma.num_sge, 1);
	assert_int_equal(wqe->dma.sge[0].lkey, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flush),
		TEST(test_flush_unreliable),
		cmocka_unit_test_setup_teardown(test_no_flush, set_up_plain, tear_down_plain),
		TEST(test_sound),
		TEST(test_inline),
		TEST(test_unsound),
		TEST(test_longest),
		cmocka_unit_test_setup_teardown(test_longest_of_port, set_up_short,
						tear_down_short),
		TEST(test_long_receive),
		TEST(test_wrapped),
		TEST(test_mws),
		TEST(test_old_library),
		TEST(test_ud),
		TEST(test_receive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
