// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counters of a port that the guest may read: those that the slice itself counts; and, where
 * whoever opened the slice has said so, those that the HCA has in hw_counters/ and counters/ of
 * sysfs. The HCA counts for all of its users together: a guest that reads these learns how busy the
 * others are.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static void add(struct bypass_rdma_counters *counters, const char *name, uint64_t value)
{
	uint32_t n = le32toh(counters->count);
	struct bypass_rdma_counter *counter = &counters->counter[n];

	if (n == BYPASS_RDMA_COUNTERS_MAX)
		return;
	snprintf((char *)counter->name, sizeof(counter->name), "%.31s", name);
	counter->value = htole64(value);
	counters->count = htole32(n + 1);
}

/* The same ones in the same order, as long as the slice lives. */
static void add_own(const struct rdma_slice *s, struct bypass_rdma_counters *counters)
{
	add(counters, "slice_commands", atomic_load(&s->stats.commands));
	add(counters, "slice_commands_refused", atomic_load(&s->stats.refused));
	add(counters, "slice_completion_events", atomic_load(&s->stats.completions));
	add(counters, "slice_async_events", atomic_load(&s->stats.events));
	if (s->dialect->doorbell) {
		add(counters, "slice_kicks", atomic_load(&s->stats.kicks));
		add(counters, "slice_doorbells", atomic_load(&s->stats.post_sends));
		add(counters, "slice_armed", atomic_load(&s->stats.arms));
	}
	if (s->guarded)
		add(counters, "slice_requests", atomic_load(&s->stats.copied));
}

/* Is the file a counter, and one whose name the guest can be told? */
static int is_counter(const struct dirent *entry)
{
	const char *name = entry->d_name;

	if (!strcmp(name, "lifespan") || /* how long the kernel keeps values */
	    strlen(name) >= sizeof(((struct bypass_rdma_counter *)NULL)->name))
		return 0;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return 0;
	return 1;
}

/* A counter that cannot be read is 0: the HCA is about to go, or the counter was disabled. */
static uint64_t read_counter(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return strtoull(text, NULL, 10);
}

/* Those of a folder of the port. */
static void add_hcas(const struct rdma_slice *s, uint32_t port, const char *folder,
		     struct bypass_rdma_counters *counters)
{
	char path[sizeof(s->hca.sysfs) + 48];
	struct dirent **entries;
	int directory, n;

	snprintf(path, sizeof(path), "%s/ports/%u/%s", s->hca.sysfs, port, folder);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return; /* the HCA has none */
	n = scandirat(directory, ".", &entries, is_counter, alphasort);
	for (int i = 0; i < n; i++) {
		add(counters, entries[i]->d_name, read_counter(directory, entries[i]->d_name));
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	close(directory);
}

int rdma_query_counters(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	struct bypass_rdma_counters *counters = (void *)c->reply;
	int err = rdma_query_check_port(s, body);
	uint32_t others;

	if (err)
		return err;
	add_own(s, counters);
	if (s->options.hca_counters) {
		add_hcas(s, le32toh(body->port), "hw_counters", counters);
		others = le32toh(counters->count);
		add_hcas(s, le32toh(body->port), "counters", counters);
		counters->port_count = htole32(le32toh(counters->count) - others);
	}
	return 0;
}
