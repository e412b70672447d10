/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Remarks: what the user should know although nothing failed. The library makes no remark until the
 * program sets a function for them.
 */
#ifndef BYPASS_LOG_H
#define BYPASS_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

enum bypass_log_level {
	BYPASS_LOG_WARN, /* works, but not as asked or not as fast as it could */
	BYPASS_LOG_INFO, /* a step of something long */
	BYPASS_LOG_DEBUG,
};

/**
 * bypass_log_fn - takes one remark
 * @opaque: as given to bypass_log_set()
 * @level: how much it matters
 * @text: one line without a newline, valid during the call
 *
 * May be called from any thread that calls the library.
 */
typedef void bypass_log_fn(void *opaque, enum bypass_log_level level, const char *text);

/**
 * bypass_log_set() - set the function that takes remarks
 * @fn: called for each remark; NULL for silence, which is the default
 * @opaque: handed to @fn
 *
 * The function serves the whole process. Set it before other threads use the library.
 */
void bypass_log_set(bypass_log_fn *fn, void *opaque);

/**
 * bypass_log() - make a remark
 * @level: how much it matters
 * @fmt: as for printf(3), without a newline
 */
void bypass_log(enum bypass_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
