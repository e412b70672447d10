/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why the kernel would not pin memory, in words. For all folders of the library.
 */
#ifndef BYPASS_BASE_MEMLOCK_H
#define BYPASS_BASE_MEMLOCK_H

#include <stdint.h>

/**
 * memlock_fail() - explain an ENOMEM of a call that pins memory
 * @bytes: what this call and the calls that must follow pin
 *
 * The text tells the limit on locked memory from a real lack of memory, and says how to raise
 * the limit.
 *
 * Return: -ENOMEM.
 */
int memlock_fail(uint64_t bytes);

#endif
