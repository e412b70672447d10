/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A split virtqueue as the virtio 1.2 specification lays it out (2.7), and the
 * driver's half of one that both sides poll.
 */
#ifndef BENCH_VIRTQUEUE_H
#define BENCH_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTQ_SIZE 256u /* descriptors, a power of two */

enum {
	VIRTQ_DESC_F_NEXT = 1,
	VIRTQ_DESC_F_WRITE = 2,
	VIRTQ_AVAIL_F_NO_INTERRUPT = 1,
	VIRTQ_USED_F_NO_NOTIFY = 1,
};

/* 2.7.5 */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* 2.7.6 */
struct virtq_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[VIRTQ_SIZE];
	uint16_t used_event;
};

/* 2.7.8 */
struct virtq_used_elem {
	uint32_t id;
	uint32_t len;
};

struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[VIRTQ_SIZE];
	uint16_t avail_event;
};

/* The three parts in one piece of memory; the device writes to the last one only. */
struct virtq {
	struct virtq_desc desc[VIRTQ_SIZE];
	struct virtq_avail avail;
	struct virtq_used used __attribute__((aligned(64)));
};

/**
 * struct bench_virtqueue - the driver's half
 * @virtq: the queue
 * @buffers: memory after it, for payloads
 * @memory: what the addresses in descriptors are counted from
 * @notifications: that a device which does not poll would have been sent
 */
struct bench_virtqueue {
	struct virtq *virtq;
	uint8_t *buffers;
	uint8_t *memory;
	uint64_t notifications;
};

#endif
