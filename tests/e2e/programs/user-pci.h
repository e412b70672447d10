/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A PCI device driven from user space, with no driver in between: BARs by sysfs, and memory whose
 * physical address pagemap tells. For root.
 */
#ifndef USER_PCI_H
#define USER_PCI_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fail.h"

#define PAGE  4096u
#define ARENA (2u << 20)

/* A structure in a BAR. */
struct region {
	volatile uint8_t *at;
	uint32_t length;
};

static inline int open_in(const char *path, const char *name)
{
	char full[1024];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	fd = open(full, O_RDWR | O_SYNC);
	if (fd < 0)
		fail("cannot open %s", full);
	return fd;
}

static inline struct region map_bar(const char *path, uint8_t bar, uint64_t offset, uint32_t length)
{
	size_t size = (offset % PAGE + length + PAGE - 1) / PAGE * PAGE;
	char name[16];
	uint8_t *at;
	int fd;

	snprintf(name, sizeof(name), "resource%u", bar);
	fd = open_in(path, name);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset & -(uint64_t)PAGE);
	if (at == MAP_FAILED)
		fail("cannot map BAR %u", bar);
	close(fd);
	return (struct region){at + offset % PAGE, length};
}

/* The address at which memory ends. */
static inline uint64_t find_ram_end(void)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long long end = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "System RAM"))
			end = strtoull(strchr(line, '-') + 1, NULL, 16) + 1;
	}
	if (f)
		fclose(f);
	if (!end)
		fail("/proc/iomem does not say where memory ends");
	return end;
}

/* A huge page: in one piece for the device too, at *@gpa, and never moved. */
static inline uint8_t *get_arena(uint64_t *gpa)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	uint8_t *arena;

	if (!f || fputs("1\n", f) < 0 || fclose(f))
		fail("cannot ask for a huge page");
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (arena == MAP_FAILED)
		fail("no huge page");
	arena[0] = 0;
	if (fd < 0 ||
	    pread(fd, &entry, sizeof(entry), (uintptr_t)arena / PAGE * 8) != sizeof(entry))
		fail("where in memory is the huge page?");
	close(fd);
	*gpa = (entry & ((1ull << 55) - 1)) * PAGE;
	return arena;
}

#endif
