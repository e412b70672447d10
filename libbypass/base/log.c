// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Remarks of the library, for the function that the program has set.
 */
#include <stdarg.h>
#include <stdio.h>

#include <bypass/log.h>
#include <bypass/text.h>

static bypass_log_fn *log_fn;
static void *log_opaque;

void bypass_log_set(bypass_log_fn *fn, void *opaque)
{
	log_opaque = opaque;
	log_fn = fn;
}

void bypass_log(enum bypass_log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!log_fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bypass_text_clean(text);
	log_fn(log_opaque, level, text);
}
