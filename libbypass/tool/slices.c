// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Carvings and their slices as JSON and as a table, for bypass status and bypass carve.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "internal.h"

static const char *const state_names[] = {
	[BYPASS_CARVED] = "carved",	     [BYPASS_CARVE_BUSY] = "busy",
	[BYPASS_CARVE_HALF] = "half carved", [BYPASS_RELEASE_HALF] = "half released",
	[BYPASS_LEDGER_BAD] = "bad ledger",
};

static struct json_object *named_process(pid_t pid, const char *name)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "pid", pid);
	add_text(object, "name", name);
	return object;
}

struct json_object *holder_json(const char *address)
{
	struct bypass_holder holder;

	if (bypass_function_holder(address, &holder) <= 0)
		return NULL;
	return named_process(holder.pid, holder.name);
}

static struct json_object *carved_holder_json(const struct bypass_carved *slice)
{
	struct bypass_holder holder;

	if (bypass_carved_holder(slice, &holder) <= 0)
		return NULL;
	return named_process(holder.pid, holder.name);
}

struct json_object *process_json(pid_t pid)
{
	char name[BYPASS_PROCESS_NAME_SIZE];

	bypass_process_name(pid, name);
	return named_process(pid, name);
}

struct json_object *carving_json(const struct bypass_carving *carving)
{
	struct json_object *object = json_object_new_object();
	struct json_object *slices = json_object_new_array();
	struct tm utc;
	char since[40];

	gmtime_r(&carving->since, &utc);
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &utc);
	add_text(object, "function", carving->function);
	add_text_or_null(object, "name", carving->name);
	add_text_or_null(object, "netdev", carving->netdev);
	add_text_or_null(object, "addresses", carving->addresses);
	add_text(object, "state", state_names[carving->state]);
	add_text_or_null(object, "since", carving->since ? since : "");
	add_number(object, "pid", carving->pid);
	add_number(object, "steps", carving->steps);
	add_text_or_null(object, "problem", carving->problem);
	for (size_t i = 0; i < carving->count; i++) {
		struct json_object *slice = json_object_new_object();

		add_text(slice, "address", carving->slice[i].address);
		add_text(slice, "name", carving->slice[i].name);
		json_object_object_add(slice, "holder", carved_holder_json(&carving->slice[i]));
		json_object_array_add(slices, slice);
	}
	json_object_object_add(object, "slices", slices);
	return object;
}

static void cell_slice(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", is_null(row, "slice") ? "-" : get_text(row, "slice"));
}

static void cell_address(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", is_null(row, "address") ? "-" : get_text(row, "address"));
}

static void cell_function(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", get_text(row, "function"));
}

static void cell_since(struct json_object *row, char *text, size_t size)
{
	struct tm utc = {0}, local;
	time_t when;

	snprintf(text, size, "-");
	if (!strptime(get_text(row, "since"), "%Y-%m-%dT%H:%M:%SZ", &utc))
		return;
	when = timegm(&utc);
	localtime_r(&when, &local);
	strftime(text, size, "%m-%d %H:%M:%S", &local);
}

static void cell_state(struct json_object *row, char *text, size_t size)
{
	struct json_object *holder = json_object_object_get(row, "holder");

	if (holder)
		snprintf(text, size, "in use by %s (%d)", get_text(holder, "name"),
			 (int)get_number(holder, "pid"));
	else
		snprintf(text, size, "%s", get_text(row, "state"));
}

/* Adds the row of a slice. @slice is NULL for a carving that has none. */
static void add_row(struct json_object *rows, struct json_object *carving,
		    struct json_object *slice)
{
	struct json_object *row = json_object_new_object();

	add_text(row, "function",
		 get_text(carving, is_null(carving, "netdev") ? "function" : "netdev"));
	add_text(row, "state", get_text(carving, "state"));
	add_text(row, "since", get_text(carving, "since"));
	if (slice) {
		add_text(row, "address",
			 is_null(carving, "addresses") ? get_text(slice, "address")
						       : get_text(carving, "addresses"));
		add_text(row, "slice", get_text(slice, "name"));
		json_object_object_add(row, "holder",
				       json_object_get(json_object_object_get(slice, "holder")));
	}
	json_object_array_add(rows, row);
}

static void print_note(struct json_object *carving)
{
	const char *function = get_text(carving, "function"), *state = get_text(carving, "state");

	if (!is_null(carving, "problem"))
		printf("\n%s: %s\n", function, get_text(carving, "problem"));
	else if (!strcmp(state, state_names[BYPASS_CARVE_BUSY]))
		printf("\n%s: process %d is working on it\n", function,
		       (int)get_number(carving, "pid"));
	else if (strcmp(state, state_names[BYPASS_CARVED]))
		printf("\n%s: process %d left it %s, %d changes of the host are not undone: "
		       "'bypass release %s' undoes them\n",
		       function, (int)get_number(carving, "pid"), state,
		       (int)get_number(carving, "steps"), function);
}

void print_carvings(struct json_object *carvings)
{
	static const struct column columns[] = {
		{.title = "SLICE", .cell = cell_slice, .shrinks = true},
		{.title = "ADDRESS", .cell = cell_address},
		{.title = "OF", .cell = cell_function},
		{.title = "SINCE", .cell = cell_since},
		{.title = "STATE", .cell = cell_state},
	};
	struct json_object *rows = json_object_new_array();
	size_t count = json_object_array_length(carvings);

	for (size_t i = 0; i < count; i++) {
		struct json_object *carving = json_object_array_get_idx(carvings, i);
		struct json_object *slices = json_object_object_get(carving, "slices");
		size_t slice_count = json_object_array_length(slices);

		for (size_t j = 0; j < slice_count; j++)
			add_row(rows, carving, json_object_array_get_idx(slices, j));
		if (!slice_count)
			add_row(rows, carving, NULL);
	}
	print_table(rows, columns, sizeof(columns) / sizeof(columns[0]));
	json_object_put(rows);
	for (size_t i = 0; i < count; i++)
		print_note(json_object_array_get_idx(carvings, i));
}
