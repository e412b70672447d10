/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The native side of a measurement: an ordinary process.
 */
#ifndef BENCH_NATIVE_H
#define BENCH_NATIVE_H

#include "measure.h"

/**
 * struct bench_native - what the native side has of its own
 * @side: handed to the measuring code
 * @ring: a loop slice of its own, for what interrupts or is kicked
 * @trap: a loop slice of its own, with a trap
 * @vector: eventfd of @ring's vector, not blocking
 * @interrupts: read from it so far
 */
struct bench_native {
	struct bench_side side;
	struct bypass_slice *ring;
	struct bypass_slice *trap;
	int vector;
	uint32_t interrupts;
};

#endif
