/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copying by several threads. */
#ifndef HCA_COPIERS_H
#define HCA_COPIERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define COPIERS_MAX 15

/* Bytes that lie side by side at both ends */
struct piece {
	uint8_t *to;
	const uint8_t *from;
	uint64_t size;
};

/* A guest may send to the memory that the data comes from. */
static inline void piece_copy(const struct piece *piece)
{
	memmove(piece->to, piece->from, piece->size);
}

struct copiers;

/* @threads: up to COPIERS_MAX, which sleep while there is nothing to copy */
int copiers_open(unsigned int threads, struct copiers **copiers);
void copiers_close(struct copiers *copiers); /* or NULL */
/* The caller copies too, and returns when all is done. */
void copiers_copy(struct copiers *copiers, const struct piece *pieces, unsigned int n);

#endif
