/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What programs of the scenarios are written with: each expectation that does not
 * hold ends the program with what was expected and what the library said.
 */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#define expect(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: %s: does not hold (%s)\n", __FILE__, __LINE__, #condition,  \
			       bypass_error());                                                    \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* @call fails with @err, and its explanation has @text in it. */
#define expect_error(call, err, text)                                                              \
	do {                                                                                       \
		int result_ = (call);                                                              \
		if (result_ != -(err) || !strstr(bypass_error(), text)) {                          \
			printf("%s:%d: %s: %d, not %d, '%s' has no '%s'\n", __FILE__, __LINE__,    \
			       #call, result_, -(err), bypass_error(), text);                      \
			exit(1);                                                                   \
		}                                                                                  \
		printf("%s\n", bypass_error());                                                    \
	} while (0)

#endif
