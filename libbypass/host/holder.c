// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Processes that have something of a function open: the function itself by way of VFIO, or a
 * device node of the host's driver.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/text.h>

#include "internal.h"

void bypass_process_name(pid_t pid, char name[BYPASS_PROCESS_NAME_SIZE])
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%d/comm", host_paths.proc, pid);
	if (host_file(path, name, BYPASS_PROCESS_NAME_SIZE) <= 0)
		strcpy(name, "?");
	name[strcspn(name, "\n")] = '\0';
	bypass_text_clean(name);
}

/* Does @match say yes to a descriptor of the process @pid? */
static bool process_has(const char *pid, bool (*match)(const char *link, const void *opaque),
			const void *opaque)
{
	char path[300], link[600];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s/fd", host_paths.proc, pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
		found = entry->d_name[0] != '.' && match(link, opaque);
	}
	closedir(dir);
	return found;
}

int holder_find(bool (*match)(const char *link, const void *opaque), const void *opaque,
		struct bypass_holder *holder)
{
	struct dirent *entry;
	int found = 0;
	DIR *dir = opendir(host_paths.proc);

	if (!dir)
		return bypass_fail(errno, "cannot list processes in %s: %s", host_paths.proc,
				   strerror(errno));
	while (!found && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !process_has(entry->d_name, match, opaque))
			continue;
		found = 1;
		holder->pid = atoi(entry->d_name);
		bypass_process_name(holder->pid, holder->name);
	}
	closedir(dir);
	return found;
}

/* The two names by which VFIO offers a function: the group's, and the function's own. */
struct vfio_names {
	char group[32];
	char device[64];
};

static bool is_vfio_node(const char *link, const void *opaque)
{
	const struct vfio_names *names = opaque;
	size_t length = strlen(host_paths.dev);
	char target[256], *name = target;
	ssize_t size;

	size = readlink(link, target, sizeof(target) - 1);
	if (size <= 0)
		return false;
	target[size] = '\0';
	if (strncmp(target, host_paths.dev, length) || strncmp(target + length, "/vfio/", 6))
		return false;
	name += length + 6;
	return (names->group[0] && !strcmp(name, names->group)) ||
	       (names->device[0] && !strcmp(name, names->device));
}

static void vfio_names_read(const char *address, struct vfio_names *names)
{
	char device[32];

	memset(names, 0, sizeof(*names));
	group_node(address, names->group, sizeof(names->group));
	if (!host_child(address, "vfio-dev", device, sizeof(device)))
		snprintf(names->device, sizeof(names->device), "devices/%s", device);
}

int bypass_function_holder(const char *text, struct bypass_holder *holder)
{
	char address[BYPASS_ADDRESS_SIZE], driver[32];
	struct vfio_names names;
	int err;

	err = bypass_address(text, address);
	if (err)
		return err;
	/* Reading all processes takes time. Only a function that a VFIO driver has can be open. */
	if (host_link(address, "driver", driver, sizeof(driver)) || !driver_is_vfio(driver))
		return 0;
	vfio_names_read(address, &names);
	return holder_find(is_vfio_node, &names, holder);
}
