/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a run says: tables for people, JSON for programs, plots.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "figures.h"
#include "machine.h"

/**
 * struct bench_run - everything about a run
 * @machine: where
 * @lab: with what
 * @plan: the cells
 * @control: the control path; valid when @lab has a guest
 * @figures: ratios, counts and bars; empty without a guest
 * @before: what else ran on the CPUs, at the beginning
 * @after: at the end
 */
struct bench_run {
	struct bench_machine machine;
	struct bench_lab lab;
	struct bench_plan plan;
	struct bench_control control;
	struct bench_figures_list figures;
	struct bench_load before;
	struct bench_load after;
};

/* Latency as it is told, in µs: half a round trip, or of a write the time to its completion */
static inline double bench_us(enum bench_path path, double ns)
{
	return ns / (path == BENCH_WRITE ? 1e3 : 2e3);
}

/* Cells that are noisy. */
unsigned int bench_run_noisy(const struct bench_run *run);

/* The tables, to standard output. */
void bench_report(const struct bench_run *run);

/* Everything, to a file ("-": standard output). 0 or a negative errno. */
int bench_report_json(const struct bench_run *run, const char *path);

/* Latency distributions and latency against size, SVG and PNG, by gnuplot. */
int bench_report_plot(const struct bench_run *run, const char *directory);

/*
 * Compares with the figures of an earlier run, a file that bench_report_json() wrote.
 * Returns how many got worse, or a negative errno.
 */
int bench_report_check(const struct bench_run *run, const char *path);

#endif
