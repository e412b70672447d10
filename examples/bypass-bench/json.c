// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A run as JSON. Times are whole round trips in ns; histograms are pairs of a
 * bucket's first value and its samples.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>

#include "report.h"

#define SCHEMA_VERSION 1

static void put_double(struct json_object *object, const char *key, double value)
{
	json_object_object_add(object, key, json_object_new_double(value));
}

static void put_int(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)value));
}

static void put_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static struct json_object *machine_object(const struct bench_run *run)
{
	const struct bench_machine *machine = &run->machine;
	struct json_object *object = json_object_new_object();

	put_string(object, "cpu", machine->cpu);
	put_string(object, "kernel", machine->kernel);
	put_string(object, "kvm", machine->kvm);
	put_string(object, "governor", machine->governor);
	put_int(object, "cores", machine->cores);
	json_object_object_add(object, "virtual", json_object_new_boolean(machine->virtual));
	put_double(object, "cycle_ns", run->lab.cycle_ns);
	put_int(object, "tsc_step_cycles", run->lab.tick);
	put_double(object, "others_share", bench_load_others(&run->before, &run->after));
	put_double(object, "steal_share", bench_load_steal(&run->before, &run->after));
	put_int(object, "preempted", run->after.preempted - run->before.preempted);
	return object;
}

static struct json_object *histogram_object(const struct bench_run *run,
					    const struct bench_histogram *histogram)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < BENCH_BUCKETS; i++) {
		struct json_object *pair;

		if (!histogram->buckets[i])
			continue;
		pair = json_object_new_array();
		json_object_array_add(pair, json_object_new_double((double)bench_bucket_floor(i) *
								   run->lab.cycle_ns));
		json_object_array_add(pair, json_object_new_int64(histogram->buckets[i]));
		json_object_array_add(array, pair);
	}
	return array;
}

static struct json_object *figures_object(const struct bench_figures *figures)
{
	struct json_object *object = json_object_new_object();

	put_double(object, "min", figures->min);
	put_double(object, "p50", figures->p50);
	put_double(object, "p99", figures->p99);
	put_double(object, "p99.9", figures->p999);
	put_double(object, "per_op", figures->per_op);
	return object;
}

static struct json_object *side_object(const struct bench_run *run, const struct bench_cell *cell,
				       enum bench_which which)
{
	const struct bench_result *result = &cell->sides[which];
	struct json_object *object = figures_object(&result->median);
	struct json_object *rounds = json_object_new_array();

	for (unsigned int i = 0; i < run->plan.rounds; i++)
		json_object_array_add(rounds, figures_object(&result->rounds[i]));
	put_int(object, "operations", result->operations);
	put_double(object, "cpu_ns_per_op", bench_cell_cpu(cell, which));
	put_int(object, "interrupts", result->interrupts);
	json_object_object_add(object, "rounds", rounds);
	json_object_object_add(object, "histogram", histogram_object(run, &result->histogram));
	return object;
}

static struct json_object *exits_object(const struct bench_cell *cell)
{
	const struct bench_result *guest = &cell->sides[BENCH_GUEST];
	struct json_object *object = json_object_new_object();

	for (unsigned int i = 0; i < BENCH_COUNTERS; i++)
		put_int(object, bench_counter_names[i], guest->cost.counters.value[i]);
	put_int(object, "to_user_space", guest->cost.user_exits);
	put_double(object, "per_op", bench_cell_exits(cell));
	return object;
}

static struct json_object *cell_object(const struct bench_run *run, const struct bench_cell *cell)
{
	struct json_object *object = json_object_new_object();

	put_string(object, "path", bench_path_names[cell->path]);
	put_int(object, "size", cell->size);
	put_int(object, "depth", cell->depth);
	json_object_object_add(object, "noisy", json_object_new_boolean(cell->noisy));
	put_double(object, "drift", cell->drift);
	put_double(object, "tail", cell->tail);
	put_int(object, "memory", run->plan.memory[cell->path]);
	json_object_object_add(object, "native", side_object(run, cell, BENCH_NATIVE));
	if (!run->lab.has_guest)
		return object;
	json_object_object_add(object, "guest", side_object(run, cell, BENCH_GUEST));
	json_object_object_add(object, "ratio", figures_object(&cell->ratio));
	json_object_object_add(object, "exits", exits_object(cell));
	return object;
}

static struct json_object *control_object(const struct bench_control *control)
{
	struct json_object *object = json_object_new_object();

	put_double(object, "create_ms", control->create_ms);
	put_double(object, "create_max_ms", control->create_max_ms);
	for (unsigned int i = 0; i < BENCH_PAGES; i++) {
		const struct bench_mapping *mapping = &control->mappings[i];
		struct json_object *map = json_object_new_object();

		if (mapping->why_not[0]) {
			put_string(map, "why_not", mapping->why_not);
		} else {
			put_double(map, "bare_ms", mapping->bare_ms);
			put_double(map, "slice_ms", mapping->slice_ms);
			put_double(map, "ratio", mapping->ratio);
		}
		json_object_object_add(object, bench_pages_names[i], map);
	}
	put_double(object, "remap_us", control->remap_us);
	put_double(object, "vector_us", control->vector_us);
	return object;
}

/* Name to value: what bench_report_check() reads of an earlier run. */
static struct json_object *baseline_object(const struct bench_figures_list *figures)
{
	struct json_object *object = json_object_new_object();

	for (unsigned int i = 0; i < figures->n; i++)
		if (figures->all[i].kind != BENCH_TIME)
			put_double(object, figures->all[i].name, figures->all[i].value);
	return object;
}

int bench_report_json(const struct bench_run *run, const char *path)
{
	struct json_object *object = json_object_new_object();
	struct json_object *cells = json_object_new_array();
	int flags = JSON_C_TO_STRING_SPACED, ret = 0;

	put_int(object, "version", SCHEMA_VERSION);
	json_object_object_add(object, "machine", machine_object(run));
	put_int(object, "noisy_cells", bench_run_noisy(run));
	if (run->lab.has_guest) {
		json_object_object_add(object, "figures", baseline_object(&run->figures));
		json_object_object_add(object, "control", control_object(&run->control));
	}
	for (unsigned int i = 0; i < run->plan.n_cells; i++)
		json_object_array_add(cells, cell_object(run, &run->plan.cells[i]));
	json_object_object_add(object, "cells", cells);

	if (!strcmp(path, "-"))
		puts(json_object_to_json_string_ext(object, flags));
	else if (json_object_to_file_ext(path, object, flags))
		ret = bypass_fail(EIO, "%s: cannot be written: %s", path, json_util_get_last_err());
	json_object_put(object);
	return ret;
}
