// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass top: what the slices of running VMMs cost, one line a slice. Reads what VMMs publish
 * through vmm-glue and what the kernel counts. Sends nothing to a VMM.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/published.h>

#include "internal.h"

#define HOME_AND_CLEAR "\033[H\033[J"

/* The counters of one slice at one time. */
struct sample {
	char name[64];
	uint32_t pid;
	struct bypass_slice_stats stats;
	double host_seconds; /* CPU time of the VMM outside the guest, all its slices together */
};

struct samples {
	struct timespec when;
	size_t count;
	struct sample *sample;
};

/*
 * User and system time without the guest's own: fields 14, 15 and 43 of /proc/PID/stat, see
 * proc_pid_stat(5). Field 2 ends in a bracket and may contain blanks, so counting starts there.
 */
static double host_seconds(uint32_t pid)
{
	unsigned long user = 0, system = 0, guest = 0;
	char path[64], text[1024], *field;
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	field = strrchr(text, ')');
	for (int number = 2; field && number <= 43; number++) {
		if (number == 14)
			user = strtoul(field, NULL, 10);
		else if (number == 15)
			system = strtoul(field, NULL, 10);
		else if (number == 43)
			guest = strtoul(field, NULL, 10);
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	return (double)(user + system - guest) / sysconf(_SC_CLK_TCK);
}

/* A VMM publishes the count when it reads the count. For a function the kernel has a newer one. */
static uint64_t interrupts_now(const struct bypass_published_slice *slice)
{
	uint64_t count = bypass_function_interrupts(slice->name, false);

	return count > slice->stats.interrupts ? count : slice->stats.interrupts;
}

static int add_vmm(struct samples *samples, const char *path)
{
	struct bypass_published published;
	struct sample *more;
	bool alive;

	/* The VMM has ended, or uses another version: there is nothing to show. */
	if (bypass_published_read(path, &published, &alive) || !alive)
		return 0;
	for (size_t i = 0; i < BYPASS_PUBLISHED_SLICES; i++) {
		const struct bypass_published_slice *slice = &published.slices[i];

		if (!slice->name[0])
			continue;
		more = realloc(samples->sample, (samples->count + 1) * sizeof(*more));
		if (!more)
			return bypass_fail(ENOMEM, "no memory for the statistics of another slice");
		samples->sample = more;
		more += samples->count++;
		*more = (struct sample){.pid = published.pid, .stats = slice->stats};
		memcpy(more->name, slice->name, sizeof(more->name) - 1);
		more->stats.interrupts = interrupts_now(slice);
		more->host_seconds = host_seconds(published.pid);
	}
	return 0;
}

static int take(struct samples *samples)
{
	char path[300];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	*samples = (struct samples){0};
	clock_gettime(CLOCK_MONOTONIC, &samples->when);
	dir = opendir(BYPASS_PUBLISHED_DIRECTORY);
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return bypass_fail(errno, "cannot read %s, where VMMs publish their statistics: %s",
				   BYPASS_PUBLISHED_DIRECTORY, strerror(errno));
	while (!err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", BYPASS_PUBLISHED_DIRECTORY, entry->d_name);
		if (entry->d_name[0] != '.')
			err = add_vmm(samples, path);
	}
	closedir(dir);
	return err;
}

static const struct sample *find(const struct samples *samples, const struct sample *wanted)
{
	for (size_t i = 0; i < samples->count; i++)
		if (samples->sample[i].pid == wanted->pid &&
		    !strcmp(samples->sample[i].name, wanted->name))
			return &samples->sample[i];
	return NULL;
}

/*
 * Adds a counter and its rate. A new slice has no rate yet. A counter that is lower than before has
 * restarted at 0: the slice was plugged again, or a reset removed the interrupt lines.
 */
static void add_rate(struct json_object *row, const char *key, uint64_t now, const uint64_t *before,
		     double seconds)
{
	uint64_t grown = before && now >= *before ? now - *before : now;
	char rate[64];

	add_number(row, key, now);
	snprintf(rate, sizeof(rate), "%s_per_second", key);
	json_object_object_add(row, rate,
			       before ? json_object_new_int64(grown / seconds + 0.5) : NULL);
}

static struct json_object *row_of(const struct sample *now, const struct sample *then,
				  double seconds)
{
	const struct bypass_slice_stats *stats = &now->stats, *old = then ? &then->stats : NULL;
	struct json_object *row = json_object_new_object();
	double cpu = now->host_seconds - (then ? then->host_seconds : 0);
	uint64_t before;

	add_text(row, "slice", now->name);
	json_object_object_add(row, "vmm", process_json(now->pid));
	add_number(row, "window_bytes", stats->window_bytes);
	add_number(row, "dma_bytes", stats->dma_bytes);
	add_rate(row, "interrupts", stats->interrupts, old ? &old->interrupts : NULL, seconds);
	before = old ? old->config_reads + old->config_writes : 0;
	add_rate(row, "config_exits", stats->config_reads + stats->config_writes,
		 old ? &before : NULL, seconds);
	before = old ? old->mmio_reads + old->mmio_writes : 0;
	add_rate(row, "mmio_exits", stats->mmio_reads + stats->mmio_writes, old ? &before : NULL,
		 seconds);
	add_rate(row, "pio_exits", stats->pio, old ? &old->pio : NULL, seconds);
	json_object_object_add(row, "host_cpu_seconds", json_object_new_double(now->host_seconds));
	/* CPU time that is lower than before belongs to another process with the same ID. */
	json_object_object_add(row, "host_cpu_percent",
			       then && cpu >= 0 ? json_object_new_double(100 * cpu / seconds)
						: NULL);
	return row;
}

static struct json_object *compare(const struct samples *now, const struct samples *then)
{
	double seconds = now->when.tv_sec - then->when.tv_sec +
			 (now->when.tv_nsec - then->when.tv_nsec) / 1e9;
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < now->count; i++)
		json_object_array_add(
			rows, row_of(&now->sample[i], find(then, &now->sample[i]), seconds));
	return rows;
}

static void cell_slice(struct json_object *row, char *text, size_t size)
{
	snprintf(text, size, "%s", get_text(row, "slice"));
}

static void cell_vmm(struct json_object *row, char *text, size_t size)
{
	struct json_object *vmm = json_object_object_get(row, "vmm");

	snprintf(text, size, "%s (%d)", get_text(vmm, "name"), (int)get_number(vmm, "pid"));
}

static void cell_bytes(struct json_object *row, const char *key, char *text, size_t size)
{
	uint64_t bytes = get_number(row, key);
	const char *unit = "BKMGT";

	while (bytes >= 10240 && unit[1]) {
		bytes = (bytes + 512) >> 10;
		unit++;
	}
	snprintf(text, size, "%llu%c", (unsigned long long)bytes, *unit);
}

static void cell_window(struct json_object *row, char *text, size_t size)
{
	cell_bytes(row, "window_bytes", text, size);
}

static void cell_dma(struct json_object *row, char *text, size_t size)
{
	cell_bytes(row, "dma_bytes", text, size);
}

static void cell_rate(struct json_object *row, const char *key, char *text, size_t size)
{
	if (is_null(row, key))
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%lld", (long long)get_number(row, key));
}

static void cell_interrupts(struct json_object *row, char *text, size_t size)
{
	cell_rate(row, "interrupts_per_second", text, size);
}

static void cell_config(struct json_object *row, char *text, size_t size)
{
	cell_rate(row, "config_exits_per_second", text, size);
}

static void cell_mmio(struct json_object *row, char *text, size_t size)
{
	cell_rate(row, "mmio_exits_per_second", text, size);
}

static void cell_pio(struct json_object *row, char *text, size_t size)
{
	cell_rate(row, "pio_exits_per_second", text, size);
}

static void cell_cpu(struct json_object *row, char *text, size_t size)
{
	struct json_object *percent = json_object_object_get(row, "host_cpu_percent");

	if (percent)
		snprintf(text, size, "%.1f%%", json_object_get_double(percent));
	else
		snprintf(text, size, "-");
}

static void print_slices(struct json_object *rows)
{
	static const struct column columns[] = {
		{.title = "SLICE", .cell = cell_slice, .shrinks = true},
		{.title = "VMM", .cell = cell_vmm, .shrinks = true},
		{.title = "WINDOW", .cell = cell_window, .right = true},
		{.title = "DMA", .cell = cell_dma, .right = true},
		{.title = "IRQ/s", .cell = cell_interrupts, .right = true},
		{.title = "CONFIG/s", .cell = cell_config, .right = true},
		{.title = "MMIO/s", .cell = cell_mmio, .right = true},
		{.title = "PIO/s", .cell = cell_pio, .right = true},
		{.title = "HOST-CPU", .cell = cell_cpu, .right = true},
	};

	if (json_object_array_length(rows))
		print_table(rows, columns, sizeof(columns) / sizeof(columns[0]));
	else
		puts("No VMM publishes statistics of slices.");
}

/* Prints one table or one JSON document. */
static void show(struct json_object *rows, double interval, bool live)
{
	struct json_object *document = json_object_new_object();

	json_object_object_add(document, "interval_seconds", json_object_new_double(interval));
	json_object_object_add(document, "slices", rows);
	if (wants_json()) {
		print_json(document);
		return;
	}
	if (live)
		fputs(HOME_AND_CLEAR, stdout);
	print_slices(rows);
	json_object_put(document);
	fflush(stdout);
}

/* A view shows rates, so it needs two samples. With @live, each further sample is another view. */
static enum exit_code top(double interval, bool live)
{
	struct timespec pause = {.tv_sec = interval, .tv_nsec = (interval - (long)interval) * 1e9};
	struct samples then, now = {0};
	int err;

	err = take(&then);
	do {
		nanosleep(&pause, NULL);
		if (!err)
			err = take(&now);
		if (!err)
			show(compare(&now, &then), interval, live);
		free(then.sample);
		then = now;
	} while (!err && live);
	free(then.sample);
	return err ? failed() : EXIT_DONE;
}

static enum exit_code run_top(int argc, char **argv)
{
	enum { OPTION_INTERVAL = OPTION_FIRST, OPTION_ONCE };
	static const struct option options[] = {
		{"interval", required_argument, NULL, OPTION_INTERVAL},
		{"once", no_argument, NULL, OPTION_ONCE},
		COMMON_OPTIONS,
	};
	double interval = 1;
	enum exit_code code;
	bool once = false;
	char *end;
	int option;

	while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
		if (option == OPTION_INTERVAL) {
			interval = strtod(optarg, &end);
			if (*end || !(interval >= 0.1 && interval <= 3600))
				return wrong_usage(&command_top, "--interval takes seconds, from "
								 "0.1 to 3600");
		} else if (option == OPTION_ONCE) {
			once = true;
		} else if (common_option(&command_top, option, &code)) {
			return code;
		}
	}
	if (optind < argc)
		return wrong_usage(&command_top, "'%s' is one argument too many", argv[optind]);
	return top(interval, !once && !wants_json() && isatty(STDOUT_FILENO));
}

const struct command command_top = {
	.name = "top",
	.summary = "what the slices of running VMMs cost, live",
	.usage = "bypass top [--interval SECONDS] [--once] [--json]\n"
		 "Shows each slice that a running VMM has: the VMM, bytes of the device mapped\n"
		 "into the guest (WINDOW) and of the guest within the device's reach (DMA),\n"
		 "interrupts, exits to user space by cause, each per second, and the CPU time\n"
		 "that the VMM took outside its guest. Control-C ends it. Without a terminal:\n"
		 "once.\n\n"
		 "  --interval SECONDS  how long to count between two views (1)\n"
		 "  --once              one view\n"
		 "  --json              one view as JSON, with totals as well\n"
		 "  -h, --help          this text\n\n"
		 "Examples:\n"
		 "  bypass top\n"
		 "  bypass top --json --interval 10 | jq '.slices[] | .mmio_exits_per_second'",
	.run = run_top,
};
