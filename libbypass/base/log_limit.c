// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Warnings that a guest can cause.
 */
#include <stdarg.h>
#include <stdio.h>

#include <bypass/log.h>

#include "log_limit.h"

void log_limited(struct log_limit *limit, const char *fmt, ...)
{
	unsigned int n = atomic_load(&limit->lines);
	char text[512];
	va_list ap;

	do {
		if (n == LOG_LIMIT)
			return;
	} while (!atomic_compare_exchange_weak(&limit->lines, &n, n + 1));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bypass_log(BYPASS_LOG_WARN, "%s%s", text,
		   n + 1 == LOG_LIMIT ? " (the last such remark)" : "");
}
