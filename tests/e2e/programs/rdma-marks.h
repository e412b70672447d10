/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines for whoever counts what a guest does: "mark: HOW-WORD N", with N the interrupts of the slice so
 * far. A line on standard input is the answer.
 */
#ifndef RDMA_MARKS_H
#define RDMA_MARKS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* Of a kind of queue, or of a device that has one interrupt for everything (INTx). */
static inline bool is_interrupt_of(const char *line, const char *queue)
{
	const char *name = strstr(line, "virtio");

	return name && (strstr(name, queue) || !strchr(name, '-'));
}

/* The first columns of a line are counts, one a CPU; the last is the interrupt's name. */
static inline unsigned long interrupts_of(const char *queue)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long sum = 0;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, ':'), *end;

		if (!at || !is_interrupt_of(line, queue))
			continue;
		for (unsigned long n = strtoul(at + 1, &end, 10); end != at + 1;
		     n = strtoul(at + 1, &end, 10)) {
			sum += n;
			at = end - 1;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

static inline void tell_and_wait(const char *how, const char *word, const char *queue)
{
	char line[16];

	printf("mark: %s-%s %lu\n", how, word, interrupts_of(queue));
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		fail("nobody listens");
}

#endif
