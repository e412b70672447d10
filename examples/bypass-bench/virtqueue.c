// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The device's half of the split virtqueue: what a polling back end does (SPDK,
 * DPDK vhost). It reads descriptors once and checks them, as it must.
 */
#include <errno.h>

#include "server.h"

/* Where a descriptor points, or NULL when that is not all in guest RAM. */
static void *translate(const struct bench_virtq_device *device, const struct virtq_desc *desc)
{
	if (desc->len > device->ram_size || desc->addr > device->ram_size - desc->len)
		return NULL;
	return device->ram + desc->addr;
}

/* A chain must be one descriptor to read, then one to write. */
static uint32_t serve_chain(struct bench_virtq_device *device, uint16_t head)
{
	struct virtq_desc in, out;
	void *request, *response;
	int64_t ret;

	in = device->virtq->desc[head % VIRTQ_SIZE];
	__asm__ volatile("" ::: "memory");
	if (in.flags != VIRTQ_DESC_F_NEXT)
		return 0;
	out = device->virtq->desc[in.next % VIRTQ_SIZE];
	__asm__ volatile("" ::: "memory");
	if (out.flags != VIRTQ_DESC_F_WRITE)
		return 0;
	request = translate(device, &in);
	response = translate(device, &out);
	if (!request || !response)
		return 0;
	ret = bench_echo(device->echo, request, in.len, response, out.len);
	return ret < 0 ? 0 : (uint32_t)ret;
}

unsigned int bench_virtq_poll(struct bench_virtq_device *device)
{
	struct virtq *virtq = device->virtq;
	uint16_t available = __atomic_load_n(&virtq->avail.idx, __ATOMIC_ACQUIRE);
	unsigned int n = 0;

	while (device->next != available && n < VIRTQ_SIZE) {
		uint16_t head = virtq->avail.ring[device->next % VIRTQ_SIZE];
		struct virtq_used_elem *elem = &virtq->used.ring[device->next % VIRTQ_SIZE];

		elem->len = serve_chain(device, head);
		elem->id = head;
		__atomic_store_n(&virtq->used.idx, ++device->next, __ATOMIC_RELEASE);
		n++;
		/* 2.7.14: would the driver be interrupted? It polls, so it never wants it. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!(__atomic_load_n(&virtq->avail.flags, __ATOMIC_RELAXED) &
		      VIRTQ_AVAIL_F_NO_INTERRUPT))
			device->interrupts++;
	}
	return n;
}
