// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Is a function in use? The one place that answers: for carving, releasing, running and the doctor.
 * The table in bypass(7) names all that counts as use.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bypass/error.h>

#include "internal.h"

#define MOST_NODES 64
#define MOST_LEVELS                                                                                \
	12 /* of directories below a function's: a keyboard's at a USB hub is the ninth */

/* Character devices that the function's driver offers. */
struct nodes {
	dev_t node[MOST_NODES];
	unsigned int count;
};

static void add_node(struct nodes *nodes, const char *directory)
{
	unsigned int major, minor;
	char path[1024], number[32];
	struct stat st;

	/* Disks are looked at by themselves: a program may read them and not be in the way. */
	snprintf(path, sizeof(path), "%s/queue", directory);
	if (!stat(path, &st))
		return;
	snprintf(path, sizeof(path), "%s/partition", directory);
	if (!stat(path, &st))
		return;
	snprintf(path, sizeof(path), "%s/dev", directory);
	if (nodes->count < MOST_NODES && host_file(path, number, sizeof(number)) > 0 &&
	    sscanf(number, "%u:%u", &major, &minor) == 2)
		nodes->node[nodes->count++] = makedev(major, minor);
}

/* All nodes of devices below @directory, without those of PCI functions behind a bridge. */
static void find_nodes(struct nodes *nodes, const char *directory, int level)
{
	char path[1024], address[BYPASS_ADDRESS_SIZE];
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(directory);

	add_node(nodes, directory);
	while (dir && level < MOST_LEVELS && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !pci_address(entry->d_name, address))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (!lstat(path, &st) && S_ISDIR(st.st_mode))
			find_nodes(nodes, path, level + 1);
	}
	if (dir)
		closedir(dir);
}

static bool is_node(const char *link, const void *opaque)
{
	const struct nodes *nodes = opaque;
	struct stat st;

	if (stat(link, &st) || !S_ISCHR(st.st_mode))
		return false;
	for (unsigned int i = 0; i < nodes->count; i++)
		if (nodes->node[i] == st.st_rdev)
			return true;
	return false;
}

/* A program that has the function itself open, or a device that the host's driver makes of it. */
static int check_programs(const char *address)
{
	struct bypass_holder holder;
	struct nodes nodes = {0};
	char path[256];
	int found;

	found = bypass_function_holder(address, &holder);
	if (!found) {
		snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/", host_paths.sys, address);
		find_nodes(&nodes, path, 0);
		if (nodes.count)
			found = holder_find(is_node, &nodes, &holder);
	}
	if (found <= 0)
		return found;
	return bypass_fail(EBUSY, "%s is in use by process %d (%s): end that first", address,
			   holder.pid, holder.name);
}

int bypass_function_burden(const char *text)
{
	char address[BYPASS_ADDRESS_SIZE];
	int err;

	err = bypass_address(text, address);
	if (!err && !host_has(address, ""))
		err = bypass_fail(ENODEV, "there is no PCI function %s on this host", address);
	if (!err)
		err = check_programs(address);
	if (!err)
		err = burden_disks(address);
	return err ? err : burden_net(address);
}
