// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Runs the cells in rounds. In a round every cell has its turn on both sides, one
 * right after the other. A change on the machine then changes all cells alike.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bypass/error.h>

#include "plan.h"

#define TURN_NS	       8e6 /* how long one side of a cell measures in a round */
#define MIN_OPERATIONS 64u
#define TRY_OPERATIONS 200u /* before the first round, to find how many fit */

#define P50 1 /* in bench_figures.all */

static const uint32_t sizes[] = {48, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576};
static const uint32_t depths[] = {1, 8, 32};

static bool has_all_sizes(enum bench_path path)
{
	return path == BENCH_BYPASS || path == BENCH_VIRTQ;
}

/* Small payloads at every depth; large ones as deep as their memory allows. */
static bool is_wanted(enum bench_path path, uint32_t size, uint32_t depth)
{
	if (path == BENCH_LINES)
		return size == 64 && depth == 1;
	if (path == BENCH_WRITE)
		return size == 64;
	if (depth == 1)
		return size == 64 || has_all_sizes(path);
	if (size == 64)
		return true;
	return has_all_sizes(path) && size >= 65536 && depth == 8;
}

int bench_plan_make(struct bench_plan *plan, struct bench_lab *lab, unsigned int rounds)
{
	const unsigned int n_sizes = sizeof(sizes) / sizeof(*sizes);
	const unsigned int n_depths = sizeof(depths) / sizeof(*depths);

	*plan = (struct bench_plan){.rounds = rounds, .lab = lab};
	plan->cells = calloc(BENCH_PATHS * n_sizes * n_depths, sizeof(*plan->cells));
	if (!plan->cells)
		return bypass_fail(ENOMEM, "no memory for the results");
	for (unsigned int path = 0; path < BENCH_PATHS; path++)
		for (unsigned int i = 0; i < n_sizes * n_depths; i++) {
			uint32_t size = sizes[i % n_sizes], depth = depths[i / n_sizes];

			if (bench_lab_can(lab, path) && is_wanted(path, size, depth))
				plan->cells[plan->n_cells++] = (struct bench_cell){
					.path = path, .size = size, .depth = depth};
		}
	return 0;
}

void bench_plan_free(struct bench_plan *plan)
{
	free(plan->cells);
}

static void add_histogram(struct bench_histogram *sum, const struct bench_histogram *part)
{
	if (!sum->count || part->min < sum->min)
		sum->min = part->min;
	if (part->max > sum->max)
		sum->max = part->max;
	sum->count += part->count;
	sum->sum += part->sum;
	for (unsigned int i = 0; i < BENCH_BUCKETS; i++)
		sum->buckets[i] += part->buckets[i];
}

static void add_cost(struct bench_cost *sum, const struct bench_cost *part)
{
	sum->server_ns += part->server_ns;
	sum->kernel_ns += part->kernel_ns;
	sum->user_exits += part->user_exits;
	for (unsigned int i = 0; i < BENCH_COUNTERS; i++)
		sum->counters.value[i] += part->counters.value[i];
}

static const struct bench_job *take_turn(struct bench_plan *plan, struct bench_cell *cell,
					 enum bench_which which, uint64_t operations,
					 struct bench_cost *cost)
{
	struct bench_job job = {
		.path = cell->path,
		.size = cell->size,
		.depth = cell->depth,
		.warmup = (operations / 16 / cell->depth + 1) * cell->depth,
		.operations = operations,
	};

	return bench_lab_run(plan->lab, which, &job, cost);
}

/* How many operations fit into a turn; touches all memory on the way. */
static int try_cell(struct bench_plan *plan, struct bench_cell *cell, enum bench_which which)
{
	uint64_t operations = TRY_OPERATIONS;
	const struct bench_job *job;
	struct bench_cost cost;
	double per_op;

	for (unsigned int i = 0; i < 2; i++) {
		job = take_turn(plan, cell, which, operations, &cost);
		if (!job)
			return -EIO;
		per_op = (double)job->cycles * plan->lab->cycle_ns / (double)operations;
		operations = (uint64_t)(TURN_NS / (i ? 1 : 4) / (per_op > 1 ? per_op : 1));
		if (operations < MIN_OPERATIONS)
			operations = MIN_OPERATIONS;
	}
	cell->operations[which] = operations;
	return 0;
}

static int measure(struct bench_plan *plan, struct bench_cell *cell, enum bench_which which,
		   unsigned int round)
{
	struct bench_result *result = &cell->sides[which];
	struct bench_figures *figures = &result->rounds[round];
	const struct bench_lab *lab = plan->lab;
	const struct bench_histogram *histogram;
	const struct bench_job *job;
	struct bench_cost cost = {0};

	job = take_turn(plan, cell, which, cell->operations[which], &cost);
	if (!job)
		return -EIO;
	histogram = &job->histogram;
	figures->min = (double)histogram->min * lab->cycle_ns;
	figures->p50 = bench_quantile(histogram, 0.5, lab->tick, lab->cycle_ns);
	figures->p99 = bench_quantile(histogram, 0.99, lab->tick, lab->cycle_ns);
	figures->p999 = bench_quantile(histogram, 0.999, lab->tick, lab->cycle_ns);
	figures->per_op = figures->p50 / cell->depth;
	figures->server = (double)cost.server_ns / (double)job->done;
	add_histogram(&result->histogram, histogram);
	result->operations += job->done;
	result->interrupts += job->interrupts;
	add_cost(&result->cost, &cost);
	return 0;
}

/* Median over the rounds of a figure (an index), or of the ratio of two. */
static double over_rounds(const struct bench_result *result, const struct bench_result *per,
			  unsigned int figure, unsigned int rounds)
{
	double values[BENCH_MAX_ROUNDS];
	unsigned int n = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		double divisor = per ? per->rounds[i].all[figure] : 1;

		if (divisor > 0)
			values[n++] = result->rounds[i].all[figure] / divisor;
	}
	return bench_median(values, n);
}

static void fill_figures(struct bench_figures *figures, const struct bench_result *result,
			 const struct bench_result *per, unsigned int rounds)
{
	for (unsigned int i = 0; i < sizeof(figures->all) / sizeof(*figures->all); i++)
		figures->all[i] = over_rounds(result, per, i, rounds);
}

static void judge_noise(struct bench_cell *cell, unsigned int rounds)
{
	const struct bench_result *native = &cell->sides[BENCH_NATIVE];
	double values[BENCH_MAX_ROUNDS], tails[BENCH_MAX_ROUNDS], median;
	bool polled = cell->path == BENCH_LINES || cell->path == BENCH_WRITE ||
		      has_all_sizes(cell->path);

	for (unsigned int i = 0; i < rounds; i++) {
		const struct bench_figures *figures = &native->rounds[i];

		values[i] = figures->p50;
		tails[i] = figures->p50 > 0 ? figures->p99 / figures->p50 : 0;
	}
	median = bench_median(values, rounds);
	cell->drift = (values[rounds * 9 / 10] - values[rounds / 10]) / median;
	cell->tail = bench_median(tails, rounds);
	cell->noisy = cell->drift > BENCH_NOISY_DRIFT || (polled && cell->tail > BENCH_NOISY_TAIL);
}

static void conclude(struct bench_plan *plan)
{
	for (unsigned int i = 0; i < plan->n_cells; i++) {
		struct bench_cell *cell = &plan->cells[i];

		for (unsigned int which = 0; which < BENCH_SIDES; which++)
			fill_figures(&cell->sides[which].median, &cell->sides[which], NULL,
				     plan->rounds);
		fill_figures(&cell->ratio, &cell->sides[BENCH_GUEST], &cell->sides[BENCH_NATIVE],
			     plan->rounds);
		judge_noise(cell, plan->rounds);
	}
}

/* While nothing larger has been sent yet. */
static int weigh(struct bench_plan *plan, enum bench_which which)
{
	for (unsigned int path = 0; path < BENCH_PATHS; path++) {
		struct bench_cell cell = {.path = path, .size = 64, .depth = BENCH_DEPTH};
		struct bench_cost cost;

		if (!bench_lab_can(plan->lab, path) || path == BENCH_LINES)
			continue;
		if (!take_turn(plan, &cell, which, TRY_OPERATIONS, &cost))
			return -EIO;
		plan->memory[path] = bench_lab_resident(plan->lab, which, path);
	}
	return 0;
}

int bench_plan_run(struct bench_plan *plan, bool progress)
{
	unsigned int n_sides = plan->lab->has_guest ? 2 : 1;

	if (weigh(plan, n_sides - 1))
		return -EIO;
	for (unsigned int i = 0; i < plan->n_cells * n_sides; i++)
		if (try_cell(plan, &plan->cells[i / n_sides], i % n_sides))
			return -EIO;
	for (unsigned int round = 0; round < plan->rounds; round++) {
		if (progress)
			fprintf(stderr, "\rround %u of %u ", round + 1, plan->rounds);
		for (unsigned int i = 0; i < plan->n_cells * n_sides; i++)
			/* By turns, each side goes first. */
			if (measure(plan, &plan->cells[i / n_sides], (i + round) % n_sides, round))
				return -EIO;
	}
	if (progress)
		fprintf(stderr, "\r%20s\r", "");
	conclude(plan);
	return 0;
}

const struct bench_cell *bench_plan_find(const struct bench_plan *plan, enum bench_path path,
					 uint32_t size, uint32_t depth)
{
	for (unsigned int i = 0; i < plan->n_cells; i++)
		if (plan->cells[i].path == path && plan->cells[i].size == size &&
		    plan->cells[i].depth == depth)
			return &plan->cells[i];
	return NULL;
}

double bench_plan_against(const struct bench_plan *plan, const struct bench_cell *a,
			  const struct bench_cell *b)
{
	enum bench_which which = plan->lab->has_guest ? BENCH_GUEST : BENCH_NATIVE;

	if (!a || !b)
		return 0;
	return over_rounds(&a->sides[which], &b->sides[which], P50, plan->rounds);
}

double bench_cell_exits(const struct bench_cell *cell)
{
	const struct bench_result *guest = &cell->sides[BENCH_GUEST];
	const uint64_t *value = guest->cost.counters.value;

	if (!guest->operations || value[BENCH_EXITS] < value[BENCH_IRQ_EXITS])
		return 0;
	return (double)(value[BENCH_EXITS] - value[BENCH_IRQ_EXITS]) / (double)guest->operations;
}

double bench_cell_cpu(const struct bench_cell *cell, enum bench_which which)
{
	const struct bench_result *result = &cell->sides[which];

	if (!result->operations)
		return 0;
	/* The kernel's share is counted in ticks: too coarse for one round. */
	return result->median.server + (double)result->cost.kernel_ns / (double)result->operations;
}
