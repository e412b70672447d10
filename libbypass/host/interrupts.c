// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many interrupts a function has raised. The kernel counts each interrupt line
 * (Documentation/ABI/testing/sysfs-kernel-irq), also a line that nobody handles, which
 * /proc/interrupts does not show. The function's directory in sysfs lists its lines.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* The sum over all CPUs for one line. The file has a number a CPU: "17,0,3,0". */
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

/* INTx has one line. The line stays when a driver leaves, so its count starts at the boot. */
static uint64_t count_intx(const char *address)
{
	unsigned int line;

	return host_read_uint(address, "irq", &line) ? 0 : line_count(line);
}

/* MSI and MSI-X have one line a vector. The lines exist while the interrupt type is enabled. */
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
