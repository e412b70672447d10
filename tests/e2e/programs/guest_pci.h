/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What drivers in a guest's user space share: a PCI function by its files in sysfs, guest-physical
 * addresses, and interrupts that are counted although no driver takes them.
 */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "expect.h"

#define PAGE 4096

/*
 * A vector that Linux serves and counts ("PIN:" in /proc/interrupts) although nothing uses it
 * in a guest that runs no guests: an MSI aimed at it is counted exactly, with no driver.
 */
#define SPARE_VECTOR 0xf2

static char folder[64]; /* of the function */
static int config_fd;

static inline int open_file(const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, flags);
	if (fd < 0)
		perror(path);
	expect(fd >= 0);
	return fd;
}

static inline uint16_t config16(uint32_t offset)
{
	uint16_t value;

	expect(pread(config_fd, &value, 2, offset) == 2);
	return value;
}

static inline void set_config16(uint32_t offset, uint16_t value)
{
	expect(pwrite(config_fd, &value, 2, offset) == 2);
}

static inline uint8_t find_capability(uint8_t id)
{
	uint8_t at = config16(PCI_CAPABILITY_LIST);

	while (at && (config16(at) & 0xff) != id)
		at = config16(at) >> 8;
	return at;
}

/* Where a page of ours lies in the guest's memory. */
static inline uint64_t physical(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	expect(fd >= 0);
	expect(pread(fd, &entry, 8, (uintptr_t)page / PAGE * 8) == 8);
	expect(entry >> 63);
	close(fd);
	return (entry & ((1ull << 55) - 1)) * PAGE;
}

/* Sum over all CPUs of the line of /proc/interrupts that begins with @label. */
static inline uint64_t interrupts(const char *label)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[512], *at;
	uint64_t sum = 0;

	expect(file);
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, label);
		if (!at)
			continue;
		for (at += strlen(label); *at == ' '; at++)
			;
		while (*at >= '0' && *at <= '9') {
			sum += strtoul(at, &at, 10);
			while (*at == ' ')
				at++;
		}
	}
	fclose(file);
	return sum;
}

#endif
