// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way for rxe: whatever bytes are in the guest's copy of a work queue, what
 * reaches the driver's queue keeps the rules that the driver does not check. Whatever a guest
 * writes into its copy of a completion queue, the copy gets the driver's completions, each once.
 *
 * The input: which queue, how far the driver has come, where the guest's index is, a byte to
 * fill the copy with, and the fields of each work request that decide.
 */
#include "../../libbypass/rdma/dialect/flush.h"
#include "../mock_uverbs.h"
#include "input.h"

#define SLICE "mock0,qps=8,cqs=8,shm=256K"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One ring of each kind: sends of RC, UC and UD, receives, completions. */
enum { RECEIVES = 3, COMPLETIONS, RINGS };
static struct {
	struct rxe_queue_buf *copy, *real;
	uint32_t qp_type;
} rings[RINGS];

static struct rdma_slice *slice;

static void *map(int fd, uint64_t offset)
{
	void *hva = mmap(NULL, MOCK_QUEUE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (hva == MAP_FAILED)
		abort();
	return hva;
}

static void set_up(void)
{
	static const struct rdma_ring wanted[RINGS] = {
		{.map = RDMA_MAP_SEND, .kind = RDMA_QP, .qp_type = IB_UVERBS_QPT_RC},
		{.map = RDMA_MAP_SEND, .kind = RDMA_QP, .qp_type = IB_UVERBS_QPT_UC},
		{.map = RDMA_MAP_SEND, .kind = RDMA_QP, .qp_type = IB_UVERBS_QPT_UD},
		{.map = RDMA_MAP_RECEIVE, .kind = RDMA_QP, .qp_type = IB_UVERBS_QPT_RC},
		{.map = RDMA_MAP_CQ, .kind = RDMA_CQ},
	};
	struct bypass_virtio_device *dev = mock_open(SLICE);

	if (!dev)
		abort();
	slice = rdma_slice(dev);
	for (int i = 0; i < RINGS; i++) {
		struct rdma_ring ring = wanted[i];
		struct mminfo mi = mock_queue();

		ring.handle = i;
		if (rdma_guard_open(slice, &ring, mi.offset, mi.size, i * MOCK_QUEUE))
			abort();
		rings[i].copy = map(slice->shm.fd, i * MOCK_QUEUE);
		rings[i].real = map(mock.cmd_fd, mi.offset);
		rings[i].qp_type = ring.qp_type;
	}
}

static void need(bool good)
{
	if (!good)
		abort();
}

static void check_dma(const struct rxe_dma_info *dma, uint32_t room)
{
	uint64_t length = 0;

	need(!dma->cur_sge && !dma->sge_offset && dma->resid == dma->length);
	need(dma->num_sge <= room / 16 || (dma->num_sge == 1 && dma->length == 1));
	for (uint32_t i = 0; i < dma->num_sge && i < room / 16; i++)
		length += dma->sge[i].length;
	need(!dma->num_sge || length == dma->length);
}

/* The driver reads no scatter list of a request that carries its data, or none. */
static void check_inline(const struct rxe_dma_info *dma)
{
	need(!dma->num_sge && !dma->cur_sge && !dma->sge_offset && dma->resid == dma->length);
}

static void check_send(const struct rxe_send_wqe *wqe, uint32_t qp_type)
{
	uint32_t room = (1 << MOCK_SHIFT) - sizeof(*wqe), opcode = wqe->wr.opcode;

	need(!(wqe->wr.send_flags & ~15));
	need(!wqe->state && !wqe->status && !wqe->mask && !wqe->ssn && !wqe->has_rd_atomic);
	if (opcode == RDMA_WR_FLUSH || opcode == RDMA_WR_ATOMIC_WRITE) {
		need(qp_type == IB_UVERBS_QPT_RC);
		need(opcode == RDMA_WR_FLUSH || wqe->dma.length == sizeof(uint64_t));
		check_inline(&wqe->dma);
		return;
	}
	need(opcode <= IB_UVERBS_WR_SEND_WITH_INV);
	need(opcode != IB_UVERBS_WR_LOCAL_INV && opcode != IB_UVERBS_WR_SEND_WITH_INV);
	if (qp_type == IB_UVERBS_QPT_UD) {
		need(opcode == IB_UVERBS_WR_SEND || opcode == IB_UVERBS_WR_SEND_WITH_IMM);
		need(!(wqe->wr.wr.ud.remote_qkey & RDMA_QKEY_PRIVILEGED));
		if (!wqe->wr.wr.ud.ah_num)
			need(!wqe->wr.wr.ud.av.network_type && wqe->dma.num_sge == 1);
	}
	if (wqe->wr.send_flags & 8) {
		need(wqe->dma.length <= room);
		check_inline(&wqe->dma);
	} else {
		check_dma(&wqe->dma, room);
	}
}

static void write_dma(struct rxe_dma_info *dma, struct input *in)
{
	dma->num_sge = take(in, 1) == 255 ? take(in, 4) : take(in, 1) % 24;
	dma->length = take(in, 2);
	for (uint32_t i = 0; i < dma->num_sge && i < 16; i++)
		dma->sge[i].length = take(in, 1) << take(in, 1) % 32;
}

static void write_request(int i, uint32_t slot, struct input *in)
{
	uint8_t *element = rings[i].copy->data + (slot << MOCK_SHIFT);
	struct rxe_send_wqe *wqe = (void *)element;

	if (i == RECEIVES) {
		write_dma(&((struct rxe_recv_wqe *)element)->dma, in);
		return;
	}
	wqe->wr.opcode = take(in, 1);
	if (wqe->wr.opcode == 255)
		wqe->wr.opcode = take(in, 4);
	wqe->wr.send_flags = take(in, 1);
	wqe->wr.wr.ud.ah_num = take(in, 1);
	write_dma(&wqe->dma, in);
}

static void *completion(struct rxe_queue_buf *queue, uint32_t index)
{
	return queue->data + ((index & MOCK_MASK) << MOCK_SHIFT);
}

/* The copy has room for as many completions as the guest says, and the driver has made so many. */
static void try_completions(struct input *in)
{
	static uint32_t put;
	struct rxe_queue_buf *real = rings[COMPLETIONS].real, *copy = rings[COMPLETIONS].copy;
	uint32_t taken = real->consumer_index, made, room, moved;
	bool any;

	need(taken <= MOCK_MASK);
	real->producer_index = take(in, 1) & MOCK_MASK;
	memset(copy, take(in, 1), MOCK_QUEUE);
	copy->consumer_index = take(in, 4);
	made = (real->producer_index - taken) & MOCK_MASK;
	room = (copy->consumer_index - put - 1) & MOCK_MASK;
	for (uint32_t n = 0; n < made; n++)
		memset(completion(real, taken + n), take(in, 1), 1 << MOCK_SHIFT);
	rdma_guard_move(slice, &any);

	moved = (real->consumer_index - taken) & MOCK_MASK;
	need(moved == (made < room ? made : room) && any == !!moved);
	need(real->consumer_index <= MOCK_MASK && real->index_mask == MOCK_MASK);
	for (uint32_t n = 0; n < moved; n++)
		need(!memcmp(completion(copy, put + n), completion(real, taken + n),
			     1 << MOCK_SHIFT));
	put = (put + moved) & MOCK_MASK;
	need(!moved || copy->producer_index == put);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint32_t before, after, driver;
	bool any;
	int i;

	if (!slice)
		set_up();
	i = take(&in, 1) % RINGS;
	if (i == COMPLETIONS) {
		try_completions(&in);
		return 0;
	}
	before = rings[i].real->producer_index;
	need(before <= MOCK_MASK);
	driver = take(&in, 1);
	rings[i].real->consumer_index = driver & 0x80 ? before : driver;
	memset(rings[i].copy, take(&in, 1), MOCK_QUEUE);
	rings[i].copy->producer_index = take(&in, 1);
	for (uint32_t n = 0; n <= MOCK_MASK; n++)
		write_request(i, (before + n) & MOCK_MASK, &in);
	rdma_guard_move(slice, &any);

	after = rings[i].real->producer_index;
	need(after <= MOCK_MASK && rings[i].real->index_mask == MOCK_MASK);
	for (; before != after; before = (before + 1) & MOCK_MASK) {
		const void *wqe = rings[i].real->data + (before << MOCK_SHIFT);

		if (i < RECEIVES)
			check_send(wqe, rings[i].qp_type);
		else
			check_dma(&((const struct rxe_recv_wqe *)wqe)->dma,
				  (1 << MOCK_SHIFT) - sizeof(struct rxe_recv_wqe));
	}
	return 0;
}
