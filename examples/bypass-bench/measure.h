/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The measuring code and what it needs of the side that it runs on: the guest or
 * an ordinary process. measure.c is compiled for both, unchanged.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <bypass/loop.h>

#include "abi.h"
#include "virtqueue.h"

/**
 * struct bench_ring - a driver's view of a loop slice
 * @header: start of its window
 * @requests: request ring
 * @completions: completion ring
 * @data: data area
 * @mask: entries - 1
 */
struct bench_ring {
	struct bypass_loop_header *header;
	struct bypass_loop_entry *requests;
	struct bypass_loop_entry *completions;
	uint8_t *data;
	uint32_t mask;
};

/**
 * struct bench_side - where a side reaches its devices and its memory
 * @ring: for each path that uses a loop slice, which one
 * @lines: two cache lines, the requester's and the device's
 * @queue: the driver's half of the virtqueue
 * @source: private memory of BENCH_MAX_SIZE for what is sent
 * @sink: private memory of BENCH_MAX_SIZE for what comes back
 * @ram: start of the guest's RAM
 * @doorbell: of BENCH_WRITE
 * @own: of the side
 */
struct bench_side {
	struct bench_ring ring[BENCH_PATHS];
	uint64_t *lines[2];
	struct bench_virtqueue queue;
	uint8_t *source;
	uint8_t *sink;
	uint8_t *ram;
	volatile uint64_t *doorbell;
	void *own;
};

/* Finds the rings in the window of a loop slice. False when it is none. */
bool bench_ring_init(struct bench_ring *ring, void *window);

/* Puts the two lines of BENCH_LINES at the end of the data area of a ring. */
void bench_lines_init(struct bench_side *side, const struct bench_ring *ring);

/* Puts the driver's half of the virtqueue into guest RAM, which begins at @memory. */
void bench_virtqueue_init(struct bench_side *side, uint8_t *memory);

/* Does a job. The result is in it. */
void bench_measure(struct bench_side *side, struct bench_job *job);

/* What a side provides: doorbells, and interrupts (the number taken so far). */
void side_kick(struct bench_side *side);
void side_trap(struct bench_side *side);
uint32_t side_interrupts(struct bench_side *side);
/* Sleeps until there was an interrupt after the first @seen. False when none came in time. */
bool side_sleep(struct bench_side *side, uint32_t seen);

static inline uint64_t bench_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

typedef uint64_t bench_word __attribute__((may_alias));
typedef uint8_t bench_chunk __attribute__((vector_size(16), may_alias, aligned(8)));

/* Copies @size bytes, a multiple of 8: the same code on every side. */
static inline void bench_copy(void *to, const void *from, uint64_t size)
{
	bench_chunk *chunk = to;
	const bench_chunk *end = (const bench_chunk *)((const char *)from + (size & ~15ull));
	const bench_chunk *old = from;

	if (size >= 1024) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
		return;
	}
	while (old < end)
		*chunk++ = *old++;
	if (size & 8)
		*(bench_word *)chunk = *(const bench_word *)old;
}

/* The words of a payload that is checked; the device answers with their complement. */
static inline uint64_t bench_pattern(uint64_t number, uint64_t word)
{
	return word ? (number + word) * 0x9e3779b97f4a7c15ull : number;
}

#endif
