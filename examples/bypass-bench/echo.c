// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the device does with a request: it sends each payload back, inverted when the run checks.
 */
#include <errno.h>

#include "measure.h"
#include "server.h"

int64_t bench_echo(void *opaque, const void *request, uint32_t length, void *response,
		   uint32_t room)
{
	struct bench_echo *echo = opaque;
	const bench_word *in = request;
	bench_word *out = response;
	bool good = true;
	uint64_t number;

	if (length > room || length % 8 || !length)
		return -EINVAL;
	if (!echo->check) {
		bench_copy(response, request, length);
		return length;
	}
	number = in[0];
	for (uint32_t i = 0; i < length / 8; i++) {
		uint64_t word = i ? in[i] : number;

		good &= word == bench_pattern(number, i);
		out[i] = ~word;
	}
	echo->served++;
	echo->corrupt += !good;
	return length;
}
