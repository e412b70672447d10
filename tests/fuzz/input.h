/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A fuzzer's input, taken piece by piece; after its end come zeroes.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

static inline void take_bytes(struct input *in, void *to, size_t size)
{
	size_t n = size < in->left ? size : in->left;

	memset(to, 0, size);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

/* A number of @bytes, eight at the most. */
static inline uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t value = 0;

	take_bytes(in, &value, bytes);
	return value;
}

#endif
