/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Errors that explain. A call of libbypass or vmm-glue that fails returns a negative errno (or NULL,
 * with errno set) and leaves a text here.
 */
#ifndef BYPASS_ERROR_H
#define BYPASS_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * bypass_error() - explanation of the last failure in the calling thread
 *
 * Like dlerror(3), but reading the text does not clear the text. The text says what failed, why, and
 * what the user can do. It may span several lines and has no newline at its end.
 *
 * Return: a string owned by the library, valid until the next failing call in
 * this thread. Empty when nothing failed yet.
 */
const char *bypass_error(void);

/**
 * bypass_fail() - record an explanation and return the error
 * @err: a positive errno
 * @fmt: what failed, why, and what to do, as for printf(3); may use the present
 *       bypass_error() as an argument, to say more about a failure from below
 *
 * For layers above the library that report errors the same way. Sets errno too.
 *
 * Return: -@err.
 */
int bypass_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
