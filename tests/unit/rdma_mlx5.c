// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A context slice of mlx5: queues in the memory of the guest's processes, a doorbell page for each
 * process, and blobs that name what is not the process's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_mlx5.h"

#define ENTRIES 127u		      /* of a CQ; with one more, of 64 bytes each: … */
#define PAGES	2u		      /* … these pages */
#define USER	0x7f0000001000ull     /* where a process has its queue … */
#define RECORD	(USER + 0x10000 + 64) /* … and its doorbell record */

struct test {
	struct rdma_guest g;
	uint32_t pd;
	uint64_t pages[4], list, record;
	struct bypass_rdma_mmap doorbell; /* of the process */
};

/* A queue as the module describes it. */
struct description {
	struct bypass_rdma_queue_memory memory;
	uint64_t list;
} __attribute__((packed));

static int set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	struct bypass_virtio_device *dev;

	mock.driver = &mock_mlx5_driver;
	memset(&mock_mlx5, 0, sizeof(mock_mlx5));
	dev = mock_open("mock0,qps=4,cqs=4,srqs=2,ucontexts=3,pinned=64K,shm=64K,vectors=2");
	assert_non_null(dev);
	guest_init(&t->g.guest, 4 << 20);
	rdma_guest_start(&t->g, dev);
	assert_int_equal(mlx5_open(&t->g, &t->g.ucontext), 0);
	t->doorbell = t->g.mmaps[0];
	assert_int_equal(t->g.n_mmaps, 3);
	assert_int_equal(rdma_guest_create(&t->g, BYPASS_RDMA_ALLOC_PD, &t->pd), 0);
	/* Pages of a process are anywhere. */
	for (unsigned int i = 0; i < 4; i++) {
		t->pages[3 - i] = guest_alloc(&t->g.guest, GUEST_PAGE);
		guest_alloc(&t->g.guest, GUEST_PAGE);
		for (unsigned int b = 0; b < GUEST_PAGE; b++)
			t->g.guest.ram[t->pages[3 - i] + b] = b * 7 + i;
	}
	t->list = guest_alloc(&t->g.guest, GUEST_PAGE);
	t->record = guest_alloc(&t->g.guest, GUEST_PAGE);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	rdma_guest_stop(&t->g);
	free(t);
	mock.driver = NULL;
	assert_int_equal(mock_objects(), 0);
	return 0;
}

/* List the first @n pages in runs of one page each. */
static struct description describe(struct test *t, uint64_t size, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct bypass_rdma_run run = {.gpa = t->pages[i], .size = GUEST_PAGE};

		memcpy(t->g.guest.ram + t->list + i * sizeof(run), &run, sizeof(run));
	}
	return (struct description){
		.memory = {.size = size,
			   .record = t->record,
			   .run_pages = n ? 1 : 0,
			   .last_runs = n},
		.list = t->list,
	};
}

static uint64_t sum_pages(const struct test *t, uint64_t offset, uint64_t size)
{
	uint64_t sum = 0;

	for (uint64_t i = offset; i < offset + size; i++)
		sum = sum * 31 + (uint8_t)t->g.guest.ram[t->pages[i / GUEST_PAGE] + i % GUEST_PAGE];
	return sum;
}

static uint32_t call(struct test *t, uint32_t command, const void *body, uint32_t body_size,
		     const void *blob, uint32_t blob_size, const struct description *d, void *reply,
		     uint32_t reply_size)
{
	return rdma_guest_call(
		&t->g,
		&(struct rdma_guest_call){
			.command = command,
			.body = body,
			.body_size = body_size,
			.reply = reply,
			.reply_size = reply_size,
			.udata = blob,
			.udata_size = blob_size,
			.udata_room = sizeof(struct mlx5_ib_create_qp_resp),
			.tail = d,
			.tail_size = d ? (d->memory.run_pages ? sizeof(*d) : sizeof(d->memory)) : 0,
		});
}

static struct mlx5_ib_create_cq cq_blob(void)
{
	return (struct mlx5_ib_create_cq){.buf_addr = USER, .db_addr = RECORD, .cqe_size = 64};
}

static uint32_t create_cq(struct test *t, const struct mlx5_ib_create_cq *blob,
			  const struct description *d, struct bypass_rdma_cq *cq)
{
	const struct bypass_rdma_create_cq body = {.cqe = ENTRIES};

	return call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), blob, sizeof(*blob), d, cq,
		    sizeof(*cq));
}

static struct bypass_rdma_cq make_cq(struct test *t)
{
	const struct mlx5_ib_create_cq blob = cq_blob();
	const struct description d = describe(t, PAGES * GUEST_PAGE, PAGES);
	struct bypass_rdma_cq cq;

	assert_int_equal(create_cq(t, &blob, &d, &cq), 0);
	return cq;
}

static struct mlx5_ib_create_qp qp_blob(void)
{
	return (struct mlx5_ib_create_qp){
		.buf_addr = USER,
		.db_addr = RECORD,
		.sq_wqe_count = 64,
		.rq_wqe_count = 64,
		.rq_wqe_shift = 4,
		.flags = MLX5_QP_FLAG_SCATTER_CQE,
		.uidx = 5,
		.ece_options = 0x10000000,
	};
}

#define QP_SIZE (64u * 64 + (64u << 4)) /* two pages, the second in part */

static uint32_t create_qp(struct test *t, uint32_t cq, const struct mlx5_ib_create_qp *blob,
			  uint32_t size, const struct description *d, struct bypass_rdma_qp *qp)
{
	const struct bypass_rdma_create_qp body = rdma_guest_qp(t->pd, cq, IBV_QPT_RC);

	return call(t, BYPASS_RDMA_CREATE_QP, &body, sizeof(body), blob, size, d, qp, sizeof(*qp));
}

/* What a process learns of its context: one doorbell page, the clock, no DEVX. */
static void test_context(void **state)
{
	struct test *t = *state;
	struct mlx5_ib_alloc_ucontext_req_v2 wish = {.total_num_bfregs = 16};
	struct mlx5_ib_alloc_ucontext_resp reply;
	uint64_t shm = rdma_guest_stats(&t->g).shm_bytes;
	struct bypass_rdma_mmap map;
	uint32_t handle, none;
	char *hva;

	assert_int_equal(shm, GUEST_PAGE);
	wish.flags = MLX5_IB_ALLOC_UCTX_DEVX;
	assert_int_equal(mlx5_open_with(&t->g, &wish, sizeof(wish), &none),
			 BYPASS_RDMA_E_UNSUPPORTED);
	assert_int_equal(mlx5_open_with(&t->g, &wish, 16, &none), BYPASS_RDMA_E_UNSUPPORTED);
	wish.flags = 0;
	wish.comp_mask = 1;
	assert_int_equal(mlx5_open_with(&t->g, &wish, sizeof(wish), &none),
			 BYPASS_RDMA_E_UNSUPPORTED);
	wish.comp_mask = 0;
	assert_int_equal(mlx5_open_with(&t->g, &wish, 4, &none), BYPASS_RDMA_E_INVALID);
	assert_int_equal(mlx5_open_with(&t->g, &wish, 8, &handle), 0); /* the oldest library */
	assert_int_equal(t->g.udata_size, sizeof(reply));
	memcpy(&reply, t->g.udata, sizeof(reply));
	assert_int_equal(reply.tot_bfregs, 2);
	assert_int_equal(reply.num_uars_per_page, 1);
	assert_int_equal(reply.comp_mask, MLX5_IB_ALLOC_UCONTEXT_RESP_MASK_CORE_CLOCK_OFFSET);
	assert_int_equal(reply.hca_core_clock_offset, 0x800);
	assert_int_equal(reply.clock_info_versions, 1 << MLX5_IB_CLOCK_INFO_V1);
	assert_int_equal(reply.qp_tab_size, 1 << 18);

	/* Each process has a page of its own, which is the HCA's. */
	map = t->g.mmaps[0];
	assert_int_equal(map.offset, 0);
	assert_int_equal(map.size, GUEST_PAGE);
	assert_int_equal(map.flags, BYPASS_RDMA_MMAP_WRITE | BYPASS_RDMA_MMAP_WC);
	assert_int_not_equal(map.shm_offset, t->doorbell.shm_offset);
	hva = (char *)t->g.dev->shm.hva + map.shm_offset;
	strcpy(hva, "ring");
	assert_int_equal(pread(mock.cmd_fd, &reply, 5, mock.next_offset - GUEST_PAGE), 5);
	assert_string_equal((char *)&reply, "ring");
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, handle), 0);
	assert_string_equal(hva, "");
	assert_int_equal(rdma_guest_stats(&t->g).shm_bytes, shm);
}

static void test_no_page(void **state)
{
	struct test *t = *state;
	uint32_t handle, objects = mock_objects();

	mock_mlx5.fail = ENOMEM;
	assert_int_equal(mlx5_open(&t->g, &handle), BYPASS_RDMA_E_MEMORY);
	assert_int_equal(mock_objects(), objects);
	mock_mlx5.no_bf = true;
	assert_int_equal(mlx5_open(&t->g, &handle), 0);
	assert_int_equal(t->g.mmaps[0].flags, BYPASS_RDMA_MMAP_WRITE | BYPASS_RDMA_MMAP_UC);
	assert_int_equal(mlx5_open(&t->g, &handle), 0);
	assert_int_equal(mlx5_open(&t->g, &handle), BYPASS_RDMA_E_QUOTA);
}

/* The driver finds the process's own bytes, where its blob had addresses of the process. */
static void test_cq(void **state)
{
	struct test *t = *state;
	const struct mlx5_ib_create_cq old = cq_blob();
	struct bypass_rdma_create_cq body = {.cqe = ENTRIES};
	struct description d;
	struct bypass_rdma_cq cq;

	t->g.guest.ram[t->record + 64] = 42;
	cq = make_cq(t);
	assert_int_equal(mock_mlx5.size, PAGES * GUEST_PAGE);
	assert_int_equal(mock_mlx5.sum, sum_pages(t, 0, PAGES * GUEST_PAGE));
	assert_int_equal(mock_mlx5.recorded, 42);
	assert_int_equal(mock_mlx5.record, (uintptr_t)t->g.guest.ram + t->record + 64);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, (PAGES + 1) * GUEST_PAGE);
	assert_int_equal(t->g.n_mmaps, 0);

	/* The blob of an older library ends before the doorbell page. */
	d = describe(t, PAGES * GUEST_PAGE, PAGES);
	assert_int_equal(
		call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), &old, 24, &d, &cq, sizeof(cq)),
		0);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, cq.handle), 0);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, (PAGES + 1) * GUEST_PAGE);
	/* 64 KiB are the guest's: five such queues are 60, and the table has four. */
	make_cq(t);
	body.cqe = 1023;
	d.memory.size = 65536;
	assert_int_equal(call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), &old, sizeof(old), &d,
			      &cq, sizeof(cq)),
			 BYPASS_RDMA_E_QUOTA);
}

/* The library rounds up: a completion queue of more entries than there can be is refused all the same. */
static void test_longest_cq(void **state)
{
	struct test *t = *state;
	const struct mlx5_ib_create_cq blob = cq_blob();
	const struct bypass_rdma_create_cq body = {.cqe = 65535};
	struct bypass_rdma_device device;
	struct bypass_rdma_cq cq;

	assert_int_equal(
		rdma_guest_call(&t->g,
				&(struct rdma_guest_call){.command = BYPASS_RDMA_QUERY_DEVICE,
							  .reply = &device,
							  .reply_size = sizeof(device)}),
		0);
	assert_int_equal(device.max_cqe, 32767);
	assert_int_equal(call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      NULL, &cq, sizeof(cq)),
			 BYPASS_RDMA_E_INVALID);
}

/* Each completion has a timestamp, whoever asks for one. */
static void test_timestamps(void **state)
{
	struct test *t = *state;
	const struct mlx5_ib_create_cq blob = cq_blob();
	const struct description d = describe(t, PAGES * GUEST_PAGE, PAGES);
	struct bypass_rdma_create_cq body = {.cqe = ENTRIES,
					     .flags = IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION};
	struct bypass_rdma_clock clock;
	struct bypass_rdma_cq cq;

	assert_int_equal(call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 0);
	assert_true(t->g.dev->features & 1ull << BYPASS_RDMA_F_CLOCK);
	assert_int_equal(rdma_guest_call(&t->g,
					 &(struct rdma_guest_call){
						 .command = BYPASS_RDMA_QUERY_CLOCK,
						 .reply = &clock,
						 .reply_size = sizeof(clock),
					 }),
			 0);
	assert_int_equal(clock.timestamp_mask, (1ull << 48) - 1);
	assert_int_equal(clock.frequency, 156250);
	body.flags |= IB_UVERBS_CQ_FLAGS_IGNORE_OVERRUN;
	assert_int_equal(call(t, BYPASS_RDMA_CREATE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 BYPASS_RDMA_E_UNSUPPORTED);
}

static void test_resize(void **state)
{
	struct test *t = *state;
	struct mlx5_ib_resize_cq blob = {.buf_addr = USER + 0x100000 + 512, .cqe_size = 64};
	struct bypass_rdma_cq cq = make_cq(t);
	struct bypass_rdma_resize_cq body = {.handle = cq.handle, .cqe = 63};
	struct description d = describe(t, GUEST_PAGE, 2);

	assert_int_equal(call(t, BYPASS_RDMA_RESIZE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 BYPASS_RDMA_E_MALFORMED); /* it has a doorbell record */
	d.memory.record = 0;
	assert_int_equal(call(t, BYPASS_RDMA_RESIZE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 0);
	assert_int_equal(mock_mlx5.sum, sum_pages(t, 512, GUEST_PAGE));
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 3 * GUEST_PAGE);
	/* The page of the doorbell record stays pinned: it and the new queue exceed 64 KiB. */
	blob.buf_addr = USER;
	body.cqe = 1023;
	d.memory.size = 65536;
	assert_int_equal(call(t, BYPASS_RDMA_RESIZE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 BYPASS_RDMA_E_QUOTA);
	blob.cqe_size = 32;
	assert_int_equal(call(t, BYPASS_RDMA_RESIZE_CQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &cq, sizeof(cq)),
			 BYPASS_RDMA_E_INVALID);
}

static void test_srq(void **state)
{
	struct test *t = *state;
	const struct mlx5_ib_create_srq blob = {.buf_addr = USER, .db_addr = RECORD};
	struct bypass_rdma_create_srq body = {.pd = t->pd, .max_wr = 63, .max_sge = 2};
	struct description d = describe(t, 64 * 64, 1);
	struct bypass_rdma_srq srq;

	assert_int_equal(call(t, BYPASS_RDMA_CREATE_SRQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &srq, sizeof(srq)),
			 0);
	assert_int_equal(mock_mlx5.size, 4096);
	assert_int_equal(mock_mlx5.sum, sum_pages(t, 0, 4096));
	body.max_sge = 0;
	d = describe(t, 64 * 32, 1);
	assert_int_equal(call(t, BYPASS_RDMA_CREATE_SRQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &srq, sizeof(srq)),
			 0);
	assert_int_equal(mock_mlx5.size, 2048);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_SRQ, srq.handle), 0);
	/* None is rounded up to one. */
	body.max_wr = 0;
	d = describe(t, 32, 1);
	assert_int_equal(call(t, BYPASS_RDMA_CREATE_SRQ, &body, sizeof(body), &blob, sizeof(blob),
			      &d, &srq, sizeof(srq)),
			 0);
	assert_int_equal(mock_mlx5.size, 32);
}

/* Whatever page a process names, the driver hears of the process's own. */
static void test_qp(void **state)
{
	struct test *t = *state;
	struct mlx5_ib_create_qp blob = qp_blob();
	struct description d = describe(t, QP_SIZE, 2);
	struct mlx5_ib_create_qp_resp answer;
	struct bypass_rdma_cq cq = make_cq(t);
	uint32_t first = mock_mlx5.page_id, process = t->g.ucontext;
	struct bypass_rdma_qp qp;

	blob.bfreg_index = MOCK_FIRST_PAGE + 77;
	assert_int_equal(create_qp(t, cq.handle, &blob, sizeof(blob), &d, &qp), 0);
	assert_int_equal(mock_mlx5.page_id, first);
	assert_int_equal(mock_mlx5.flags, MLX5_QP_FLAG_SCATTER_CQE | MLX5_QP_FLAG_UAR_PAGE_INDEX);
	assert_int_equal(mock_mlx5.sum, sum_pages(t, 0, QP_SIZE));
	memcpy(&answer, t->g.udata, sizeof(answer));
	assert_int_equal(answer.bfreg_index, 0);
	assert_int_equal(answer.ece_options, 0);

	/* Another process, an older library. */
	assert_int_equal(mlx5_open(&t->g, &t->g.ucontext), 0);
	assert_int_equal(create_qp(t, cq.handle, &blob, 40, &d, &qp), 0);
	assert_int_not_equal(mock_mlx5.page_id, first);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DEALLOC_UCONTEXT, t->g.ucontext), 0);
	t->g.ucontext = process;

	/* No queue at all: sends without requests, and receives from an SRQ. */
	blob.sq_wqe_count = blob.rq_wqe_count = 0;
	d = describe(t, 0, 0);
	assert_int_equal(create_qp(t, cq.handle, &blob, sizeof(blob), &d, &qp), 0);
	assert_int_equal(mock_mlx5.buffer, 0);
}

static void test_bad_descriptions(void **state)
{
	struct test *t = *state;
	const struct mlx5_ib_create_cq blob = cq_blob();
	const struct description good = describe(t, PAGES * GUEST_PAGE, PAGES);
	struct description d;
	struct bypass_rdma_cq cq;

#define BAD(change, status)                                                                        \
	do {                                                                                       \
		d = good;                                                                          \
		change;                                                                            \
		assert_int_equal(create_cq(t, &blob, &d, &cq), BYPASS_RDMA_E_##status);            \
	} while (0)
	BAD(d.memory.size += 64, MALFORMED);
	BAD(d.memory.size = 0, MALFORMED);
	BAD(d.memory.size = 1ull << 63, MALFORMED);
	BAD(d.memory.record += 8, FAULT);
	BAD(d.memory.record = 4 << 20, FAULT);
	BAD(d.memory.record = -4096ull, FAULT);
	BAD(d.memory.last_runs = 1, MALFORMED);
	BAD(d.memory.last_runs = 3, MALFORMED);
	BAD(d.memory.last_runs = 257, MALFORMED);
	BAD(d.memory.run_pages = 2, MALFORMED);
	BAD(d.memory.run_pages = 0, MALFORMED);
	BAD(d.list = 4 << 20, FAULT);
	BAD(d.list += 8, FAULT);
#undef BAD
	assert_int_equal(create_cq(t, &blob, NULL, &cq), BYPASS_RDMA_E_MALFORMED);
	((struct bypass_rdma_run *)(t->g.guest.ram + t->list))[1].gpa = 4 << 20;
	assert_int_equal(create_cq(t, &blob, &good, &cq), BYPASS_RDMA_E_FAULT);
	/* The guest's kernel itself has no doorbell page. */
	t->g.ucontext = BYPASS_RDMA_NONE;
	assert_int_equal(create_cq(t, &blob, &good, &cq), BYPASS_RDMA_E_HANDLE);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 0);
}

static void test_bad_blobs(void **state)
{
	struct test *t = *state;
	const struct description good = describe(t, PAGES * GUEST_PAGE, PAGES);
	struct mlx5_ib_create_cq blob;
	struct bypass_rdma_cq cq;

#define BAD(change, status)                                                                        \
	do {                                                                                       \
		blob = cq_blob();                                                                  \
		change;                                                                            \
		assert_int_equal(create_cq(t, &blob, &good, &cq), BYPASS_RDMA_E_##status);         \
	} while (0)
	BAD(blob.cqe_size = 0, INVALID);
	BAD(blob.cqe_size = 96, INVALID);
	BAD(blob.cqe_size = UINT32_MAX, INVALID);
	BAD(blob.db_addr += 4, INVALID);
	BAD(blob.buf_addr = -4096ull, INVALID);
	BAD(blob.buf_addr += 1, MALFORMED); /* it then lies on one page more */
	BAD(blob.cqe_comp_en = 1, UNSUPPORTED);
	BAD(blob.flags = MLX5_IB_CREATE_CQ_FLAGS_UAR_PAGE_INDEX, UNSUPPORTED);
	BAD(blob.flags = MLX5_IB_CREATE_CQ_FLAGS_REAL_TIME_TS, UNSUPPORTED);
	BAD(blob.uar_page_index = 1, UNSUPPORTED);
	BAD(blob.reserved1 = 1, UNSUPPORTED);
#undef BAD
}

static void test_bad_queue_pairs(void **state)
{
	struct test *t = *state;
	const struct description good = describe(t, QP_SIZE, 2);
	struct bypass_rdma_cq cq = make_cq(t);
	struct mlx5_ib_create_qp blob;
	struct bypass_rdma_qp qp;

#define BAD(change, status)                                                                        \
	do {                                                                                       \
		blob = qp_blob();                                                                  \
		change;                                                                            \
		assert_int_equal(create_qp(t, cq.handle, &blob, sizeof(blob), &good, &qp),         \
				 BYPASS_RDMA_E_##status);                                          \
	} while (0)
	BAD(blob.flags |= MLX5_QP_FLAG_UAR_PAGE_INDEX, UNSUPPORTED);
	BAD(blob.flags |= MLX5_QP_FLAG_BFREG_INDEX, UNSUPPORTED);
	BAD(blob.flags |= MLX5_QP_FLAG_TYPE_DCI, UNSUPPORTED);
	BAD(blob.flags |= MLX5_QP_FLAG_TYPE_DCT, UNSUPPORTED);
	BAD(blob.flags |= 1u << 31, UNSUPPORTED);
	BAD(blob.sq_buf_addr = USER, UNSUPPORTED);
	BAD(blob.dci_streams.log_num_errored = 1, UNSUPPORTED);
	BAD(blob.sq_wqe_count = UINT32_MAX, INVALID);
	BAD(blob.rq_wqe_count = UINT32_MAX, INVALID);
	BAD(blob.rq_wqe_shift = 32, INVALID);
	BAD(blob.rq_wqe_shift = 255, INVALID);
	BAD(blob.sq_wqe_count = 65, MALFORMED);
	BAD(blob.rq_wqe_count = 63, MALFORMED);
#undef BAD
	/* What is refused leaves nothing, and the next queue pair is made. */
	blob = qp_blob();
	mock.fail = ENOMEM;
	assert_int_equal(create_qp(t, cq.handle, &blob, sizeof(blob), &good, &qp),
			 BYPASS_RDMA_E_MEMORY);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 3 * GUEST_PAGE);
	assert_int_equal(create_qp(t, cq.handle, &blob, sizeof(blob), &good, &qp), 0);
	assert_int_equal(rdma_guest_stats(&t->g).pinned_bytes, 6 * GUEST_PAGE);
}

/* An index of a GID in a datagram's request is the HCA's, so that the guest's table is in its order. */
static void test_gids(void **state)
{
	struct test *t = *state;
	const struct bypass_rdma_port_query port = {.port = 1};
	struct bypass_rdma_gids gids;

	assert_int_equal(RDMA_GUEST_CALL(&t->g, QUERY_GIDS, &port, &gids), 0);
	assert_int_equal(gids.count, 16);
	assert_int_equal(gids.gid[0][0], 0xfe);
	assert_int_equal(gids.gid[1][0], 0xfe);
	assert_int_equal(gids.gid[3][15], 9);
	assert_int_equal(gids.gid[5][15], 0); /* not the guest's */
	assert_int_equal(gids.gid[6][15], 9);
}

static void test_features(void **state)
{
	struct test *t = *state;
	struct bypass_virtio_device *dev = t->g.dev;
	uint64_t queues = 1ull << BYPASS_RDMA_F_QUEUE_MEMORY;

	assert_true(dev->features & queues);
	assert_false(dev->features & 1ull << BYPASS_RDMA_F_DOORBELL);
	assert_int_equal(dev->ops->accept(dev, dev->features & ~queues), -EINVAL);
	assert_string_equal(t->g.config.name, "mlx5_");
	assert_int_equal(t->g.config.driver_id, RDMA_DRIVER_MLX5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_context),
		TEST(test_no_page),
		TEST(test_cq),
		TEST(test_longest_cq),
		TEST(test_timestamps),
		TEST(test_resize),
		TEST(test_srq),
		TEST(test_qp),
		TEST(test_bad_descriptions),
		TEST(test_bad_blobs),
		TEST(test_bad_queue_pairs),
		TEST(test_gids),
		TEST(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
