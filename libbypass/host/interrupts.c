// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many interrupts a device has raised: the kernel's own count of its lines
 * (Documentation/ABI/testing/sysfs-kernel-irq; what /proc/interrupts shows, and
 * there also while nobody handles the line). Which lines are its own, its
 * directory in sysfs says.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* What all CPUs have counted on one line: "17,0,3,0". */
static uint64_t line_count(unsigned long line)
{
	unsigned long long value;
	uint64_t sum = 0;
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/kernel/irq/%lu/per_cpu_count", host_paths.sys, line);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fscanf(f, "%llu", &value) == 1) {
		sum += value;
		if (getc(f) != ',')
			break;
	}
	fclose(f);
	return sum;
}

/* INTx has one line. It outlives whoever used it, and may have counted before. */
static uint64_t count_intx(const char *address)
{
	unsigned int line;

	return host_read_uint(address, "irq", &line) ? 0 : line_count(line);
}

/* MSI and MSI-X have a line a vector, which are there as long as the type is on. */
static uint64_t count_msi(const char *address)
{
	struct dirent *entry;
	uint64_t sum = 0;
	char path[256];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/msi_irqs", host_paths.sys, address);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			sum += line_count(strtoul(entry->d_name, NULL, 10));
	closedir(dir);
	return sum;
}

uint64_t bypass_function_interrupts(const char *text, bool intx)
{
	char address[BYPASS_ADDRESS_SIZE];

	if (bypass_address(text, address))
		return 0;
	return intx ? count_intx(address) : count_msi(address);
}
