/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A host made of plain files below a temporary directory, for tests of host/.
 */
#ifndef HOST_TREE_H
#define HOST_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <bypass/error.h>

#include "../../libbypass/host/internal.h"

static char tree[64];
static char tree_path[6][128];

/* Path of something in the tree; valid until the sixth call after this one. */
static inline char *in_tree(const char *fmt, ...)
{
	static int turn;
	char *path = tree_path[turn++ % 6];
	int length = snprintf(path, sizeof(tree_path[0]), "%s/", tree);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + length, sizeof(tree_path[0]) - length, fmt, ap);
	va_end(ap);
	return path;
}

static inline void make_directories(const char *path)
{
	char part[256];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(part, 0755);
		*slash = '/';
	}
	mkdir(part, 0755);
}

static inline void put_file(const char *path, const char *text)
{
	char parent[256];
	FILE *file;

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	make_directories(parent);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void put_link(const char *path, const char *target)
{
	char parent[256];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	make_directories(parent);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static inline void get_file(const char *path, char *text, size_t size)
{
	assert_true(host_file(path, text, size) >= 0);
	text[strcspn(text, "\n")] = '\0';
}

static inline char *device_path(const char *address, const char *attribute)
{
	return in_tree("sys/bus/pci/devices/%s/%s", address, attribute);
}

/* A function as the kernel would show it; @driver and @group may be missing: NULL, -1. */
static inline void put_function(const char *address, const char *vendor_device, const char *class,
				const char *driver, int group)
{
	char vendor[8] = "", device[8] = "";

	sscanf(vendor_device, "%7[^:]:%7s", vendor, device);
	put_file(device_path(address, "vendor"), in_tree("")); /* makes the directory */
	put_file(device_path(address, "vendor"), vendor);
	put_file(device_path(address, "device"), device);
	put_file(device_path(address, "class"), class);
	put_file(device_path(address, "irq"), "0\n");
	put_file(device_path(address, "numa_node"), "-1\n");
	put_file(device_path(address, "driver_override"), "(null)\n");
	put_file(device_path(address, "resource"),
		 "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x00000000fe020000 0x00000000fe023fff 0x0000000000040200\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	if (driver)
		put_link(device_path(address, "driver"), in_tree("sys/bus/pci/drivers/%s", driver));
	if (group < 0)
		return;
	put_link(device_path(address, "iommu_group"), in_tree("sys/kernel/iommu_groups/%d", group));
	put_file(in_tree("sys/kernel/iommu_groups/%d/devices/%s", group, address), "");
}

static inline int tree_setup(void **state)
{
	(void)state;
	strcpy(tree, "/tmp/bypass-host-XXXXXX");
	assert_non_null(mkdtemp(tree));
	make_directories(in_tree("sys/bus/pci/devices"));
	make_directories(in_tree("sys/bus/pci/drivers/vfio-pci"));
	make_directories(in_tree("proc/self"));
	put_file(in_tree("proc/self/mountinfo"), "");
	host_paths.sys = strdup(in_tree("sys"));
	host_paths.proc = strdup(in_tree("proc"));
	host_paths.dev = strdup(in_tree("dev"));
	host_paths.ledger = strdup(in_tree("ledger"));
	host_paths.modules = strdup(in_tree("modules"));
	host_paths.machine_id = strdup(in_tree("machine-id"));
	return 0;
}

static inline int remove_all(const char *path)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static inline int tree_teardown(void **state)
{
	(void)state;
	free((void *)host_paths.sys);
	free((void *)host_paths.proc);
	free((void *)host_paths.dev);
	free((void *)host_paths.ledger);
	free((void *)host_paths.machine_id);
	free((void *)host_paths.modules);
	return remove_all(tree);
}

#define in_host_tree(test) cmocka_unit_test_setup_teardown(test, tree_setup, tree_teardown)

#define assert_says(text) assert_non_null(strstr(bypass_error(), text))

#endif
