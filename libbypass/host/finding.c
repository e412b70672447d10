// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How a check of the doctor says what it found, and what it reads to find out.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/text.h>

#include "doctor.h"
#include "internal.h"

void finding(struct doctor *doctor, enum bypass_verdict verdict, const char *about, const char *fmt,
	     ...)
{
	struct bypass_finding *next = &doctor->next;
	va_list ap;

	next->verdict = verdict;
	snprintf(next->about, sizeof(next->about), "%s", about);
	va_start(ap, fmt);
	vsnprintf(next->text, sizeof(next->text), fmt, ap);
	va_end(ap);
	bypass_text_clean(next->text);
	doctor->fails += verdict == BYPASS_FAIL;
	doctor->ask->found(doctor->ask->opaque, next);
	memset(next, 0, sizeof(*next));
}

void fix_by_command(struct doctor *doctor, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(doctor->next.fix, sizeof(doctor->next.fix), fmt, ap);
	va_end(ap);
	doctor->next.is_command = true;
}

void fix_by_setting(struct doctor *doctor, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(doctor->next.fix, sizeof(doctor->next.fix), fmt, ap);
	va_end(ap);
	doctor->next.is_command = false;
}

bool is_plain_word(const char *text)
{
	return text[0] && text[0] != '-' &&
	       !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "._/@:-")];
}

int read_below(const char *root, const char *name, char *text, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return host_file(path, text, size);
}

uint64_t read_number(const char *root, const char *name)
{
	char text[64];

	return read_below(root, name, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}
