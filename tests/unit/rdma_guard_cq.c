// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way for rxe: how completions of the driver's queue reach the guest's copy.
 */
#include "rdma_guard.h"

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
		assert_true(guest_reaches(&t->cq_copy->producer_index, i & MOCK_MASK));
		assert_true(guest_reaches(&t->real_cq->consumer_index, i & MOCK_MASK));
		assert_int_equal(take_completion(t), i);
	}
	assert_int_equal(take_completion(t), 0);
	/* Such a guest's CQ is armed for it, and the event moves what came; the guest hears nothing. */
	arms = __atomic_load_n(&mock.arms, __ATOMIC_SEQ_CST);
	assert_int_not_equal(arms, 0);
	inject_completion(t);
	assert_true(guest_reaches(&mock.arms, arms + 1));
	assert_int_equal(rdma_guest_stats(&t->g).completions, 0);
	/* The copy is full: the rest waits in the driver's. */
	for (uint64_t i = 21; i <= 20 + MOCK_MASK; i++)
		complete(t, i);
	assert_true(guest_reaches(&t->real_cq->consumer_index, (20 + MOCK_MASK) & MOCK_MASK));
	complete(t, 30);
	for (uint64_t i = 21; i <= 20 + MOCK_MASK; i++)
		assert_int_equal(take_completion(t), i);
	assert_true(guest_reaches(&t->cq_copy->producer_index, (21 + MOCK_MASK) & MOCK_MASK));
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
	assert_true(guest_reaches(&t->cq_copy->producer_index, 12 & MOCK_MASK));
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
	assert_true(guest_reaches(&t->cq_copy->producer_index, 6));
	assert_int_equal(take_completion(t), 1);
	assert_int_equal(take_completion(t), 2);
	assert_int_equal(take_completion(t), 3);
	assert_int_equal(rdma_guest_call(&t->g, &call), BYPASS_RDMA_E_INVALID);
	complete(t, 7);
	assert_true(guest_reaches(&t->cq_copy->producer_index, 7));
	body.cqe = 5;
	offset = mock.next_offset;
	assert_int_equal(rdma_guest_call(&t->g, &call), 0);
	munmap(t->real_cq, MOCK_QUEUE);
	t->real_cq = real(offset);
	t->cq_copy = (void *)((char *)t->g.dev->shm.hva + t->g.mmaps[0].shm_offset);
	assert_int_equal(t->cq_copy->consumer_index, 0);
	complete(t, 8);
	assert_true(guest_reaches(&t->cq_copy->producer_index, 5));
	for (uint64_t i = 4; i <= 8; i++)
		assert_int_equal(take_completion(t), i);
	assert_int_equal(take_completion(t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_completions),
		TEST(test_armed),
		TEST(test_resize_completions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
