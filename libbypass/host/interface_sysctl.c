// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sysctls of a network interface (Documentation/networking/ip-sysctl.rst), as sysctl(8) takes them:
 * "net/ipv4/conf/eth0/forwarding=1". A new interface gets the defaults, so only what differs from these
 * is noted.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>

#include "interface.h"

static const char *const families[] = {"ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"};

/* One line of @file below /proc/sys; false when the kernel does not tell it. */
static bool read_sysctl(const char *file, char value[HOST_VALUE_SIZE])
{
	char path[512];

	snprintf(path, sizeof(path), "%s/sys/%s", host_paths.proc, file);
	if (host_file(path, value, HOST_VALUE_SIZE) <= 0)
		return false;
	value[strcspn(value, "\n")] = '\0';
	return true;
}

static void note_sysctl(struct interface_notes *notes, const char *family, const char *name)
{
	char own[320], usual[320], value[HOST_VALUE_SIZE], other[HOST_VALUE_SIZE];
	char text[sizeof(own) + HOST_VALUE_SIZE];

	snprintf(own, sizeof(own), "net/%s/%s/%s", family, notes->interface->name, name);
	snprintf(usual, sizeof(usual), "net/%s/default/%s", family, name);
	if (!read_sysctl(own, value) || !read_sysctl(usual, other) || !strcmp(value, other))
		return;
	if (snprintf(text, sizeof(text), "%s=%s", own, value) < HOST_VALUE_SIZE)
		notes->note(notes, "sysctl", text);
}

void interface_note_sysctls(struct interface_notes *notes)
{
	char path[512];
	struct dirent *entry;
	DIR *dir;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		snprintf(path, sizeof(path), "%s/sys/net/%s/%s", host_paths.proc, families[i],
			 notes->interface->name);
		dir = opendir(path);
		while (dir && (entry = readdir(dir)))
			/* The MTU of IPv6 follows that of the link. */
			if (entry->d_name[0] != '.' && strcmp(entry->d_name, "mtu"))
				note_sysctl(notes, families[i], entry->d_name);
		if (dir)
			closedir(dir);
	}
}

int interface_write_sysctl(const struct interface *interface, const char *value)
{
	int length = strcspn(value, "="), err;
	char path[512], now[HOST_VALUE_SIZE];

	(void)interface;
	if (!value[length])
		return bypass_fail(EINVAL, "the ledger has no value for it");
	snprintf(path, sizeof(path), "%.*s", length, value);
	if (read_sysctl(path, now) && !strcmp(now, value + length + 1))
		return 0;
	snprintf(path, sizeof(path), "%s/sys/%.*s", host_paths.proc, length, value);
	err = host_file_write(path, value + length + 1);
	return err ? bypass_fail(-err, "%s", strerror(-err)) : 0;
}
