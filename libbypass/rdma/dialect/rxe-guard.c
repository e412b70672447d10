// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way. The driver believes what it reads in a user's work queues. The guest gets a
 * copy of the same layout in place of each queue. A work request passes through a private copy
 * here on its way to the driver's queue; a completion is copied the other way. The driver's own
 * queues are mapped here and nowhere else.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include <bypass/error.h>

#include "flush.h"
#include "rxe.h"

#define SEND_FLAGS (1u << 0 | 1u << 1 | 1u << 2 | 1u << 3) /* fence, signaled, solicited, inline */
#define INLINE	   (1u << 3)

/* The driver counts in an int what is left of a message, whatever its port says. */
#define MESSAGE_MAX INT32_MAX

/*
 * Nothing about memory windows: the driver does not ask whose one is that a request invalidates,
 * and takes one that is not bound for one that is; and not every version of it asks whose the
 * window and the region are that a request binds.
 */
#define OPCODE(name)   (1u << IB_UVERBS_WR_##name)
#define OPCODES_UD     (OPCODE(SEND) | OPCODE(SEND_WITH_IMM))
#define OPCODES_WRITE  (OPCODE(RDMA_WRITE) | OPCODE(RDMA_WRITE_WITH_IMM))
#define OPCODES_UC     (OPCODES_UD | OPCODES_WRITE)
#define OPCODES_ATOMIC (OPCODE(ATOMIC_CMP_AND_SWP) | OPCODE(ATOMIC_FETCH_AND_ADD))
#define OPCODES_RC     (OPCODES_UC | OPCODES_ATOMIC | OPCODE(RDMA_READ))
#define FLUSH	       (1u << RDMA_WR_FLUSH)
#define ATOMIC_WRITE   (1u << RDMA_WR_ATOMIC_WRITE)

struct rxe_ring {
	struct rdma_ring ring;
	struct rxe_queue_buf *real; /* the driver's */
	struct rxe_queue_buf *copy; /* the guest's: every byte of it may change at any time */
	uint32_t size;
	uint32_t opcodes; /* of requests that may pass */
	uint32_t longest; /* message in bytes */
	uint32_t mask;	  /* number of elements less one … */
	uint32_t shift;	  /* … and log2 of an element's size, as the driver said at first */
	/* Elements move from the copy to the driver's queue; of a CQ the other way. */
	uint32_t end;	/* index behind the last element that was there at the snapshot */
	uint32_t taken; /* index of the next element to take */
	uint32_t put;	/* index of the next element to fill */
	union {
		struct rxe_send_wqe send;
		struct rxe_recv_wqe receive;
		uint8_t bytes[4096];
	} wqe; /* the private copy */
};

static struct rxe_ring *to_rxe(struct rdma_ring *ring)
{
	return (struct rxe_ring *)ring;
}

/*
 * Not every version of the driver sees that what goes over the end of all addresses is in no
 * region.
 */
static bool wraps(uint64_t address, uint64_t length)
{
	return address + length < address;
}

/* Make the scatter list sound: its length is what its entries say, and nothing is done yet. */
static bool check_sges(struct rxe_dma_info *dma, uint32_t room, uint32_t longest)
{
	uint64_t length = 0;

	if (dma->num_sge > room / sizeof(struct rxe_sge))
		return false;
	for (uint32_t i = 0; i < dma->num_sge; i++) {
		if (wraps(dma->sge[i].addr, dma->sge[i].length))
			return false;
		length += dma->sge[i].length;
	}
	if (length > longest)
		return false;
	dma->length = dma->resid = length;
	dma->cur_sge = dma->sge_offset = dma->reserved = 0;
	return true;
}

static bool check_inline(struct rxe_dma_info *dma, uint32_t room)
{
	if (dma->length > room)
		return false;
	dma->resid = dma->length;
	dma->num_sge = dma->cur_sge = dma->sge_offset = dma->reserved = 0;
	return true;
}

/* The one value that an atomic write carries stands in the request itself. */
static bool check_atomic_write(struct rxe_dma_info *dma, uint32_t room)
{
	dma->length = sizeof(uint64_t);
	return check_inline(dma, room);
}

/* A flush carries nothing; its length is that of the peer's memory. */
static bool check_flush(struct rxe_send_wqe *wqe)
{
	struct rxe_flush_wr flush;

	memcpy(&flush, &wqe->wr.wr, sizeof(flush));
	wqe->dma.length = flush.length;
	return check_inline(&wqe->dma, flush.length);
}

static bool check_data(const struct rxe_ring *r, struct rxe_send_wqe *wqe, uint32_t opcode,
		       uint32_t room)
{
	if (opcode == FLUSH)
		return check_flush(wqe);
	if (opcode == ATOMIC_WRITE)
		return check_atomic_write(&wqe->dma, room);
	if (wqe->wr.send_flags & INLINE)
		return (opcode & OPCODES_UC) && check_inline(&wqe->dma, room);
	return check_sges(&wqe->dma, room, r->longest);
}

/* What the driver believes of each operation; the keys themselves it does check. */
static bool check_operation(struct rxe_ring *r, struct rxe_send_wr *wr)
{
	if (r->ring.qp_type != IB_UVERBS_QPT_UD)
		return true;
	wr->wr.ud.pkey_index = 0;
	if (!wr->wr.ud.ah_num)
		r->ring.complaint = "a datagram names no address handle, as those of rdma-core "
				    "before 36 "
				    "do, and ends in an error";
	/*
	 * Without an address handle the driver would send to, and from, any address. And an HCA
	 * would not send a privileged Q_Key that a request names; this driver does.
	 */
	return wr->wr.ud.ah_num && !(wr->wr.ud.remote_qkey & RDMA_QKEY_PRIVILEGED);
}

/*
 * The peer's memory, which may be another guest's on the same host. Its address stands in the
 * request twice: iova is what goes over the wire, the other what the driver restores it from.
 */
static bool check_remote(struct rxe_send_wqe *wqe, uint32_t opcode)
{
	wqe->iova = 0;
	if (opcode & OPCODES_ATOMIC) {
		wqe->iova = wqe->wr.wr.atomic.remote_addr;
		if (wqe->dma.length != sizeof(uint64_t))
			return false;
	} else if (opcode & (OPCODES_WRITE | OPCODE(RDMA_READ) | FLUSH | ATOMIC_WRITE)) {
		wqe->iova = wqe->wr.wr.rdma.remote_addr;
	}
	return !wraps(wqe->iova, wqe->dma.length);
}

static bool check_send(struct rxe_ring *r)
{
	struct rxe_send_wqe *wqe = &r->wqe.send;
	uint32_t room = (1u << r->shift) - sizeof(*wqe), opcode;

	if (wqe->wr.opcode > 31)
		return false;
	opcode = 1u << wqe->wr.opcode;
	if (!(opcode & r->opcodes) || (wqe->wr.send_flags & ~SEND_FLAGS) ||
	    !check_operation(r, &wqe->wr))
		return false;
	/* What follows belongs to the driver, which begins with zeroes. */
	wqe->wr.reserved = 0;
	wqe->status = wqe->state = wqe->mask = 0;
	wqe->first_psn = wqe->last_psn = wqe->ack_length = wqe->ssn = wqe->has_rd_atomic = 0;
	return check_data(r, wqe, opcode, room) && check_remote(wqe, opcode);
}

static bool check_receive(struct rxe_ring *r)
{
	struct rxe_recv_wqe *wqe = &r->wqe.receive;

	wqe->reserved = wqe->padding = 0;
	/* There may be more room than a message needs: as much as the field for it can say. */
	return check_sges(&wqe->dma, (1u << r->shift) - sizeof(*wqe), UINT32_MAX);
}

/* In place of an unsound request: one that ends in an error, and takes its queue pair along. */
static void make_failing(struct rxe_ring *r)
{
	struct rxe_dma_info *dma;
	uint64_t wr_id;

	memcpy(&wr_id, r->wqe.bytes, sizeof(wr_id)); /* first in both kinds */
	memset(r->wqe.bytes, 0, 1u << r->shift);
	memcpy(r->wqe.bytes, &wr_id, sizeof(wr_id));
	if (r->ring.map == RDMA_MAP_SEND) {
		r->wqe.send.wr.opcode = IB_UVERBS_WR_SEND;
		dma = &r->wqe.send.dma;
	} else {
		dma = &r->wqe.receive.dma;
	}
	dma->length = dma->resid = dma->num_sge = 1;
	if ((1u << r->shift) - (uint32_t)((uint8_t *)dma->sge - r->wqe.bytes) >=
	    sizeof(struct rxe_sge))
		dma->sge[0].length = 1; /* of the key 0, which is nobody's */
}

static void *element(struct rxe_ring *r, struct rxe_queue_buf *queue, uint32_t index)
{
	return queue->data + ((size_t)index << r->shift);
}

static uint32_t load(const uint32_t *index, const struct rxe_ring *r)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE) & r->mask;
}

static void rxe_snapshot(struct rdma_ring *ring)
{
	struct rxe_ring *r = to_rxe(ring);

	r->end = load(
		ring->map == RDMA_MAP_CQ ? &r->real->producer_index : &r->copy->producer_index, r);
}

/* Completions: from the driver's queue to the copy. They hold nothing that is not the guest's. */
static unsigned int move_completions(struct rxe_ring *r, bool *left)
{
	uint32_t done = load(&r->copy->consumer_index, r);
	unsigned int moved = 0;

	for (; r->taken != r->end; moved++) {
		*left = ((r->put + 1) & r->mask) == done;
		if (*left)
			break;
		memcpy(element(r, r->copy, r->put), element(r, r->real, r->taken), 1u << r->shift);
		r->put = (r->put + 1) & r->mask;
		r->taken = (r->taken + 1) & r->mask;
	}
	if (moved) {
		__atomic_store_n(&r->copy->producer_index, r->put, __ATOMIC_RELEASE);
		__atomic_store_n(&r->real->consumer_index, r->taken, __ATOMIC_RELEASE);
	}
	return moved;
}

/* Work requests: from the copy to the driver's queue, through the private copy. */
static unsigned int move_requests(struct rxe_ring *r, bool *left)
{
	uint32_t done = load(&r->real->consumer_index, r);
	unsigned int moved = 0;

	for (; r->taken != r->end; moved++) {
		*left = ((r->put + 1) & r->mask) == done;
		if (*left)
			break;
		memcpy(r->wqe.bytes, element(r, r->copy, r->taken), 1u << r->shift);
		atomic_signal_fence(memory_order_seq_cst);
		if (r->ring.map == RDMA_MAP_SEND ? !check_send(r) : !check_receive(r))
			make_failing(r);
		memcpy(element(r, r->real, r->put), r->wqe.bytes, 1u << r->shift);
		r->put = (r->put + 1) & r->mask;
		r->taken = (r->taken + 1) & r->mask;
	}
	if (moved)
		__atomic_store_n(&r->real->producer_index, r->put, __ATOMIC_RELEASE);
	/* The guest's queue is as full as the driver's: what was moved is not done yet. */
	__atomic_store_n(&r->copy->consumer_index, (r->taken - (r->put - done)) & r->mask,
			 __ATOMIC_RELEASE);
	return moved;
}

static unsigned int rxe_move(struct rdma_ring *ring, bool *left)
{
	struct rxe_ring *r = to_rxe(ring);

	*left = false;
	return ring->map == RDMA_MAP_CQ ? move_completions(r, left) : move_requests(r, left);
}

static void rxe_reset(struct rdma_ring *ring)
{
	struct rxe_ring *r = to_rxe(ring);

	rxe_snapshot(ring);
	r->taken = r->end;
	__atomic_store_n(&r->copy->consumer_index, r->taken, __ATOMIC_RELEASE);
}

/* Requests that the guest has posted since the last move. */
static uint32_t count_posted(const struct rxe_ring *r)
{
	return (load(&r->copy->producer_index, r) - r->taken) & r->mask;
}

static uint32_t rxe_waiting(const struct rdma_ring *ring)
{
	const struct rxe_ring *r = (const struct rxe_ring *)ring;

	if (ring->map == RDMA_MAP_CQ)
		return (r->put - load(&r->copy->consumer_index, r)) & r->mask;
	return ((r->put - load(&r->real->consumer_index, r)) & r->mask) + count_posted(r);
}

static void adopt_completions(struct rxe_ring *r, struct rxe_ring *from)
{
	uint32_t waiting = rxe_waiting(&from->ring);

	for (; waiting && r->put != r->mask; waiting--) {
		memcpy(element(r, r->copy, r->put),
		       element(from, from->copy, (from->put - waiting) & from->mask),
		       1u << r->shift);
		r->put++;
	}
	__atomic_store_n(&r->copy->producer_index, r->put, __ATOMIC_RELEASE);
}

/* Behind those that the driver has taken over, as far as there is room: they are moved later. */
static void adopt_requests(struct rxe_ring *r, struct rxe_ring *from)
{
	uint32_t done = load(&r->real->consumer_index, r), posted = count_posted(from);
	uint32_t at = r->put;

	for (uint32_t i = 0; i < posted && ((at + 1) & r->mask) != done; i++) {
		memcpy(element(r, r->copy, at),
		       element(from, from->copy, (from->taken + i) & from->mask), 1u << r->shift);
		at = (at + 1) & r->mask;
	}
	__atomic_store_n(&r->copy->producer_index, at, __ATOMIC_RELEASE);
}

static void rxe_adopt(struct rdma_ring *ring, struct rdma_ring *old)
{
	struct rxe_ring *from = to_rxe(old);
	struct rxe_ring *r = to_rxe(ring);

	if (from->shift != r->shift)
		return;
	if (ring->map == RDMA_MAP_CQ)
		adopt_completions(r, from);
	else
		adopt_requests(r, from);
}

static void rxe_close(struct rdma_ring *ring)
{
	struct rxe_ring *r = to_rxe(ring);

	if (r->real)
		munmap(r->real, r->size);
	free(r);
}

static uint32_t least_element(enum rdma_map_kind map)
{
	switch (map) {
	case RDMA_MAP_SEND:
		return sizeof(struct rxe_send_wqe);
	case RDMA_MAP_RECEIVE:
		return sizeof(struct rxe_recv_wqe);
	default:
		return sizeof(struct ib_uverbs_wc);
	}
}

/* Versions of the driver that do not know an operation do not say that they have it. */
static uint32_t find_opcodes(uint64_t caps, uint32_t qp_type)
{
	uint32_t opcodes = OPCODES_RC;

	if (qp_type != IB_UVERBS_QPT_RC)
		return qp_type == IB_UVERBS_QPT_UC ? OPCODES_UC : OPCODES_UD;
	if (caps & (RDMA_CAP_FLUSH_GLOBAL | RDMA_CAP_FLUSH_PERSISTENT))
		opcodes |= FLUSH;
	if (caps & RDMA_CAP_ATOMIC_WRITE)
		opcodes |= ATOMIC_WRITE;
	return opcodes;
}

static int rxe_open(const struct rdma_ring *wanted, const struct rdma_ring_place *place,
		    struct rdma_ring **ring)
{
	struct rxe_ring *r = calloc(1, sizeof(*r));
	uint32_t size = place->size;
	int err;

	if (!r)
		return bypass_fail(ENOMEM, "no memory for a guarded queue");
	r->ring = *wanted;
	r->size = size;
	r->longest = place->max_message < MESSAGE_MAX ? place->max_message : MESSAGE_MAX;
	r->opcodes = find_opcodes(place->caps, wanted->qp_type);
	r->copy = place->copy;
	r->real = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, place->fd, place->offset);
	if (r->real == MAP_FAILED) {
		err = bypass_fail(errno, "cannot map a queue of %u bytes of %s: %m", size,
				  place->hca);
		r->real = NULL;
		goto fail;
	}
	r->mask = r->real->index_mask;
	r->shift = r->real->log2_elem_size;
	if (r->shift > 12 || 1u << r->shift < least_element(wanted->map) ||
	    (r->mask & (r->mask + 1)) || sizeof(*r->real) + ((r->mask + 1ull) << r->shift) > size) {
		err = bypass_fail(EOPNOTSUPP,
				  "%s has queues of a kind that is not known here (elements of "
				  "2^%u bytes, index mask %#x, %u bytes)",
				  place->hca, r->shift, r->mask, size);
		goto fail;
	}
	memcpy(r->copy, r->real, sizeof(*r->copy));
	if (wanted->map == RDMA_MAP_CQ) {
		r->taken = r->end = r->real->consumer_index & r->mask;
		r->copy->producer_index = r->copy->consumer_index = 0;
	} else {
		r->put = r->taken = r->end = r->real->producer_index & r->mask;
	}
	*ring = &r->ring;
	return 0;
fail:
	rxe_close(&r->ring);
	return err;
}

const struct rdma_guard rdma_rxe_guard = {
	.open = rxe_open,
	.adopt = rxe_adopt,
	.waiting = rxe_waiting,
	.snapshot = rxe_snapshot,
	.move = rxe_move,
	.reset = rxe_reset,
	.close = rxe_close,
	.no_mws = "rxe does not ask whose the window is when somebody invalidates it",
};
