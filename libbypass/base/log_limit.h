/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Warnings that a guest can cause. A guest can repeat what it does without end, so that the log
 * gets a bounded number of lines for each slice.
 */
#ifndef BYPASS_BASE_LOG_LIMIT_H
#define BYPASS_BASE_LOG_LIMIT_H

#include <stdatomic.h>

#define LOG_LIMIT 16

/* One for each slice, zero at first. Any thread may use it. */
struct log_limit {
	_Atomic unsigned int lines;
};

/* bypass_log() with level BYPASS_LOG_WARN, unless the log has LOG_LIMIT lines already. */
void log_limited(struct log_limit *limit, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
