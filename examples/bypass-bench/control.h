/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control path: what it takes to set things up, before any I/O.
 */
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include "lab.h"

enum bench_pages {
	BENCH_PAGES_4K,
	BENCH_PAGES_THP,
	BENCH_PAGES_HUGETLB,
	BENCH_PAGES,
};

/**
 * struct bench_mapping - 1 GiB of resident memory becomes guest RAM in a slice's reach
 * @bare_ms: mlock and a KVM memory slot, no more
 * @slice_ms: the same through vmm-glue with a slice that pins
 * @ratio: median of the rounds' own ratios
 * @why_not: empty, or why it was not measured
 */
struct bench_mapping {
	double bare_ms;
	double slice_ms;
	double ratio;
	char why_not[256];
};

/**
 * struct bench_control - all of it
 * @create_ms: from nothing to a VM's first completion: median
 * @create_max_ms: longest
 * @mappings: by size of page
 * @remap_us: the guest moves a window of 32 MiB
 * @vector_us: the guest enables its interrupt vector
 */
struct bench_control {
	double create_ms;
	double create_max_ms;
	struct bench_mapping mappings[BENCH_PAGES];
	double remap_us;
	double vector_us;
};

extern const char *const bench_pages_names[BENCH_PAGES];

/* Measures all of it in a laboratory with a guest. 0 or a negative errno. */
int bench_control_run(struct bench_control *control, struct bench_lab *lab);

#endif
