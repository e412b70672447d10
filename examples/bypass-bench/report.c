// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tables, 80 columns wide. Latency is half a round trip in µs (of an RDMA write the
 * time from the post to the completion), sizes are in bytes, columns are called as in perftest.
 */
#include <stdio.h>
#include <string.h>

#include "report.h"

static const char *const path_titles[BENCH_PATHS] = {
	[BENCH_LINES] = "bare cache lines",  [BENCH_BYPASS] = "bypass",
	[BENCH_HALT] = "bypass + interrupt", [BENCH_HALTPOLL] = "  with haltpoll",
	[BENCH_KICK] = "kernel kick",	     [BENCH_EXIT] = "user-space exit",
	[BENCH_VIRTQ] = "polled virtqueue",  [BENCH_WRITE] = "RDMA write, model",
};

/* Virtualisation models: whose I/O takes which path. */
static const struct {
	enum bench_path path;
	enum bench_which which;
	const char *title;
} models[] = {
	{BENCH_BYPASS, BENCH_NATIVE, "native process"},
	{BENCH_BYPASS, BENCH_GUEST, "bypass, polled"},
	{BENCH_HALT, BENCH_GUEST, "bypass, interrupt"},
	{BENCH_HALTPOLL, BENCH_GUEST, "bypass, haltpoll"},
	{BENCH_VIRTQ, BENCH_GUEST, "virtio, polled (SPDK)"},
	{BENCH_WRITE, BENCH_NATIVE, "RDMA write, a process"},
	{BENCH_WRITE, BENCH_GUEST, "RDMA write, a guest"},
	{BENCH_KICK, BENCH_GUEST, "virtio, kernel (vhost)"},
	{BENCH_EXIT, BENCH_GUEST, "emulated, driver domain"},
};

unsigned int bench_run_noisy(const struct bench_run *run)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < run->plan.n_cells; i++)
		n += run->plan.cells[i].noisy;
	return n;
}

static void print_machine(const struct bench_run *run)
{
	const struct bench_machine *machine = &run->machine;
	double others = bench_load_others(&run->before, &run->after);
	double steal = bench_load_steal(&run->before, &run->after);
	unsigned int noisy = bench_run_noisy(run);

	printf("machine: %s%s, %u core%s, governor %s\n", machine->cpu,
	       machine->virtual ? " (virtual)" : "", machine->cores, machine->cores == 1 ? "" : "s",
	       machine->governor);
	printf("         Linux %s, KVM back end %s\n", machine->kernel, machine->kvm);
	printf("cores:   requester on CPU %d, device on CPU %d; %s\n", run->lab.requester_cpu,
	       run->lab.device_cpu,
	       others > 0.02 || steal > 0.01 ? "shared with others" : "not shared");
	printf("         (others %.1f %%, stolen %.1f %%, preempted %llu times)\n", others * 100,
	       steal * 100, (unsigned long long)(run->after.preempted - run->before.preempted));
	printf("rounds:  %u, native and guest by turns; figures are medians over rounds\n",
	       run->plan.rounds);
	if (noisy)
		printf("NOISY:   %u of %u measurements, marked ~: native p50 drifts by over %.0f "
		       "%% "
		       "between\n         rounds, or native p99 is over %.0f times p50. Do not "
		       "trust "
		       "those.\n",
		       noisy, run->plan.n_cells, BENCH_NOISY_DRIFT * 100, BENCH_NOISY_TAIL);
}

static void print_ratio(double ratio)
{
	printf(ratio < 10 ? " %5.2f" : " %5.0f", ratio);
}

static void print_latency_row(const struct bench_run *run, const struct bench_cell *cell)
{
	const struct bench_result *result =
		&cell->sides[run->lab.has_guest ? BENCH_GUEST : BENCH_NATIVE];
	const struct bench_figures *median = &result->median;

	printf("%-19s%8u%10.3f%10.3f%10.3f%10.3f", path_titles[cell->path], cell->size,
	       bench_us(cell->path, median->min), bench_us(cell->path, median->p50),
	       bench_us(cell->path, median->p99), bench_us(cell->path, median->p999));
	if (run->lab.has_guest) {
		print_ratio(cell->ratio.p50);
		print_ratio(cell->ratio.p99);
	}
	puts(cell->noisy ? "~" : "");
}

static void print_latency(const struct bench_run *run)
{
	printf("\nLatency of %s, half round trip%s\n",
	       run->lab.has_guest ? "the guest" : "a process",
	       run->lab.has_guest ? "                           guest/native" : "");
	printf("%-19s%8s%10s%10s%10s%10s%s\n", "path", "#bytes", "t_min[us]", "t_typ[us]",
	       "99%[us]", "99.9%[us]", run->lab.has_guest ? "   typ   99%" : "");
	for (unsigned int i = 0; i < run->plan.n_cells; i++)
		if (run->plan.cells[i].depth == 1)
			print_latency_row(run, &run->plan.cells[i]);
}

static void print_rate(const struct bench_run *run, enum bench_path path, enum bench_which which,
		       uint32_t depth)
{
	const struct bench_cell *cell = bench_plan_find(&run->plan, path, 64, depth);
	int width = depth == 1 ? 7 : 8;

	if (cell && cell->sides[which].median.per_op > 0)
		printf("%*.3f", width, 1e3 / cell->sides[which].median.per_op);
	else
		printf("%*s", width, "-");
}

static void print_bandwidth(const struct bench_run *run, enum bench_path path,
			    enum bench_which which)
{
	const struct bench_cell *cell = bench_plan_find(&run->plan, path, 65536, 8);

	if (cell && cell->sides[which].median.per_op > 0)
		printf("%6.0f", 65536 * 1e9 / cell->sides[which].median.per_op / (1 << 20));
	else
		printf("%6s", "-");
}

static void print_models(const struct bench_run *run)
{
	puts("\nVirtualisation models, 64 B operations (MiB/sec: 64 KiB at depth 8)");
	printf("%-23s%8s%23s%6s%8s%6s%6s\n", "", "CPU", "MsgRate[Mpps] at depth", "MiB", "latency",
	       "lost", "exits");
	printf("%-23s%8s%7s%8s%8s%6s%8s%6s%6s\n", "model", "[us/op]", "1", "8", "32", "/sec",
	       "[us]", "[KiB]", "/op");
	for (unsigned int i = 0; i < sizeof(models) / sizeof(*models); i++) {
		const struct bench_cell *cell = bench_plan_find(&run->plan, models[i].path, 64, 1);
		enum bench_which which = models[i].which;

		if (!cell || !cell->sides[which].operations)
			continue;
		printf("%-23s%8.2f", models[i].title, bench_cell_cpu(cell, which) / 1e3);
		print_rate(run, models[i].path, which, 1);
		print_rate(run, models[i].path, which, 8);
		print_rate(run, models[i].path, which, 32);
		print_bandwidth(run, models[i].path, which);
		printf("%8.2f%6llu", bench_us(cell->path, cell->sides[which].median.p50),
		       (unsigned long long)run->plan.memory[models[i].path] >> 10);
		if (which == BENCH_GUEST)
			printf("%5.2f", bench_cell_exits(cell));
		else
			printf("%5s", "-");
		puts(cell->noisy ? "~" : "");
	}
}

/* One cause, on the next line where this one is full; the column after it. */
static int print_cause(int column, const char *name, double count)
{
	if (column + strlen(name) + 7 > 80)
		column = printf("\n%11s", "") - 1;
	return column + printf(" %s %.2f", name, count);
}

/* Observability: what of each operation the host gets to see. */
static void print_causes(const struct bench_run *run)
{
	puts("exits/op by cause, all that the host sees of an operation:");
	for (unsigned int path = BENCH_BYPASS; path < BENCH_PATHS; path++) {
		const struct bench_cell *cell = bench_plan_find(&run->plan, path, 64, 1);
		const struct bench_result *guest;
		int column;

		if (!cell)
			continue;
		guest = &cell->sides[BENCH_GUEST];
		column = printf("  %-9s", bench_path_names[path]);
		for (unsigned int i = BENCH_IO_EXITS; i < BENCH_COUNTERS; i++) {
			double count =
				(double)guest->cost.counters.value[i] / (double)guest->operations;

			if (count >= 0.005 && i != BENCH_IRQ_EXITS)
				column = print_cause(column, bench_counter_names[i], count);
		}
		print_cause(column, "to user space",
			    (double)guest->cost.user_exits / (double)guest->operations);
		puts("");
	}
}

static void print_control(const struct bench_run *run)
{
	const struct bench_control *control = &run->control;

	puts("\nControl path");
	printf("  VM with one slice, created to first completion%8.2f ms (longest %.2f)\n",
	       control->create_ms, control->create_max_ms);
	for (unsigned int i = 0; i < BENCH_PAGES; i++) {
		const struct bench_mapping *mapping = &control->mappings[i];

		printf("  map 1 GiB, resident, %-11s", bench_pages_names[i]);
		if (mapping->why_not[0])
			printf(" not measured: %s\n", mapping->why_not);
		else
			printf("              %8.2f ms (bare %.2f, x%.2f)\n", mapping->slice_ms,
			       mapping->bare_ms, mapping->ratio);
	}
	printf("  move a window of 32 MiB                       %8.1f us\n", control->remap_us);
	printf("  enable the interrupt vector                     %8.1f us\n", control->vector_us);
}

static void print_bars(const struct bench_run *run)
{
	puts("\nBars");
	for (unsigned int i = 0; i < run->figures.n; i++) {
		const struct bench_figure *figure = &run->figures.all[i];

		if (figure->bar > 0)
			printf("  %-51s%9.3f %s %-6g %s\n", figure->what, figure->value,
			       figure->less ? "<=" : ">=", figure->bar,
			       bench_figure_reaches(figure) ? figure->noisy ? "ok~" : "ok"
			       : figure->noisy		    ? "MISSED~"
							    : "MISSED");
	}
}

void bench_report(const struct bench_run *run)
{
	print_machine(run);
	print_latency(run);
	if (!run->lab.has_guest)
		return;
	print_models(run);
	print_causes(run);
	print_control(run);
	print_bars(run);
}
