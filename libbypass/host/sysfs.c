// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attributes of PCI functions in sysfs: read, write, follow a link. The errors distinguish a
 * function that is gone from a function without the attribute.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

struct host_paths host_paths = {
	.sys = "/sys",
	.proc = "/proc",
	.dev = "/dev",
	.ledger = "/run/bypass",
	.machine_id = "/etc/machine-id",
	.modules = "/lib/modules",
};

int pci_address(const char *text, char address[BYPASS_ADDRESS_SIZE])
{
	unsigned int domain = 0, bus, device, function;
	int end = -1;

	/* sscanf accepts blanks and signs for %x, so check the characters first. */
	if (strspn(text, "0123456789abcdefABCDEF:.") != strlen(text))
		return -EINVAL;
	sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end);
	if (end < 0) {
		domain = 0;
		sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end);
	}
	if (end < 0 || text[end] || device > 0x1f || function > 7)
		return -EINVAL;
	snprintf(address, BYPASS_ADDRESS_SIZE, "%04x:%02x:%02x.%x", domain, bus, device, function);
	return 0;
}

int bypass_address(const char *text, char address[BYPASS_ADDRESS_SIZE])
{
	if (!pci_address(text, address))
		return 0;
	return bypass_fail(EINVAL,
			   "'%s' is not a PCI address: write domain:bus:device.function, such as "
			   "0000:01:00.0; 'bypass list' shows those of this host",
			   text);
}

static void attribute_path(char *path, size_t size, const char *function, const char *attribute)
{
	snprintf(path, size, "%s/bus/pci/devices/%s/%s", host_paths.sys, function, attribute);
}

static int fail_attribute(int err, const char *function, const char *attribute, const char *what)
{
	char path[256];

	attribute_path(path, sizeof(path), function, "");
	if (access(path, F_OK))
		return bypass_fail(ENODEV,
				   "there is no PCI function %s on this host: 'bypass list --all' "
				   "shows those there are",
				   function);
	return bypass_fail(err, "cannot %s %s of %s: %s", what, attribute, function, strerror(err));
}

int host_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;
	int err;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	length = read(fd, text, size - 1);
	err = errno;
	close(fd);
	if (length < 0)
		return -err;
	text[length] = '\0';
	return length;
}

int host_read(const char *function, const char *attribute, char *value, size_t size)
{
	char path[256];
	int length;

	attribute_path(path, sizeof(path), function, attribute);
	length = host_file(path, value, size);
	if (length < 0)
		return fail_attribute(-length, function, attribute, "read");
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

int host_read_uint(const char *function, const char *attribute, unsigned int *value)
{
	char text[HOST_VALUE_SIZE];
	char *end;
	int err;

	err = host_read(function, attribute, text, sizeof(text));
	if (err)
		return err;
	*value = strtoul(text, &end, 0);
	if (end == text || *end)
		return bypass_fail(EIO, "%s of %s says '%s', which is no number", attribute,
				   function, text);
	return 0;
}

int host_file_write(const char *path, const char *value)
{
	char line[HOST_VALUE_SIZE + 1];
	int fd, length, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The kernel ignores an empty write. A newline alone writes an empty value. */
	length = snprintf(line, sizeof(line), "%s\n", value);
	if (write(fd, line, length) != length)
		err = -errno;
	close(fd);
	return err;
}

int host_write(const char *function, const char *attribute, const char *value)
{
	char path[256];
	int err;

	attribute_path(path, sizeof(path), function, attribute);
	err = host_file_write(path, value);
	return err ? fail_attribute(-err, function, attribute, "write") : 0;
}

bool host_has(const char *function, const char *attribute)
{
	char path[256];

	attribute_path(path, sizeof(path), function, attribute);
	return access(path, F_OK) == 0;
}

int host_link(const char *function, const char *link, char *value, size_t size)
{
	char path[256], target[512];
	const char *last;
	ssize_t length;

	value[0] = '\0';
	attribute_path(path, sizeof(path), function, link);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0) {
		if (errno == ENOENT && host_has(function, ""))
			return 0;
		return fail_attribute(errno, function, link, "read");
	}
	target[length] = '\0';
	last = strrchr(target, '/');
	snprintf(value, size, "%s", last ? last + 1 : target);
	return 0;
}

bool host_lies_on(const char *function, const char *class, const char *name, char *real)
{
	char path[PATH_MAX], target[PATH_MAX], part[BYPASS_ADDRESS_SIZE + 2];

	snprintf(path, sizeof(path), "%s/class/%s/%s", host_paths.sys, class, name);
	snprintf(part, sizeof(part), "/%s/", function);
	if (!realpath(path, target))
		return false;
	if (real)
		strcpy(real, target);
	return strstr(target, part);
}

int host_child(const char *function, const char *directory, char *value, size_t size)
{
	char path[256];
	struct dirent *entry;
	DIR *dir;

	value[0] = '\0';
	attribute_path(path, sizeof(path), function, directory);
	dir = opendir(path);
	if (!dir)
		return -ENOENT;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		/* Take the first name in alphabetical order: readdir() has no order. */
		if (!value[0] || strcmp(entry->d_name, value) < 0)
			snprintf(value, size, "%s", entry->d_name);
	}
	closedir(dir);
	return value[0] ? 0 : -ENOENT;
}

/*
 * Is the driver vfio-pci or one of its variants (mlx5_vfio_pci, nvgrace_gpu_vfio_pci, …)? sysfs of
 * older kernels shows nothing that they share except for this part of their names.
 */
bool driver_is_vfio(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}
