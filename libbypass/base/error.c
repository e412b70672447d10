// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The text of each thread's last error.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/text.h>

static _Thread_local char last_error[2048];

const char *bypass_error(void)
{
	return last_error;
}

int bypass_fail(int err, const char *fmt, ...)
{
	/* The arguments may point into last_error: format beside it, then copy. */
	char text[sizeof(last_error)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bypass_text_clean(text);
	memcpy(last_error, text, strlen(text) + 1);
	errno = err;
	return -err;
}
