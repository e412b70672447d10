// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Data moves from the segments of one side to those of the other, a piece at a time. */
#include "copiers.h"
#include "request.h"

#define SHARED_MIN (256u << 10) /* a message below is copied sooner than a thread wakes */
#define PIECE_MAX  (64u << 10)
#define BATCH	   512

/* Pieces that several threads copy; without these threads a piece is copied at once. */
struct batch {
	struct copiers *copiers;
	unsigned int n;
	struct piece pieces[BATCH];
};

/* Programs wait for the last byte of a message: nothing is copied after that byte. */
static void batch_end(struct batch *batch)
{
	if (!batch->n)
		return;
	copiers_copy(batch->copiers, batch->pieces, batch->n - 1);
	piece_copy(&batch->pieces[batch->n - 1]);
	batch->n = 0;
}

static void batch_add(struct batch *batch, struct piece piece)
{
	if (!batch->copiers) {
		piece_copy(&piece);
		return;
	}
	while (piece.size) {
		uint64_t n = piece.size < PIECE_MAX ? piece.size : PIECE_MAX;

		if (batch->n == BATCH)
			batch_end(batch);
		batch->pieces[batch->n++] = (struct piece){piece.to, piece.from, n};
		piece.to += n;
		piece.from += n;
		piece.size -= n;
	}
}

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

static enum copy_result copy_batch(struct batch *batch, struct flow *from, struct flow *to,
				   uint64_t length)
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
		batch_add(batch, (struct piece){target, source, n});
		from->at += n;
		to->at += n;
		length -= n;
	}
	return COPIED;
}

enum copy_result copy(struct flow *from, struct flow *to, uint64_t length)
{
	enum copy_result result;
	struct batch batch;

	batch.copiers = length < SHARED_MIN ? NULL : to->access.hca->subnet->copiers;
	batch.n = 0;
	result = copy_batch(&batch, from, to, length);
	batch_end(&batch);
	return result;
}
