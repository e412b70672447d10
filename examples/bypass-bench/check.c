// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Compares a run with an earlier one: ratios and counts, which mean the same on
 * another day and, mostly, on another machine. Times are never compared.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>

#include "report.h"

/* How much worse is a regression: counts hardly vary, tails do. */
#define WORSE_RATIO  1.15
#define WORSE_TAIL   1.50
#define WORSE_COUNT  1.05
#define FREE_COUNT   0.001 /* exits per operation that anything may cost */
#define FREE_MILLION 10	   /* the same where the count is per million */

/* The worst value that is still no regression. */
static double limit(const struct bench_figure *figure, double baseline)
{
	size_t length = strlen(figure->name);
	bool tail = length > 4 && !strcmp(figure->name + length - 4, ".p99");
	double factor = tail ? WORSE_TAIL : WORSE_RATIO;

	if (figure->kind == BENCH_COUNT)
		return baseline * WORSE_COUNT +
		       (strstr(figure->name, "million") ? FREE_MILLION : FREE_COUNT);
	return figure->less ? baseline * factor : baseline / factor;
}

static bool is_worse(const struct bench_figure *figure, double baseline)
{
	double most = limit(figure, baseline);

	return figure->less ? figure->value > most : figure->value < most;
}

static int compare(const struct bench_figures_list *figures, struct json_object *baseline)
{
	unsigned int compared = 0, noisy = 0;
	int worse = 0;

	for (unsigned int i = 0; i < figures->n; i++) {
		const struct bench_figure *figure = &figures->all[i];
		struct json_object *value;

		if (figure->kind == BENCH_TIME ||
		    !json_object_object_get_ex(baseline, figure->name, &value))
			continue;
		if (figure->noisy) {
			noisy++;
			continue;
		}
		compared++;
		if (!is_worse(figure, json_object_get_double(value)))
			continue;
		fprintf(stderr, "regression: %s is %.3f, was %.3f, limit %.3f\n", figure->name,
			figure->value, json_object_get_double(value),
			limit(figure, json_object_get_double(value)));
		worse++;
	}
	fprintf(stderr, "check: %u figures compared, %u left out as noisy, %d regressions\n",
		compared, noisy, worse);
	if (noisy > compared)
		return bypass_fail(EAGAIN, "too noisy for a comparison: run it again when the "
					   "machine has less to do");
	return worse;
}

int bench_report_check(const struct bench_run *run, const char *path)
{
	struct json_object *object = json_object_from_file(path), *baseline;
	int ret;

	if (!object)
		return bypass_fail(EINVAL, "%s: cannot be read: %s", path,
				   json_util_get_last_err());
	if (!run->figures.n)
		ret = bypass_fail(ENODATA, "without a guest there is nothing to compare with %s",
				  path);
	else if (!json_object_object_get_ex(object, "figures", &baseline) ||
		 !json_object_is_type(baseline, json_type_object))
		ret = bypass_fail(EINVAL,
				  "%s: has no figures: is it written by 'bypass bench --json'?",
				  path);
	else
		ret = compare(&run->figures, baseline);
	json_object_put(object);
	return ret;
}
