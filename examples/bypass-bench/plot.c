// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plots by gnuplot: how latencies are distributed, and how they grow with the
 * payload. The data stands beside the pictures.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bypass/error.h>

#include "report.h"

#define NAME_SIZE 4096

static FILE *open_in(const char *directory, const char *name)
{
	char path[NAME_SIZE];
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	file = fopen(path, "we");
	if (!file)
		bypass_fail(errno, "%s: %s", path, strerror(errno));
	return file;
}

/* Latency in µs and the share of samples that took longer, a block a curve. */
static void write_distribution(const struct bench_run *run, FILE *file,
			       const struct bench_cell *cell, enum bench_which which)
{
	const struct bench_histogram *histogram = &cell->sides[which].histogram;
	double longer = (double)histogram->count;

	fprintf(file, "# %s, %s, %u bytes: latency [us], share that took longer\n",
		bench_path_names[cell->path], which == BENCH_GUEST ? "guest" : "native",
		cell->size);
	for (unsigned int i = 0; i < BENCH_BUCKETS && histogram->count; i++) {
		if (!histogram->buckets[i])
			continue;
		longer -= histogram->buckets[i];
		if (longer < 0.5)
			break; /* the last sample has nothing behind it */
		fprintf(file, "%.5f %.9f\n",
			bench_us(cell->path, (double)bench_bucket_floor(i) * run->lab.cycle_ns),
			longer / (double)histogram->count);
	}
	fputs("\n\n", file);
}

static int write_data(const struct bench_run *run, const char *directory)
{
	FILE *distribution = open_in(directory, "distribution.dat");
	FILE *size = distribution ? open_in(directory, "size.dat") : NULL;
	static const enum bench_path sized[] = {BENCH_BYPASS, BENCH_VIRTQ};

	if (!size) {
		if (distribution)
			fclose(distribution);
		return -EIO;
	}
	for (unsigned int path = 0; path < BENCH_PATHS; path++)
		for (unsigned int which = 0; which < BENCH_SIDES; which++) {
			const struct bench_cell *cell = bench_plan_find(&run->plan, path, 64, 1);

			if (cell)
				write_distribution(run, distribution, cell, which);
			else
				fputs("# not measured\n0 0\n\n\n", distribution);
		}
	for (unsigned int i = 0; i < 2 * BENCH_SIDES; i++) {
		fprintf(size, "# %s, %s: bytes, half round trip [us]: p50, p99\n",
			bench_path_names[sized[i / 2]], i % 2 == BENCH_GUEST ? "guest" : "native");
		for (unsigned int k = 0; k < run->plan.n_cells; k++) {
			const struct bench_cell *cell = &run->plan.cells[k];
			const struct bench_figures *median = &cell->sides[i % 2].median;

			if (cell->path == sized[i / 2] && cell->depth == 1 && median->p50 > 0)
				fprintf(size, "%u %.5f %.5f\n", cell->size,
					bench_us(cell->path, median->p50),
					bench_us(cell->path, median->p99));
		}
		fputs("\n\n", size);
	}
	fclose(distribution);
	fclose(size);
	return 0;
}

static const char style[] = "set border 3; set tics nomirror out; set grid lt 1 lw 0.5 lc rgb "
			    "'#cccccc'\n"
			    "set key outside right top Left reverse samplen 2 spacing 1.2\n"
			    "native = \"dt (4,3) lw 1.5\"; guest = \"lw 2.5\"\n"
			    "array colour[7] = ['#777777', '#0072b2', '#009e73', '#56b4e9', "
			    "'#e69f00', '#d55e00', "
			    "'#cc79a7']\n"
			    "array title[7] = ['bare cache lines', 'bypass', 'bypass + interrupt', "
			    "'   with haltpoll', 'kernel kick', 'user-space exit', 'polled "
			    "virtqueue']\n";

static const char distribution_plot[] =
	"set title 'Latency distribution, 64 B payload' font ',15'\n"
	"set xlabel 'half round trip [µs]'; set ylabel 'share of operations that take longer'\n"
	"set logscale xy; set format xy '%g'; set yrange [1e-5:1]; set xrange [0.01:*]\n"
	"plot for [i=1:7] 'distribution.dat' index 2*i-1 using 1:2 with lines lw 2.5 "
	"lc rgb colour[i] title title[i].', guest', "
	"for [i=1:7] '' index 2*i-2 using 1:2 with lines dt (4,3) lw 1.5 lc rgb colour[i] "
	"title title[i].', native'\n";

static const char size_plot[] =
	"set title 'Latency against payload, p50 (line) and p99 (dots)' font ',15'\n"
	"set xlabel 'payload [bytes]'; set ylabel 'half round trip [µs]'\n"
	"set logscale x 2; set logscale y; set yrange [*:*]; set xrange [32:2097152]\n"
	"set xtics ('48' 48, '256' 256, '1 Ki' 1024, '4 Ki' 4096, '16 Ki' 16384, '64 Ki' 65536, "
	"'256 Ki' 262144, '1 Mi' 1048576); set format y '%g'\n"
	"array of[2] = [2, 7]\n"
	"plot for [i=1:2] 'size.dat' index 2*i-1 using 1:2 with lines lw 2.5 "
	"lc rgb colour[of[i]] title title[of[i]].', guest', "
	"for [i=1:2] '' index 2*i-2 using 1:2 with lines dt (4,3) lw 1.5 lc rgb colour[of[i]] "
	"title title[of[i]].', native', "
	"for [i=1:2] '' index 2*i-1 using 1:3 with points pt 7 ps 0.6 lc rgb colour[of[i]] "
	"title title[of[i]].', guest p99'\n";

static int write_script(const char *directory)
{
	static const struct {
		const char *name, *plot;
	} plots[] = {{"distribution", distribution_plot}, {"size", size_plot}};
	FILE *file = open_in(directory, "plot.gp");

	if (!file)
		return -EIO;
	fputs(style, file);
	for (unsigned int i = 0; i < 2; i++) {
		fprintf(file,
			"set terminal svg size 1000,600 font 'sans,13' background '#ffffff'\n"
			"set output '%s.svg'\n%s",
			plots[i].name, plots[i].plot);
		fprintf(file,
			"set terminal pngcairo size 1000,600 font 'sans,11'\n"
			"set output '%s.png'\nreplot\nunset logscale\nset xtics autofreq\n",
			plots[i].name);
	}
	fclose(file);
	return 0;
}

static int run_gnuplot(const char *directory)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return bypass_fail(errno, "gnuplot cannot be started: %s", strerror(errno));
	if (!pid) {
		if (!chdir(directory))
			execlp("gnuplot", "gnuplot", "plot.gp", (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return bypass_fail(ENOENT,
				   "gnuplot is not installed: the data and its script "
				   "plot.gp are in %s",
				   directory);
	if (status)
		return bypass_fail(EIO, "gnuplot failed on %s/plot.gp", directory);
	return 0;
}

int bench_report_plot(const struct bench_run *run, const char *directory)
{
	int ret;

	if (mkdir(directory, 0777) && errno != EEXIST)
		return bypass_fail(errno, "%s: %s", directory, strerror(errno));
	ret = write_data(run, directory);
	if (!ret)
		ret = write_script(directory);
	if (!ret)
		ret = run_gnuplot(directory);
	return ret;
}
