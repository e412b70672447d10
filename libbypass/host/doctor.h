/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the files of the doctor: findings, and reading what they are about.
 */
#ifndef BYPASS_HOST_DOCTOR_H
#define BYPASS_HOST_DOCTOR_H

#include <bypass/doctor.h>

struct doctor {
	const struct bypass_doctor *ask;
	struct bypass_finding next; /* the finding that is being put together */
	int fails;
};

/* Set the fix of the next finding. A finding needs none. */
void fix_by_command(struct doctor *doctor, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void fix_by_setting(struct doctor *doctor, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void finding(struct doctor *doctor, enum bypass_verdict verdict, const char *about, const char *fmt,
	     ...) __attribute__((format(printf, 4, 5)));

/* Is @text one word for a shell, without quotes? A name that somebody chose may be more. */
bool is_plain_word(const char *text);

/* Reads a file below one of the host's roots. Returns its length or a negative errno. */
int read_below(const char *root, const char *name, char *text, size_t size);
/* The number in a file below one of the host's roots; 0 when there is none. */
uint64_t read_number(const char *root, const char *name);

/* doctor_memory.c, doctor_function.c: check the host's memory, and a function that exists */
void doctor_memory(struct doctor *doctor);
void doctor_function(struct doctor *doctor, const char *address);

#endif
