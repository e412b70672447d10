// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How much memory the control groups of this process leave to the process. Each group up to the
 * root has a limit (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "internal.h"

/* Where a version of control groups keeps its numbers. */
struct files {
	const char *root; /* below /sys */
	const char *limit;
	const char *used;
	const char *inactive; /* lines of memory.stat: what the kernel takes back when need be */
	const char *active;
};

static const struct files v2 = {
	.root = "fs/cgroup",
	.limit = "memory.max",
	.used = "memory.current",
	.inactive = "\ninactive_file ",
	.active = "\nactive_file ",
};

static const struct files v1 = {
	.root = "fs/cgroup/memory",
	.limit = "memory.limit_in_bytes",
	.used = "memory.usage_in_bytes",
	.inactive = "\ntotal_inactive_file ",
	.active = "\ntotal_active_file ",
};

/* False when there is no such file, or no limit: "max". */
static bool read_bytes(const char *directory, const char *file, uint64_t *bytes)
{
	char path[600], text[64], *end;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	if (host_file(path, text, sizeof(text)) <= 0)
		return false;
	*bytes = strtoull(text, &end, 10);
	return end > text;
}

static uint64_t stat_line(const char *stat, const char *key)
{
	const char *at = strstr(stat, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t reclaimable(const char *directory, const struct files *files)
{
	char path[600], text[8192] = "\n";

	snprintf(path, sizeof(path), "%s/memory.stat", directory);
	if (host_file(path, text + 1, sizeof(text) - 1) <= 0)
		return 0;
	return stat_line(text, files->inactive) + stat_line(text, files->active);
}

/* Keeps this group's limit in @tightest if it leaves less than those before. */
static void read_limit(const char *directory, const struct files *files,
		       struct memory_limit *tightest)
{
	uint64_t limit, used = 0, free, left;

	if (!read_bytes(directory, files->limit, &limit))
		return;
	read_bytes(directory, files->used, &used);
	free = reclaimable(directory, files);
	used -= free < used ? free : used;
	left = used < limit ? limit - used : 0;
	if (tightest->file[0] && left >= tightest->left)
		return;
	tightest->limit = limit;
	tightest->left = left;
	snprintf(tightest->file, sizeof(tightest->file), "%s/%s", directory, files->limit);
}

/* The group @path and those above it. */
static void walk_up(const char *path, const struct files *files, struct memory_limit *tightest)
{
	char directory[512];
	size_t root;

	root = snprintf(directory, sizeof(directory), "%s/%s", host_paths.sys, files->root);
	snprintf(directory + root, sizeof(directory) - root, "%s", path);
	for (;;) {
		read_limit(directory, files, tightest);
		if (strlen(directory) <= root)
			return;
		*strrchr(directory, '/') = '\0';
	}
}

/* A line of /proc/PID/cgroup: "0::/path", or "4:memory:/path" of version 1. */
bool cgroup_memory(struct memory_limit *tightest)
{
	char path[256], line[512], *controllers, *group;
	FILE *file;

	memset(tightest, 0, sizeof(*tightest));
	snprintf(path, sizeof(path), "%s/self/cgroup", host_paths.proc);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = '\0';
		controllers++;
		if (!controllers[0])
			walk_up(group, &v2, tightest);
		else if (strstr(controllers, "memory"))
			walk_up(group, &v1, tightest);
	}
	fclose(file);
	return tightest->file[0];
}
