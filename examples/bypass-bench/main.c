// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass-bench: what each way of doing I/O costs on this machine.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "report.h"

#define ROUNDS 21

enum { DONE, COULD_NOT, WRONG_USAGE };

/**
 * struct options - of the command line
 * @json: file, "-" for standard output in place of the tables, or NULL
 * @plot: directory, or NULL
 * @check: baseline, or NULL
 * @rounds: how many
 * @verify: operations a path whose payloads are checked; 0: measure instead
 */
struct options {
	const char *json;
	const char *plot;
	const char *check;
	unsigned int rounds;
	unsigned long verify;
};

static const char usage[] =
	"Usage: bypass bench [OPTION]...\n"
	"Measure what each way of doing I/O costs, in a guest and in an ordinary process.\n"
	"\n"
	"  --json[=FILE]   everything measured, with histograms, in place of the tables;\n"
	"                  or into FILE as well\n"
	"  --plot DIR      draw latency distributions and latency against size (gnuplot)\n"
	"  --check FILE    compare ratios and exit counts with an earlier --json;\n"
	"                  exit status 1 when one got worse\n"
	"  --rounds N      7 to 99, default 21\n"
	"  --verify N      measure nothing: N operations a path, every byte checked\n"
	"  -h, --help      this text\n"
	"\n"
	"Examples:\n"
	"  bypass bench --json=today.json --plot plots/\n"
	"  bypass bench --check baseline.json\n"
	"  taskset -c 2,4 bypass bench     choose the two CPUs\n";

static bool parse_number(const char *text, unsigned long min, unsigned long max,
			 unsigned long *value)
{
	char *end;

	*value = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *value >= min && *value <= max;
}

/* -1: go on; else an exit status. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"json", optional_argument, NULL, 'j'},
		{"plot", required_argument, NULL, 'p'},
		{"check", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"verify", required_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	unsigned long value;
	int option;

	*options = (struct options){.rounds = ROUNDS};
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (option) {
		case 'j':
			options->json = optarg ? optarg : "-";
			break;
		case 'p':
			options->plot = optarg;
			break;
		case 'c':
			options->check = optarg;
			break;
		case 'r':
			if (!parse_number(optarg, BENCH_MIN_ROUNDS, BENCH_MAX_ROUNDS, &value)) {
				fprintf(stderr, "bypass bench: --rounds %s: must be %u to %u\n",
					optarg, BENCH_MIN_ROUNDS, BENCH_MAX_ROUNDS);
				return WRONG_USAGE;
			}
			options->rounds = (unsigned int)value;
			break;
		case 'v':
			if (!parse_number(optarg, 1, 1000000000, &options->verify)) {
				fprintf(stderr,
					"bypass bench: --verify %s: not a number of "
					"operations\n",
					optarg);
				return WRONG_USAGE;
			}
			break;
		case 'h':
			fputs(usage, stdout);
			return DONE;
		default:
			fputs("Try 'bypass bench --help'.\n", stderr);
			return WRONG_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bypass bench: '%s' is not an option\n", argv[optind]);
		return WRONG_USAGE;
	}
	return -1;
}

static int failed(void)
{
	fprintf(stderr, "bypass bench: %s\n", bypass_error());
	return COULD_NOT;
}

/* Both sides, each path: small and large payloads, one by one and in depth. */
static int verify(struct bench_lab *lab, uint64_t operations)
{
	static const struct {
		uint32_t size, depth;
		unsigned int part;
	} jobs[] = {{48, 1, 1}, {64, 32, 4}, {4096, 8, 64}, {1 << 20, 4, 20000}};

	for (unsigned int path = BENCH_BYPASS; path < BENCH_PATHS; path++) {
		/* What costs µs an operation gets a hundredth of them. */
		uint64_t share = path == BENCH_BYPASS || path == BENCH_VIRTQ ? 1 : 100;

		for (unsigned int i = 0; i < 2 * sizeof(jobs) / sizeof(*jobs); i++) {
			const struct bench_job job = {
				.path = path,
				.size = jobs[i / 2].size,
				.depth = jobs[i / 2].depth,
				.check = 1,
				.operations = operations / share / jobs[i / 2].part + 1,
			};
			struct bench_cost cost;
			const struct bench_job *done;

			if ((i % 2 == BENCH_GUEST && !lab->has_guest) ||
			    !bench_lab_can(lab, path) ||
			    (path == BENCH_WRITE && job.size > BENCH_RDMA_MAX_SIZE))
				continue;
			done = bench_lab_run(lab, i % 2, &job, &cost);
			if (!done)
				return failed();
			printf("%-8s %-6s %7u bytes, depth %2u: %9llu operations, all good\n",
			       bench_path_names[path], i % 2 ? "guest" : "native", job.size,
			       job.depth, (unsigned long long)done->done);
		}
	}
	return DONE;
}

static int measure(struct bench_run *run, const struct options *options)
{
	int worse;

	bench_machine_load(run->lab.requester_cpu, run->lab.device_cpu, &run->before);
	if (bench_plan_make(&run->plan, &run->lab, options->rounds) ||
	    bench_plan_run(&run->plan, isatty(STDERR_FILENO)))
		return failed();
	if (run->lab.has_guest && bench_control_run(&run->control, &run->lab))
		return failed();
	bench_machine_load(run->lab.requester_cpu, run->lab.device_cpu, &run->after);
	if (run->lab.has_guest)
		bench_figures_take(&run->figures, &run->plan, &run->control,
				   bench_load_others(&run->before, &run->after));
	if (!options->json || strcmp(options->json, "-"))
		bench_report(run);
	if (options->json && bench_report_json(run, options->json))
		return failed();
	if (options->plot && bench_report_plot(run, options->plot))
		return failed();
	if (!options->check)
		return DONE;
	worse = bench_report_check(run, options->check);
	if (worse < 0)
		return failed();
	return worse ? COULD_NOT : DONE;
}

int main(int argc, char **argv)
{
	static struct bench_run run;
	struct options options;
	int status = parse(argc, argv, &options);
	bool complete = true;

	if (status >= 0)
		return status;
	bench_machine_describe(&run.machine);
	if (bench_lab_open(&run.lab))
		return failed();
	if (run.lab.requester_cpu == run.lab.device_cpu) {
		fputs("bypass bench: one core only: what is polled needs two, and is left out; no "
		      "guest\n",
		      stderr);
		complete = false;
	} else if (bench_lab_start_guest(&run.lab)) {
		failed();
		fputs("bypass bench: the native side alone is measured\n", stderr);
		complete = false;
	}
	status = options.verify ? verify(&run.lab, options.verify) : measure(&run, &options);
	bench_plan_free(&run.plan);
	bench_lab_close(&run.lab);
	return complete ? status : COULD_NOT;
}
