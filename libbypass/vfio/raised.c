// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many interrupts a device has raised, by the kernel's own count: the sum
 * of its lines in /proc/interrupts. Which lines are its own, sysfs says.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* Linux IRQ numbers, sorted. */
struct lines {
	unsigned int *number;
	unsigned int count;
};

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static void lines_add(struct lines *lines, unsigned int number)
{
	unsigned int *more = reallocarray(lines->number, lines->count + 1, sizeof(*more));

	if (!more)
		return;
	lines->number = more;
	lines->number[lines->count++] = number;
}

/* The line of INTx, from the attribute irq. */
static void lines_intx(const char *address, struct lines *lines)
{
	unsigned int number;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/irq", address);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%u", &number) == 1)
		lines_add(lines, number);
	fclose(f);
}

/* Those of MSI and MSI-X, from the names in the directory msi_irqs. */
static void lines_msi(const char *address, struct lines *lines)
{
	struct dirent *entry;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", address);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			lines_add(lines, strtoul(entry->d_name, NULL, 10));
	closedir(dir);
}

/* "  24:   17   3   IR-PCI-MSIX-0000:01:10.0   0-edge   name": the numbers after the colon. */
static uint64_t sum_line(const char *text)
{
	uint64_t sum = 0;
	char *end;

	for (;;) {
		while (isspace((unsigned char)*text))
			text++;
		if (!isdigit((unsigned char)*text))
			return sum;
		unsigned long long value = strtoull(text, &end, 10);

		/* "0-edge" is no number; no number is followed by anything but a blank. */
		if (!isspace((unsigned char)*end))
			return sum;
		sum += value;
		text = end;
	}
}

static uint64_t lines_sum(const struct lines *lines)
{
	char *text = NULL, *end;
	unsigned int number;
	uint64_t sum = 0;
	size_t size = 0;
	FILE *f;

	f = fopen("/proc/interrupts", "re");
	if (!f)
		return 0;
	while (getline(&text, &size, f) > 0) {
		number = strtoul(text, &end, 10);
		if (end == text || *end != ':')
			continue;
		if (bsearch(&number, lines->number, lines->count, sizeof(number), by_number))
			sum += sum_line(end + 1);
	}
	free(text);
	fclose(f);
	return sum;
}

uint64_t irqs_count_now(const struct bypass_vfio *device, int on)
{
	struct lines lines = {NULL, 0};
	uint64_t sum = 0;

	if (on == VFIO_PCI_INTX_IRQ_INDEX)
		lines_intx(device->address, &lines);
	else
		lines_msi(device->address, &lines);
	if (lines.count) {
		qsort(lines.number, lines.count, sizeof(*lines.number), by_number);
		sum = lines_sum(&lines);
	}
	free(lines.number);
	return sum;
}
