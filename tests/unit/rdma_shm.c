// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * the shared memory region of a context slice: pages of the HCA that come and go in it, in this process or, by
 * a transport, in another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rdma_slice.h"

static uint32_t release(struct test *t, uint64_t offset, uint64_t size)
{
	const struct bypass_rdma_release_mmap body = {.shm_offset = offset, .size = size};

	return rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_RELEASE_MMAP,
								.body = &body,
								.body_size = sizeof(body)});
}

static void test_mappings(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_mmap map;
	struct rxe_create_cq_resp blob;
	char *hva;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(t->g.n_mmaps, 1);
	map = t->g.mmaps[0];
	memcpy(&blob, t->g.udata, sizeof(blob));
	assert_int_equal(blob.mi.offset, map.offset);
	assert_int_equal(blob.mi.size, MOCK_QUEUE);
	assert_int_equal(map.size, MOCK_QUEUE);
	/* The pages are the HCA's own: what the guest writes is in the descriptor's file. */
	hva = (char *)t->g.dev->shm.hva + map.shm_offset;
	strcpy(hva, "from the guest");
	assert_int_equal(pread(mock.cmd_fd, &blob, sizeof(blob), MOCK_QUEUE), sizeof(blob));
	assert_memory_equal(&blob, "from the guest", 14);

	assert_int_equal(release(t, map.shm_offset, map.size), BYPASS_RDMA_E_BUSY);
	assert_int_equal(release(t, map.shm_offset + 4096, map.size), BYPASS_RDMA_E_INVALID);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, cq.handle), 0);
	assert_string_equal(hva, "from the guest");
	assert_int_equal(release(t, map.shm_offset, 4096), BYPASS_RDMA_E_INVALID);
	assert_int_equal(release(t, map.shm_offset, map.size), 0);
	assert_int_equal(release(t, map.shm_offset, map.size), BYPASS_RDMA_E_INVALID);
	/* Scratch now. */
	assert_string_equal(hva, "");
	assert_int_equal(rdma_guest_stats(&t->g).shm_bytes, 0);
}

static uint32_t resize(struct test *t, uint32_t cqe, struct bypass_rdma_cq *cq)
{
	const struct bypass_rdma_resize_cq body = {.handle = cq->handle, .cqe = cqe};

	return rdma_guest_call(
		&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_RESIZE_CQ,
						 .body = &body,
						 .body_size = sizeof(body),
						 .reply = cq,
						 .reply_size = sizeof(*cq),
						 .udata_room = sizeof(struct rxe_resize_cq_resp)});
}

static void test_resize(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_mmap first;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	first = t->g.mmaps[0];
	assert_int_equal(resize(t, 20, &cq), 0);
	assert_int_equal(cq.cqe, 20);
	assert_int_equal(t->g.n_mmaps, 1);
	assert_int_not_equal(t->g.mmaps[0].shm_offset, first.shm_offset);
	assert_int_equal(release(t, t->g.mmaps[0].shm_offset, MOCK_QUEUE), BYPASS_RDMA_E_BUSY);
	assert_int_equal(release(t, first.shm_offset, first.size), 0);
}

/* Where the new queue would have no room, the old one stays as it is. */
static void test_resize_without_room(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	struct bypass_rdma_srq srq;
	struct bypass_rdma_modify_srq body = {.mask = BYPASS_RDMA_SRQ_MAX_WR, .max_wr = 9};
	const struct rxe_modify_srq_cmd blob = {.mmap_info_addr = 0xdead0000};
	struct bypass_rdma_mmap cq_map, srq_map;
	uint64_t made;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	cq_map = t->g.mmaps[0];
	assert_int_equal(create_srq(t, &srq), 0);
	srq_map = t->g.mmaps[0];
	body.handle = srq.handle;
	while (create_srq(t, &srq) == 0)
		;
	made = mock.next_offset;
	assert_int_equal(resize(t, 20, &cq), BYPASS_RDMA_E_NO_SPACE);
	assert_int_equal(resize(t, 16384, &cq), BYPASS_RDMA_E_NO_SPACE);
	assert_int_equal(
		rdma_guest_call(&t->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_MODIFY_SRQ,
								 .body = &body,
								 .body_size = sizeof(body),
								 .udata = &blob,
								 .udata_size = sizeof(blob)}),
		BYPASS_RDMA_E_NO_SPACE);
	assert_int_equal(mock.next_offset, made);
	assert_int_equal(release(t, cq_map.shm_offset, cq_map.size), BYPASS_RDMA_E_BUSY);
	assert_int_equal(release(t, srq_map.shm_offset, srq_map.size), BYPASS_RDMA_E_BUSY);
}

/* A handle comes again while pages of the object that had it are still mapped. */
static void test_orphans(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_mmap kept[2];
	struct bypass_rdma_cq cq;
	struct bypass_rdma_qp qp;

	assert_int_equal(create_cq(t, 0, &cq), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), 0);
		assert_int_equal(qp.handle, i);
		assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_QP, qp.handle), 0);
		for (int m = 0; i && m < 2; m++)
			assert_int_equal(release(t, t->g.mmaps[m].shm_offset, MOCK_QUEUE), 0);
		if (!i)
			memcpy(kept, t->g.mmaps, sizeof(kept));
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(create_cq(t, 0, &cq), 0);
	/* There is room for one queue of two: the first one's is taken back, and only that. */
	assert_int_equal(create_qp(t, IB_UVERBS_QPT_RC, cq.handle, &qp), BYPASS_RDMA_E_NO_SPACE);
	assert_int_equal(rdma_guest_stats(&t->g).shm_bytes, 7 * MOCK_QUEUE);
	for (int m = 0; m < 2; m++)
		assert_int_equal(release(t, kept[m].shm_offset, MOCK_QUEUE), 0);
}

/* Pages of queues that are gone are kept up to a number, each being a mapping of the host. */
static void test_most_orphans(void **state)
{
	struct bypass_virtio_device *dev = mock_open("mock0,trust-guest,qps=1,cqs=1,srqs=1,shm=1M,"
						     "vectors=1");
	struct test t = {0};
	struct bypass_rdma_cq cq;
	int n = 0;

	(void)state;
	guest_init(&t.g.guest, 4 << 20);
	rdma_guest_start(&t.g, dev);
	while (n < 128 && create_cq(&t, 0, &cq) == 0) {
		assert_int_equal(rdma_guest_destroy(&t.g, BYPASS_RDMA_DESTROY_CQ, cq.handle), 0);
		n++;
	}
	assert_int_equal(n, 64);
	assert_int_equal(create_cq(&t, 0, &cq), BYPASS_RDMA_E_NO_SPACE);
	assert_int_equal(release(&t, 0, MOCK_QUEUE), 0);
	assert_int_equal(create_cq(&t, 0, &cq), 0);
	rdma_guest_stop(&t.g);
}

/* What the guest wrote where nothing is mapped costs the host memory until the reset, not longer. */
static void test_stray_touches(void **state)
{
	struct test *t = *state;
	unsigned char resident[64 * 1024 / GUEST_PAGE];
	struct bypass_rdma_cq cq;

	assert_int_equal(t->g.dev->shm.size, 64 * 1024);
	assert_int_equal(create_cq(t, 0, &cq), 0);
	memset(t->g.dev->shm.hva, 1, t->g.dev->shm.size);
	t->g.dev->ops->reset(t->g.dev);
	assert_int_equal(mincore(t->g.dev->shm.hva, t->g.dev->shm.size, resident), 0);
	for (size_t i = 0; i < sizeof(resident); i++)
		assert_int_equal(resident[i] & 1, 0);
	for (unsigned int i = 0; i < t->g.dev->n_queues; i++)
		guest_queue_free(&t->g.queues[i]);
	rdma_guest_start(&t->g, t->g.dev);
}

/* --- a transport out of process */

static struct {
	uint64_t offset, size, fd_offset;
	int fd, maps, unmaps;
	uint16_t events; /* that the guest had when a page was last taken back */
} shown;

/* What a VMM does before it answers: tell of its memory map and of an interrupt. */
static void *vmm(void *opaque)
{
	struct test *t = opaque;
	int call_fd = t->g.queues[BYPASS_RDMA_QUEUE_CONTROL].setup.call_fd;

	assert_int_equal(t->g.dev->ops->set_memory(t->g.dev, t->g.guest.mem), 0);
	assert_int_equal(t->g.dev->ops->queue_call(t->g.dev, BYPASS_RDMA_QUEUE_CONTROL, call_fd),
			 0);
	return NULL;
}

static int shm_map(void *transport, uint64_t offset, uint64_t size, int fd, uint64_t fd_offset,
		   bool writable)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, vmm, transport), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(writable);
	shown.offset = offset;
	shown.size = size;
	shown.fd = fd;
	shown.fd_offset = fd_offset;
	shown.maps++;
	return shown.maps == 3 ? -EIO : 0;
}

static int shm_unmap(void *transport, uint64_t offset, uint64_t size)
{
	struct test *t = transport;

	(void)size;
	shown.offset = offset;
	shown.unmaps++;
	shown.events = __atomic_load_n(&t->g.queues[BYPASS_RDMA_QUEUE_EVENT].ring.used->idx,
				       __ATOMIC_ACQUIRE);
	return 0;
}

static const struct bypass_virtio_carrier carrier = {.shm_map = shm_map, .shm_unmap = shm_unmap};

/* Where the VMM has no room for the new queue, the driver is not asked for one. */
static void test_resize_out_of_process(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	uint64_t made;

	memset(&shown, 0, sizeof(shown));
	assert_int_equal(t->g.dev->ops->attach(t->g.dev, &carrier, t), 0);
	assert_int_equal(create_cq(t, 0, &cq), 0);
	made = mock.next_offset;
	shown.maps = 2;
	assert_int_equal(resize(t, 20, &cq), BYPASS_RDMA_E_IO);
	assert_int_equal(mock.next_offset, made);
	assert_int_equal(release(t, 0, MOCK_QUEUE), BYPASS_RDMA_E_BUSY);
	assert_int_equal(resize(t, 20, &cq), 0);
	assert_int_equal(release(t, 0, MOCK_QUEUE), 0);
}

static void test_out_of_process(void **state)
{
	struct test *t = *state;
	struct bypass_rdma_cq cq, second;

	memset(&shown, 0, sizeof(shown));
	assert_int_equal(t->g.dev->ops->attach(t->g.dev, &carrier, t), 0);
	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(shown.fd, mock.cmd_fd);
	assert_int_equal(shown.fd_offset, MOCK_QUEUE);
	assert_int_equal(create_cq(t, 0, &second), 0);
	assert_int_equal(shown.offset, MOCK_QUEUE);
	/* The VMM refuses the third: nothing of it stays. */
	assert_int_equal(create_cq(t, 0, &second), BYPASS_RDMA_E_IO);
	assert_int_equal(mock_objects(), 3);
	assert_int_equal(rdma_guest_destroy(&t->g, BYPASS_RDMA_DESTROY_CQ, cq.handle), 0);
	assert_int_equal(shown.unmaps, 0);
	assert_int_equal(release(t, 0, MOCK_QUEUE), 0);
	assert_int_equal(shown.unmaps, 1);
	assert_int_equal(shown.offset, 0);
}

/* A guest that hears of it resets the device, in which QEMU must find no request of ours. */
static void test_lost(void **state)
{
	const struct ib_uverbs_async_event_desc desc = {.event_type = IBV_EVENT_DEVICE_FATAL};
	struct test *t = *state;
	struct bypass_rdma_cq cq;
	uint32_t event[2];

	memset(&shown, 0, sizeof(shown));
	assert_int_equal(t->g.dev->ops->attach(t->g.dev, &carrier, t), 0);
	assert_int_equal(create_cq(t, 0, &cq), 0);
	assert_int_equal(write(mock.async[1], &desc, sizeof(desc)), sizeof(desc));
	assert_true(rdma_guest_event(&t->g, BYPASS_RDMA_QUEUE_EVENT, 5000, event));
	assert_int_equal(event[0], BYPASS_RDMA_EVENT_DEVICE_FATAL);
	assert_int_equal(shown.unmaps, 1);
	assert_int_equal(shown.events, 0);
	assert_int_equal(rdma_guest_stats(&t->g).events, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mappings),
		TEST(test_resize),
		TEST(test_resize_without_room),
		TEST(test_orphans),
		TEST(test_stray_touches),
		TEST(test_out_of_process),
		TEST(test_resize_out_of_process),
		cmocka_unit_test(test_most_orphans),
		TEST(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
