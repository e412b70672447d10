// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Data moves from the segments of one side to those of the other, a piece at a time. */
#include <string.h>

#include "request.h"

/* The next bytes of @flow, up to *@size of them. NULL with *@size 0 at the end, else a fault. */
static uint8_t *next(struct flow *flow, uint64_t *size)
{
	const struct segment *segment = flow->segments;
	uint64_t left;

	while (flow->n_segments && flow->at >= segment->length) {
		flow->at = 0;
		flow->n_segments--;
		segment = ++flow->segments;
	}
	if (!flow->n_segments) {
		*size = 0;
		return NULL;
	}
	left = segment->length - flow->at;
	if (*size > left)
		*size = left;
	if (segment->data)
		return (uint8_t *)segment->data + flow->at;
	return mkey_span(&flow->access, segment->key, segment->address + flow->at, size);
}

bool can_read(struct flow flow, uint64_t length)
{
	while (length) {
		uint64_t n = length;

		if (!next(&flow, &n))
			return false;
		flow.at += n;
		length -= n;
	}
	return true;
}

enum copy_result copy(struct flow *from, struct flow *to, uint64_t length)
{
	while (length) {
		uint64_t n = length;
		const uint8_t *source = next(from, &n);
		uint8_t *target;

		if (!source)
			return COPY_SOURCE_FAULT;
		target = next(to, &n);
		if (!target)
			return n ? COPY_TARGET_FAULT : COPY_TARGET_SHORT;
		/* A guest may send to the memory that the data comes from. */
		memmove(target, source, n);
		from->at += n;
		to->at += n;
		length -= n;
	}
	return COPIED;
}
