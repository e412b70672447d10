/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection between two functions of the ConnectX model: of the guest, and of another guest whose memory
 * the requests write. The program takes the driver's part, and both sides use the same queues.
 */
#ifndef BENCH_RDMA_CONNECTION_H
#define BENCH_RDMA_CONNECTION_H

#include <bypass/slice.h>

#include "abi.h"
#include "vm.h"

struct bypass_memory;
struct subnet;

/**
 * struct bench_link - both ends
 * @subnet: what the device's thread runs
 * @slices: the guest's function, and the other guest's
 * @memory: of each
 * @other: RAM of the other guest
 * @doorbell: where the native side rings
 */
struct bench_link {
	struct subnet *subnet;
	struct bypass_slice *slices[2];
	struct bypass_memory *memory[2];
	struct bench_ram other;
	volatile uint64_t *doorbell;
};

/* Makes both functions. 0, or a negative errno with bypass_error(). */
int bench_link_open(struct bench_link *link, const struct bench_ram *ram);

/*
 * Resets both functions, makes the queues in the guest's RAM and connects both ends; again after the first
 * function was plugged into a VM, or unplugged. 0, or a negative errno with bypass_error().
 */
int bench_link_connect(struct bench_link *link, const struct bench_ram *ram);

/* A bounded amount of the device's work */
void bench_link_run(struct bench_link *link);

void bench_link_close(struct bench_link *link);

#endif
