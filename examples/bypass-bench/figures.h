/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The figures that matter beyond one machine: ratios and counts, by name; and
 * the bars that some of them have to reach.
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include "control.h"
#include "plan.h"

#define BENCH_MAX_FIGURES 128

enum bench_kind {
	BENCH_RATIO, /* of two times measured in the same run */
	BENCH_COUNT, /* per operation */
	BENCH_TIME,  /* of this machine only: never compared between runs */
};

/**
 * struct bench_figure - one of them
 * @name: stable, for baselines
 * @kind: of what kind
 * @value: as measured
 * @less: less is better
 * @noisy: the cells behind it are noisy
 * @bar: what it has to reach; 0: none
 * @what: what the bar says, when there is one
 */
struct bench_figure {
	char name[48];
	enum bench_kind kind;
	double value;
	bool less;
	bool noisy;
	double bar;
	const char *what;
};

/**
 * struct bench_figures_list - all of a run
 * @all: figures
 * @n: their number
 */
struct bench_figures_list {
	struct bench_figure all[BENCH_MAX_FIGURES];
	unsigned int n;
};

/* Others had more than this share of the CPUs: what is measured once is noisy. */
#define BENCH_NOISY_OTHERS 0.10

/* Takes them from a run with a guest; @others: share of the CPUs that others had meanwhile. */
void bench_figures_take(struct bench_figures_list *list, const struct bench_plan *plan,
			const struct bench_control *control, double others);

/* Does it reach its bar? */
bool bench_figure_reaches(const struct bench_figure *figure);

#endif
