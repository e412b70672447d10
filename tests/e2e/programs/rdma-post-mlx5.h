/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Work requests of a hostile guest for a ConnectX: in queues of its own memory, and on any doorbell page that it
 * sees. Included by rdma-hostile.c, after rdma-requests.h.
 */
#ifndef RDMA_POST_MLX5_H
#define RDMA_POST_MLX5_H

#include <endian.h>

#include "virtio-pci.h"

#define MLX5_QPS 64 /* queue pairs whose posted requests are counted, by their numbers */

/* A store to a doorbell page, of any process of the guest. */
static inline void ring_page(const struct virtio *v, struct model *m, uint32_t at, uint32_t first,
			     uint32_t second)
{
	uint64_t place = some(m, UCONTEXT)->page + at;
	const uint32_t words[] = {htobe32(first), htobe32(second)};
	uint64_t value;

	memcpy(&value, words, sizeof(value));
	if (place < v->shm.length)
		*(volatile uint64_t *)(v->shm.at + place) = value;
}

/* The request that is next in a send queue: control, remote address, data. */
static inline void write_mlx5_work(struct model *m, const struct object *qp, uint16_t index,
				   uint32_t *request)
{
	static const uint8_t opcodes[] = {0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x00, 0x25};
	const struct object *mr = some(m, MR), *other = some(m, MR);
	const uint32_t words[16] = {
		htobe32((uint32_t)index << 8 | opcodes[below(sizeof(opcodes))]),
		htobe32(qp->key << 8 | 3),
		htobe32(8),
		0,
		htobe32(mr->iova >> 32),
		htobe32(mr->iova),
		htobe32(mr->key),
		0,
		htobe32(8),
		htobe32(other->key),
		htobe32(other->iova >> 32),
		htobe32(other->iova),
	};

	memcpy(request, words, sizeof(words));
	if (one_in(2))
		request[below(16)] = number();
}

/* In the queue of the guest's memory, and its doorbell record; then the doorbell. False: there is no queue. */
static inline bool post_mlx5_work(const struct virtio *v, struct model *m,
				  uint16_t posted_on[MLX5_QPS])
{
	const struct object *qp = some(m, QP);
	uint64_t at, record = qp->record - v->gpa;
	uint16_t *posted = &posted_on[qp->key % MLX5_QPS];

	if (qp->queue == BYPASS_RDMA_NONE || !qp->requests)
		return false;
	at = qp->queue - v->gpa + (uint64_t)(*posted % qp->requests) * SEND_REQUEST;
	if (at > ARENA - SEND_REQUEST || record > ARENA - 8)
		return false;
	write_mlx5_work(m, qp, *posted, (uint32_t *)(v->arena + at));
	*posted += one_in(30) ? number() : 1;
	((volatile uint32_t *)(v->arena + record))[1] = htobe32(*posted);
	ring_page(v, m, 0x800, *(uint32_t *)(v->arena + at), qp->key << 8 | 3);
	if (one_in(8))
		ring_page(v, m, 0x20, number(), some(m, CQ)->key); /* a notification */
	if (one_in(8))
		ring_page(v, m, below(PAGE / 8) * 8, number(), number());
	return true;
}

#endif
