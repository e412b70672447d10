/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A send request, taken apart, and the memory that a request names. */
#ifndef HCA_REQUEST_H
#define HCA_REQUEST_H

#include "hca.h"
#include "layout.h"

#define BLOCK	     64 /* bytes; a send queue counts in these */
#define MAX_SEGMENTS (HCA_SQ_ENTRY / 16)

enum opcode {
	OP_NOP = 0x00,
	OP_SEND_INVALIDATE = 0x01,
	OP_WRITE = 0x08,
	OP_WRITE_IMMEDIATE = 0x09,
	OP_SEND = 0x0a,
	OP_SEND_IMMEDIATE = 0x0b,
	OP_READ = 0x10,
	OP_COMPARE_SWAP = 0x11,
	OP_FETCH_ADD = 0x12,
	OP_CHANGE_KEY = 0x25,
};

/* @data: the bytes themselves (inline), else @key and @address say where they lie. */
struct segment {
	const uint8_t *data;
	uint64_t address;
	uint32_t key;
	uint32_t length;
};

struct request {
	uint8_t raw[HCA_SQ_ENTRY];
	uint16_t index;
	uint8_t opcode;
	uint8_t ds; /* length in 16 bytes */
	uint8_t blocks;
	bool signaled;
	bool solicited;
	uint32_t immediate; /* as it stands in the request, or a key */

	uint32_t srqn; /* XRC */
	uint64_t remote_address;
	uint32_t remote_key;
	uint64_t swap, compare; /* fetch and add: @swap is added */

	/* UD */
	uint32_t qpn;
	uint32_t qkey;
	uint16_t lid;
	bool has_grh;
	uint8_t grh[40]; /* zeroes without one */

	struct segment segments[MAX_SEGMENTS];
	unsigned int n_segments;
	uint64_t length; /* bytes in all segments */
};

/* False: the entry cannot be read. */
bool request_read(struct qp *qp, struct request *request);
/* What the request says, all of it checked against the entry's own length */
enum syndrome request_parse(const struct qp *qp, struct request *request);

static inline bool is_datagram(enum transport transport)
{
	return transport == TRANSPORT_UD || transport == TRANSPORT_QP0 ||
	       transport == TRANSPORT_QP1;
}

static inline bool is_xrc(const struct qp *qp)
{
	return field_get(qp->context, QPC_TRANSPORT) == TRANSPORT_XRC;
}

/* copy.c: a walk through segments */
struct flow {
	struct access access;
	const struct segment *segments;
	unsigned int n_segments;
	uint64_t at; /* bytes of the first segment that are done */
};

enum copy_result { COPIED, COPY_SOURCE_FAULT, COPY_TARGET_FAULT, COPY_TARGET_SHORT };

/* Whether all of @length can be read */
bool can_read(struct flow flow, uint64_t length);
enum copy_result copy(struct flow *from, struct flow *to, uint64_t length);

#endif
