/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is measured: cells (a path, a payload size, a queue depth), round after
 * round, and what comes out of each.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "lab.h"

#define BENCH_MIN_ROUNDS 7u
#define BENCH_MAX_ROUNDS 99u

/**
 * struct bench_figures - times of one cell on one side, in ns: of round trips, or in
 *	depth of as many completions as are under way
 * @min: shortest
 * @p50: median
 * @p99: 99 % are not longer
 * @p999: 99.9 % are not longer
 * @per_op: median time of an operation: the inverse of the rate
 * @server: CPU time of the device's thread for an operation
 * @all: the same, to go through
 */
struct bench_figures {
	union {
		struct {
			double min;
			double p50;
			double p99;
			double p999;
			double per_op;
			double server;
		};
		double all[6];
	};
};

/**
 * struct bench_result - one side of a cell
 * @rounds: figures of each round
 * @median: of each figure over the rounds
 * @operations: in all rounds
 * @cost: of all rounds
 * @interrupts: taken
 * @histogram: of all rounds
 */
struct bench_result {
	struct bench_figures rounds[BENCH_MAX_ROUNDS];
	struct bench_figures median;
	uint64_t operations;
	struct bench_cost cost;
	uint64_t interrupts;
	struct bench_histogram histogram;
};

/**
 * struct bench_cell - what is measured as one
 * @path: the way
 * @size: payload, bytes
 * @depth: requests under way
 * @operations: in a round, found by trying, by side
 * @sides: results
 * @ratio: guest / native: median over the rounds of each round's own
 * @drift: spread of native p50 over the rounds: (p90 - p10) / median
 * @tail: native p99 / p50, median over rounds
 * @noisy: too much of one of these to believe in the ratio
 */
struct bench_cell {
	enum bench_path path;
	uint32_t size;
	uint32_t depth;
	uint64_t operations[BENCH_SIDES];
	struct bench_result sides[BENCH_SIDES];
	struct bench_figures ratio;
	double drift;
	double tail;
	bool noisy;
};

/* A cell is noisy when native p50 drifts by more than this between rounds, … */
#define BENCH_NOISY_DRIFT 0.10
/* … or when native p99 is more than this times p50, where both sides poll. */
#define BENCH_NOISY_TAIL 3.0

/**
 * struct bench_plan - all cells
 * @cells: by path, then size, then depth
 * @n_cells: their number
 * @rounds: of each
 * @lab: where they are measured
 * @memory: bytes that each path keeps for itself: rings, payloads and the server's stack,
 *	as far as they are resident after 64 B operations at a depth of 32
 */
struct bench_plan {
	struct bench_cell *cells;
	unsigned int n_cells;
	unsigned int rounds;
	struct bench_lab *lab;
	uint64_t memory[BENCH_PATHS];
};

/* Lists what the laboratory can measure. 0 or -ENOMEM. */
int bench_plan_make(struct bench_plan *plan, struct bench_lab *lab, unsigned int rounds);

/* Measures all of it. 0 or a negative errno with bypass_error(). */
int bench_plan_run(struct bench_plan *plan, bool progress);

void bench_plan_free(struct bench_plan *plan);

/* The cell, or NULL when it was not measured. */
const struct bench_cell *bench_plan_find(const struct bench_plan *plan, enum bench_path path,
					 uint32_t size, uint32_t depth);

/* Median over the rounds of @a's p50 divided by @b's, guest side; 0 without both. */
double bench_plan_against(const struct bench_plan *plan, const struct bench_cell *a,
			  const struct bench_cell *b);

/* Exits of the guest per operation that its I/O caused: all but the host's own interrupts. */
double bench_cell_exits(const struct bench_cell *cell);

/* CPU time of the host per operation on behalf of a side, in ns. */
double bench_cell_cpu(const struct bench_cell *cell, enum bench_which which);

/* A quantile of a histogram in ns; the TSC may count in steps of several cycles. */
double bench_quantile(const struct bench_histogram *histogram, double quantile, uint64_t tick,
		      double cycle_ns);

/* Median of @n numbers, which are put into order; 0 for none. */
double bench_median(double *values, unsigned int n);

#endif
