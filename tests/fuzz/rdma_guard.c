// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way for rxe: whatever bytes are in the guest's copy of a work queue, what
 * reaches the driver's queue keeps the rules that the driver does not check.
 *
 * The input: which queue, how far the driver has come, where the guest's producer index
 * is, a byte to fill the copy with, and the fields of each work request that decide.
 */
#include "../mock_uverbs.h"
#include "input.h"

#define SLICE "mock0,qps=8,cqs=8,shm=256K"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One ring of each kind: sends of RC, UC and UD, receives. */
static struct {
	struct rdma_ring *ring;
	struct rxe_queue_buf *copy, *real;
	uint32_t qp_type;
} rings[4];

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
	static const uint32_t types[] = {IB_UVERBS_QPT_RC, IB_UVERBS_QPT_UC, IB_UVERBS_QPT_UD,
					 IB_UVERBS_QPT_RC};
	struct bypass_virtio_device *dev = mock_open(SLICE);

	if (!dev)
		abort();
	slice = rdma_slice(dev);
	for (int i = 0; i < 4; i++) {
		const struct rdma_ring wanted = {
			.map = i < 3 ? RDMA_MAP_SEND : RDMA_MAP_RECEIVE,
			.kind = RDMA_QP,
			.handle = i,
			.qp_type = types[i],
		};
		struct mminfo mi = mock_queue();

		if (rdma_guard_open(slice, &wanted, mi.offset, mi.size, i * MOCK_QUEUE))
			abort();
		rings[i].ring = slice->rings;
		rings[i].copy = map(slice->shm.fd, i * MOCK_QUEUE);
		rings[i].real = map(mock.cmd_fd, mi.offset);
		rings[i].qp_type = types[i];
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

static void check_send(const struct rxe_send_wqe *wqe, uint32_t qp_type)
{
	uint32_t room = (1 << MOCK_SHIFT) - sizeof(*wqe), opcode = wqe->wr.opcode;

	need(opcode <= IB_UVERBS_WR_SEND_WITH_INV && !(wqe->wr.send_flags & ~15));
	if (qp_type == IB_UVERBS_QPT_UD)
		need(opcode == IB_UVERBS_WR_SEND || opcode == IB_UVERBS_WR_SEND_WITH_IMM);
	if (qp_type == IB_UVERBS_QPT_UD && !wqe->wr.wr.ud.ah_num)
		need(!wqe->wr.wr.ud.av.network_type && wqe->dma.num_sge == 1);
	if (qp_type == IB_UVERBS_QPT_UD)
		need(!(wqe->wr.wr.ud.remote_qkey & RDMA_QKEY_PRIVILEGED));
	need(opcode != IB_UVERBS_WR_LOCAL_INV && opcode != IB_UVERBS_WR_SEND_WITH_INV);
	need(!wqe->state && !wqe->status && !wqe->mask && !wqe->ssn && !wqe->has_rd_atomic);
	if (wqe->wr.send_flags & 8)
		need(wqe->dma.length <= room && !wqe->dma.num_sge && !wqe->dma.cur_sge);
	else
		check_dma(&wqe->dma, room);
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

	if (i == 3) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint32_t before, after, driver;
	bool any;
	int i;

	if (!slice)
		set_up();
	i = take(&in, 1) % 4;
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

		if (i < 3)
			check_send(wqe, rings[i].qp_type);
		else
			check_dma(&((const struct rxe_recv_wqe *)wqe)->dma,
				  (1 << MOCK_SHIFT) - sizeof(struct rxe_recv_wqe));
	}
	return 0;
}
