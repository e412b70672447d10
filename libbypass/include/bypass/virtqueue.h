/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The device's side of a split virtqueue (virtio 1.2, section 2.7). For whoever
 * writes a device: it takes chains that a hostile driver made, and gives them back.
 *
 * The rings are guest memory: everything in them may change at any time. Each
 * descriptor is therefore copied once, checked, and used from the copy. A chain holds
 * guest-physical addresses. Each copy looks these up in the memory map, so that the map
 * may change between two calls.
 */
#ifndef BYPASS_VIRTQUEUE_H
#define BYPASS_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bypass/virtio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_memory;

/* The ring features that this code serves, to be or-ed to a device's own. */
#define BYPASS_VIRTQUEUE_FEATURES                                                                  \
	(1ull << 32 /* VIRTIO_F_VERSION_1 */ | 1ull << 28 /* VIRTIO_F_INDIRECT_DESC */)

/* More descriptors in one chain, an indirect table's included, break the queue. */
#define BYPASS_CHAIN_MAX 128

/**
 * struct bypass_virtqueue - a started queue
 * @queue: where it is
 * @used: free-running index of the next used entry
 * @broken: the driver broke the rules: nothing is taken from it until it is started anew
 * @interrupts: used-buffer notifications signalled; only the thread that serves the
 *	queue writes it
 *
 * Zeroed memory is a stopped queue. Not locked: one thread at a time.
 */
struct bypass_virtqueue {
	struct bypass_virtio_queue queue;
	uint16_t used;
	bool broken;
	uint64_t interrupts;
};

/**
 * struct bypass_chain - a descriptor chain, checked and copied
 * @head: its first descriptor, which names it in the used ring
 * @n_readable: descriptors that the device reads; they come first
 * @n: all descriptors
 * @readable: bytes in the first @n_readable
 * @writable: bytes in the others
 * @part: guest-physical address and length of each
 */
struct bypass_chain {
	uint16_t head;
	uint16_t n_readable;
	uint16_t n;
	uint64_t readable;
	uint64_t writable;
	struct {
		uint64_t gpa;
		uint32_t size;
	} part[BYPASS_CHAIN_MAX];
};

/**
 * bypass_virtqueue_start() - begin to serve a queue
 * @vq: a stopped queue
 * @mem: guest RAM, in which the rings must lie
 * @queue: where the driver put it; copied
 * @max: the device's largest size for this queue
 *
 * Return: 0; -EINVAL (size or alignment), -EFAULT (a ring is not in RAM).
 */
int bypass_virtqueue_start(struct bypass_virtqueue *vq, const struct bypass_memory *mem,
			   const struct bypass_virtio_queue *queue, uint16_t max);

/**
 * bypass_virtqueue_started() - whether it is
 * @vq: the queue
 */
static inline bool bypass_virtqueue_started(const struct bypass_virtqueue *vq)
{
	return vq->queue.size != 0;
}

/**
 * bypass_virtqueue_stop() - cease to serve a queue
 * @vq: the queue; started or not
 *
 * Return: the index of the next entry that it would have taken.
 */
uint16_t bypass_virtqueue_stop(struct bypass_virtqueue *vq);

/**
 * bypass_virtqueue_pop() - take the next chain
 * @vq: a started queue
 * @mem: guest RAM
 * @chain: filled
 *
 * Return: 1; 0 when there is none; -EPROTO with bypass_error() when the driver broke
 * the rules: the queue is then broken, and the device should ask for a reset.
 */
int bypass_virtqueue_pop(struct bypass_virtqueue *vq, const struct bypass_memory *mem,
			 struct bypass_chain *chain);

/**
 * bypass_virtqueue_push() - give a chain back
 * @vq: the queue
 * @mem: guest RAM
 * @chain: from bypass_virtqueue_pop()
 * @written: bytes written into its writable part, from the start
 *
 * Return: 0, or -EFAULT when the used ring lies no longer in RAM.
 */
int bypass_virtqueue_push(struct bypass_virtqueue *vq, const struct bypass_memory *mem,
			  const struct bypass_chain *chain, uint32_t written);

/**
 * bypass_virtqueue_signal() - notify the driver of what was pushed, unless it asked not to
 * @vq: the queue
 * @mem: guest RAM
 */
void bypass_virtqueue_signal(struct bypass_virtqueue *vq, const struct bypass_memory *mem);

/**
 * bypass_chain_read() - copy from the readable part
 * @chain: the chain
 * @mem: guest RAM
 * @offset: in the readable part
 * @data: where to
 * @size: bytes
 *
 * Return: 0; -EINVAL (beyond the readable part), -EFAULT (not RAM).
 */
int bypass_chain_read(const struct bypass_chain *chain, const struct bypass_memory *mem,
		      uint64_t offset, void *data, size_t size);

/**
 * bypass_chain_write() - copy to the writable part
 * @chain: the chain
 * @mem: guest RAM
 * @offset: in the writable part
 * @data: what
 * @size: bytes
 *
 * Return: as bypass_chain_read().
 */
int bypass_chain_write(const struct bypass_chain *chain, const struct bypass_memory *mem,
		       uint64_t offset, const void *data, size_t size);

#ifdef __cplusplus
}
#endif
#endif
