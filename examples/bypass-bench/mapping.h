/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What it costs to bring 1 GiB of resident guest memory into a slice's reach.
 */
#ifndef BENCH_MAPPING_H
#define BENCH_MAPPING_H

#include "control.h"

/* Measures one size of page; says why when it cannot. */
void bench_mapping_run(struct bench_mapping *mapping, enum bench_pages pages);

#endif
