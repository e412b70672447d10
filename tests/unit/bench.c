// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What bypass-bench computes of what it measures: quantiles, ratios, noise, and the
 * comparison with an earlier run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bypass/error.h>

#include "../../examples/bypass-bench/report.h"

static void test_buckets(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < BENCH_BUCKETS; i++) {
		assert_int_equal(bench_bucket(bench_bucket_floor(i)), i);
		if (i)
			assert_int_equal(bench_bucket(bench_bucket_floor(i) - 1), i - 1);
	}
	/* No wider than a 128th of what lies in it. */
	for (uint64_t cycles = 1; cycles < 1ull << 35; cycles = cycles * 9 / 8 + 1)
		assert_true(cycles - bench_bucket_floor(bench_bucket(cycles)) <= cycles / 128);
	assert_int_equal(bench_bucket(UINT64_MAX), BENCH_BUCKETS - 1);
}

static void sample(struct bench_histogram *histogram, uint64_t cycles, uint32_t times)
{
	histogram->buckets[bench_bucket(cycles)] += times;
	histogram->sum += cycles * times;
	if (!histogram->count || cycles < histogram->min)
		histogram->min = cycles;
	if (cycles > histogram->max)
		histogram->max = cycles;
	histogram->count += times;
}

static void test_quantiles(void **state)
{
	static struct bench_histogram histogram;

	(void)state;
	for (uint64_t i = 1; i <= 100; i++)
		sample(&histogram, i, 1);
	assert_float_equal(bench_quantile(&histogram, 0.5, 1, 2), 100, 2.1);
	assert_float_equal(bench_quantile(&histogram, 0.99, 1, 2), 198, 2.1);
	assert_float_equal(bench_quantile(&histogram, 0, 1, 2), 2, 2.1);
	assert_float_equal(bench_quantile(&histogram, 1, 1, 2), 200, 2.1);
}

/* A clock that counts in steps of 26: the median of what it shows is not a multiple of 26. */
static void test_coarse_clock(void **state)
{
	static struct bench_histogram coarse;
	double median;

	(void)state;
	/* Real times spread evenly from 270 to 300 cycles, begun at any phase of the step. */
	for (unsigned int i = 0; i < 30; i++)
		for (unsigned int phase = 0; phase < 26; phase++)
			sample(&coarse, (phase + 270 + i) / 26 * 26, 1);
	median = bench_quantile(&coarse, 0.5, 26, 1);
	assert_float_equal(median, 285, 3);
}

static void test_median(void **state)
{
	double odd[] = {5, 1, 9}, even[] = {4, 1, 3, 2};

	(void)state;
	assert_float_equal(bench_median(odd, 3), 5, 0);
	assert_float_equal(bench_median(even, 4), 2.5, 0);
	assert_float_equal(bench_median(even, 0), 0, 0);
}

/* A run as a baseline, and the same run with one figure changed. */
static struct bench_run baseline, changed;

static struct bench_figure *figure(struct bench_run *run, const char *name)
{
	for (unsigned int i = 0; i < run->figures.n; i++)
		if (!strcmp(run->figures.all[i].name, name))
			return &run->figures.all[i];
	fail_msg("no figure %s", name);
	return NULL;
}

static void add(struct bench_run *run, const char *name, enum bench_kind kind, double value,
		bool less)
{
	struct bench_figure *added = &run->figures.all[run->figures.n++];

	snprintf(added->name, sizeof(added->name), "%s", name);
	added->kind = kind;
	added->value = value;
	added->less = less;
}

static int set_up(void **state)
{
	int fd;

	memset(&baseline, 0, sizeof(baseline));
	baseline.lab.has_guest = true;
	add(&baseline, "bypass.64.p50", BENCH_RATIO, 1.0, true);
	add(&baseline, "bypass.64.p99", BENCH_RATIO, 1.0, true);
	add(&baseline, "bypass.65536.depth8.rate", BENCH_RATIO, 1.0, false);
	add(&baseline, "exit.64.exits", BENCH_COUNT, 1.0, true);
	add(&baseline, "bypass.64.exits", BENCH_COUNT, 0.0, true);
	add(&baseline, "control.create.ms", BENCH_TIME, 2.0, true);
	changed = baseline;
	*state = strdup("/tmp/bypass-bench-test-XXXXXX");
	fd = mkstemp(*state);
	assert_true(fd >= 0);
	close(fd);
	return bench_report_json(&baseline, *state);
}

static int tear_down(void **state)
{
	unlink(*state);
	free(*state);
	return 0;
}

static void expect_regressions(const char *path, const char *name, double value, int regressions)
{
	double before = figure(&changed, name)->value;

	figure(&changed, name)->value = value;
	assert_int_equal(bench_report_check(&changed, path), regressions);
	figure(&changed, name)->value = before;
}

static void test_check(void **state)
{
	(void)state;
	assert_int_equal(bench_report_check(&changed, *state), 0);
	expect_regressions(*state, "bypass.64.p50", 1.1, 0);
	expect_regressions(*state, "bypass.64.p50", 1.2, 1);
	expect_regressions(*state, "bypass.64.p50", 0.5, 0);
	expect_regressions(*state, "bypass.64.p99", 1.4, 0);
	expect_regressions(*state, "bypass.64.p99", 1.6, 1);
	expect_regressions(*state, "bypass.65536.depth8.rate", 0.8, 1);
	expect_regressions(*state, "bypass.65536.depth8.rate", 2, 0);
	expect_regressions(*state, "exit.64.exits", 1.2, 1);
	expect_regressions(*state, "exit.64.exits", 0.5, 0);
	expect_regressions(*state, "bypass.64.exits", 0.0001, 0);
	expect_regressions(*state, "bypass.64.exits", 0.01, 1);
	/* A time never counts, whatever it is. */
	expect_regressions(*state, "control.create.ms", 1000, 0);
}

static void test_check_noisy(void **state)
{
	figure(&changed, "bypass.64.p50")->noisy = true;
	expect_regressions(*state, "bypass.64.p50", 100, 0);
	expect_regressions(*state, "exit.64.exits", 2, 1);
	for (unsigned int i = 0; i < changed.figures.n; i++)
		changed.figures.all[i].noisy = true;
	assert_int_equal(bench_report_check(&changed, *state), -EAGAIN);
	changed = baseline;
}

static void expect_refusal(const char *path, const char *text, int err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(bench_report_check(&changed, path), err);
	assert_non_null(strstr(bypass_error(), path));
}

static void test_check_bad_baseline(void **state)
{
	assert_int_equal(bench_report_check(&changed, "/nonexistent/baseline"), -EINVAL);
	expect_refusal(*state, "", -EINVAL);
	expect_refusal(*state, "{\"figures\": {", -EINVAL);
	expect_refusal(*state, "[1, 2]", -EINVAL);
	expect_refusal(*state, "{\"figures\": 7}", -EINVAL);
	expect_refusal(*state, "{\"cells\": []}", -EINVAL);
}

static void test_check_without_guest(void **state)
{
	static struct bench_run native;

	assert_int_equal(bench_report_check(&native, *state), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_coarse_clock),
		cmocka_unit_test(test_median),
		cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_check_noisy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_check_bad_baseline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_check_without_guest, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
