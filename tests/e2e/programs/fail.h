/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a program of the scenarios ends when something is not as it should be.
 */
#ifndef E2E_FAIL_H
#define E2E_FAIL_H

#include <stdio.h>
#include <stdlib.h>

#define fail(...)                                                                                  \
	do {                                                                                       \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fprintf(stderr, " (%m)\n");                                                        \
		exit(1);                                                                           \
	} while (0)

#endif
