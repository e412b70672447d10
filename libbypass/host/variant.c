// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which VFIO driver a function gets. vfio-pci serves all functions. Some devices have a variant of
 * vfio-pci that knows them: the variant's module has an alias "vfio_pci:…".
 * Source: Linux Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <bypass/log.h>

#include "internal.h"

#define GENERIC_MODULE "vfio_pci"
#define GENERIC_DRIVER "vfio-pci"

/* The module of a variant for the function, from "alias vfio_pci:v…d… mlx5_vfio_pci". */
static bool find_module(const char *function, char *module, size_t size)
{
	char path[320], modalias[HOST_VALUE_SIZE], line[512], pattern[256], name[64];
	struct utsname kernel;
	bool found = false;
	FILE *file;

	if (host_read(function, "modalias", modalias, sizeof(modalias)) ||
	    strncmp(modalias, "pci:", 4) || uname(&kernel))
		return false;
	snprintf(path, sizeof(path), "%s/%s/modules.alias", host_paths.modules, kernel.release);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "alias vfio_pci:%255s %63s", pattern, name) != 2 ||
		    !strcmp(name, GENERIC_MODULE) || fnmatch(pattern, modalias + 4, 0))
			continue;
		snprintf(module, size, "%s", name);
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

/* The PCI driver of a module that is loaded. */
static bool find_driver(const char *module, char *driver, size_t size)
{
	struct dirent *entry;
	bool found = false;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/module/%s/drivers", host_paths.sys, module);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, "pci:", 4);
		if (found)
			snprintf(driver, size, "%s", entry->d_name + 4);
	}
	if (dir)
		closedir(dir);
	return found;
}

void vfio_driver(const char *function, char *driver, size_t size)
{
	char module[64];

	if (!find_module(function, module, sizeof(module)) || !find_driver(module, driver, size))
		snprintf(driver, size, GENERIC_DRIVER);
}

void vfio_driver_remark(const char *function)
{
	char module[64], driver[64];

	if (find_module(function, module, sizeof(module)) &&
	    !find_driver(module, driver, sizeof(driver)))
		bypass_log(BYPASS_LOG_WARN,
			   "the kernel has a driver made for guests' %s, %s, and it is not loaded: "
			   "vfio-pci serves as well, without what is special to the device, such "
			   "as "
			   "migration. 'modprobe %s' before carving loads it",
			   function, module, module);
}
