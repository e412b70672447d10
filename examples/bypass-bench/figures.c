// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes the figures from the cells of a run.
 */
#include <stdarg.h>
#include <stdio.h>

#include "figures.h"

static struct bench_figure *add(struct bench_figures_list *list, enum bench_kind kind, double value,
				bool noisy, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static struct bench_figure *add(struct bench_figures_list *list, enum bench_kind kind, double value,
				bool noisy, const char *format, ...)
{
	static struct bench_figure none;
	struct bench_figure *figure = list->n < BENCH_MAX_FIGURES ? &list->all[list->n++] : &none;
	va_list ap;

	*figure = (struct bench_figure){.kind = kind, .value = value, .less = true, .noisy = noisy};
	va_start(ap, format);
	vsnprintf(figure->name, sizeof(figure->name), format, ap);
	va_end(ap);
	return figure;
}

static void set_bar(struct bench_figure *figure, double bar, bool less, const char *what)
{
	figure->bar = bar;
	figure->less = less;
	figure->what = what;
}

static void add_cell(struct bench_figures_list *list, const struct bench_cell *cell)
{
	const char *path = bench_path_names[cell->path];
	bool is_bypass = cell->path == BENCH_BYPASS, is_large = cell->size >= 65536;
	struct bench_figure *figure;

	if (cell->depth == 1) {
		figure = add(list, BENCH_RATIO, cell->ratio.p50, cell->noisy, "%s.%u.p50", path,
			     cell->size);
		if (is_bypass && cell->size == 64)
			set_bar(figure, 1.05, true, "64 B round trip, guest / native, p50");
		if (cell->path == BENCH_WRITE)
			set_bar(figure, 1.05, true, "64 B RDMA write, guest / native, p50");
		figure = add(list, BENCH_RATIO, cell->ratio.p99, cell->noisy, "%s.%u.p99", path,
			     cell->size);
		if (is_bypass && cell->size == 64)
			set_bar(figure, 1.15, true, "64 B round trip, guest / native, p99");
		figure = add(list, BENCH_COUNT, bench_cell_exits(cell), false, "%s.%u.exits", path,
			     cell->size);
	} else if (cell->ratio.per_op > 0) {
		figure = add(list, BENCH_RATIO, 1 / cell->ratio.per_op, cell->noisy,
			     "%s.%u.depth%u.rate", path, cell->size, cell->depth);
		set_bar(figure, is_bypass && is_large ? 0.97 : 0, false,
			cell->size == 65536    ? "64 KiB throughput, guest / native"
			: cell->size == 262144 ? "256 KiB throughput, guest / native"
					       : "1 MiB throughput, guest / native");
	}
}

static void add_against(struct bench_figures_list *list, const struct bench_plan *plan,
			const struct bench_cell *a, const struct bench_cell *b, double bar,
			bool less, const char *what)
{
	struct bench_figure *figure;

	if (!a || !b)
		return;
	figure = add(list, BENCH_RATIO, bench_plan_against(plan, a, b), a->noisy || b->noisy,
		     "%s.per.%s", bench_path_names[a->path], bench_path_names[b->path]);
	set_bar(figure, bar, less, what);
}

static void add_exits(struct bench_figures_list *list, const struct bench_plan *plan)
{
	struct bench_figure *figure;
	uint64_t operations = 0;
	double exits = 0;

	for (unsigned int i = 0; i < plan->n_cells; i++) {
		const struct bench_cell *cell = &plan->cells[i];

		if (cell->path != BENCH_BYPASS)
			continue;
		exits += bench_cell_exits(cell) * (double)cell->sides[BENCH_GUEST].operations;
		operations += cell->sides[BENCH_GUEST].operations;
	}
	figure = add(list, BENCH_COUNT, operations ? exits * 1e6 / (double)operations : 0, false,
		     "bypass.exits.per.million");
	set_bar(figure, 10, true, "I/O exits per million bypass operations");
}

static void add_control(struct bench_figures_list *list, const struct bench_control *control,
			bool noisy)
{
	struct bench_figure *figure;

	figure = add(list, BENCH_TIME, control->create_ms, noisy, "control.create.ms");
	set_bar(figure, 5, true, "VM with one slice to its first completion, p50 [ms]");
	for (unsigned int i = 0; i < BENCH_PAGES; i++) {
		const struct bench_mapping *mapping = &control->mappings[i];

		if (mapping->why_not[0])
			continue;
		figure = add(list, BENCH_RATIO, mapping->ratio, noisy, "control.map.%s",
			     i == BENCH_PAGES_4K ? "4k" : bench_pages_names[i]);
		if (i != BENCH_PAGES_4K)
			set_bar(figure, 2, true,
				i == BENCH_PAGES_THP ? "map 1 GiB of THP / mlock and memory slot"
						     : "map 1 GiB of hugetlb / mlock and memory "
						       "slot");
	}
}

void bench_figures_take(struct bench_figures_list *list, const struct bench_plan *plan,
			const struct bench_control *control, double others)
{
	const struct bench_cell *inline48 = bench_plan_find(plan, BENCH_BYPASS, 48, 1);
	const struct bench_cell *bypass = bench_plan_find(plan, BENCH_BYPASS, 64, 1);

	list->n = 0;
	for (unsigned int i = 0; i < plan->n_cells; i++)
		add_cell(list, &plan->cells[i]);
	add_exits(list, plan);
	add_against(list, plan, inline48, bench_plan_find(plan, BENCH_LINES, 64, 1), 1.5, true,
		    "48 B through the ring / bare two-line ping-pong");
	add_against(list, plan, bench_plan_find(plan, BENCH_VIRTQ, 48, 1), inline48, 2.5, false,
		    "48 B, polled split virtqueue / bypass");
	add_against(list, plan, bench_plan_find(plan, BENCH_KICK, 64, 1), bypass, 50, false,
		    "ioeventfd and a sleeping thread / bypass");
	add_against(list, plan, bench_plan_find(plan, BENCH_EXIT, 64, 1), bypass, 0, false, NULL);
	add_control(list, control, others > BENCH_NOISY_OTHERS);
}

bool bench_figure_reaches(const struct bench_figure *figure)
{
	return figure->less ? figure->value <= figure->bar : figure->value >= figure->bar;
}
