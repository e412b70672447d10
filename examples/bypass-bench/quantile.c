// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Quantiles: of histograms whose samples are coarse, and of a few numbers.
 */
#include <stdlib.h>

#include "plan.h"

/*
 * Some TSCs count in steps (26 cycles are seen). A bucket's value then stands for the
 * values up to half a step to either side, and its samples count as spread evenly over
 * these. Without this a median could only be a multiple of the step.
 */
double bench_quantile(const struct bench_histogram *histogram, double quantile, uint64_t tick,
		      double cycle_ns)
{
	double rank = quantile * (double)histogram->count, below = 0, value;

	for (unsigned int i = 0; i < BENCH_BUCKETS; i++) {
		double width = (double)(bench_bucket_floor(i + 1) - bench_bucket_floor(i));
		double centre = (double)bench_bucket_floor(i) + (width - 1) / 2;
		double count = histogram->buckets[i];

		if (!count || below + count < rank) {
			below += count;
			continue;
		}
		if (width < (double)tick)
			width = (double)tick;
		value = centre + ((rank - below) / count - 0.5) * width;
		return (value < (double)histogram->min ? (double)histogram->min : value) * cycle_ns;
	}
	return (double)histogram->max * cycle_ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, unsigned int n)
{
	if (!n)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
