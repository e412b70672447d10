// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An entry of a send queue: a control segment, what the transport and the operation need, then data.
 * The layouts are those of include/linux/mlx5/qp.h.
 */
#include "layout.h"
#include "request.h"

#define SEGMENT	       16
#define ADDRESS_VECTOR 48
#define INLINE	       (1u << 31)
#define INLINE_LENGTH  0x3ffu
#define FLAG_SOLICITED 0x02
#define FLAG_SIGNALED  0x0c /* two bits: 2 is always */
#define GRH_VERSION    (6u << 28)
#define GRH_NEXT       0x1b
#define AV_HAS_GRH     (1u << 30)

bool request_read(struct qp *qp, struct request *request)
{
	uint32_t mask = (1u << qp->log_sq) - 1;

	request->index = qp->send_index;
	request->blocks = 1;
	for (unsigned int i = 0; i < request->blocks; i++) {
		uint64_t at = (uint64_t)((request->index + i) & mask) * BLOCK;

		if (!ring_read(qp->hca, &qp->ring, qp->send_offset + at, request->raw + BLOCK * i,
			       BLOCK))
			return false;
		if (i)
			continue;
		request->ds = request->raw[7] & 0x3f;
		request->blocks = request->ds ? (request->ds + 3) / 4 : 1;
	}
	request->opcode = request->raw[3];
	request->signaled = (request->raw[11] & FLAG_SIGNALED) == 0x08;
	request->solicited = request->raw[11] & FLAG_SOLICITED;
	request->immediate = get_be32(request->raw + 12);
	return true;
}

static void make_grh(const struct hca *hca, const uint8_t *av, uint8_t grh[40])
{
	uint32_t flow = get_be32(av + 28);

	put_be32(grh, GRH_VERSION | (uint32_t)av[26] << 20 | (flow & 0xfffff));
	grh[6] = GRH_NEXT;
	grh[7] = av[27];
	port_gid(hca, flow >> 20 & 0xff, grh + 8);
	memcpy(grh + 24, av + 32, 16);
}

static void parse_address(const struct qp *qp, struct request *request, const uint8_t *av)
{
	request->qkey = get_be32(av);
	if (request->qkey >> 31)
		request->qkey = field_get(qp->context, QPC_QKEY);
	request->qpn = get_be32(av + 8) & 0xffffff;
	request->lid = get_be16(av + 14);
	request->has_grh = get_be32(av + 28) & AV_HAS_GRH;
	memset(request->grh, 0, sizeof(request->grh));
	if (request->has_grh)
		make_grh(qp->hca, av, request->grh);
}

static bool parse_segments(struct request *request, uint32_t at)
{
	uint32_t end = request->ds * SEGMENT;

	request->n_segments = 0;
	request->length = 0;
	while (at < end) {
		struct segment *segment = &request->segments[request->n_segments++];
		const uint8_t *raw = request->raw + at;
		uint32_t length = get_be32(raw);

		*segment = (struct segment){.length = length & ~INLINE};
		if (length & INLINE) {
			segment->length = length & INLINE_LENGTH;
			segment->data = raw + 4;
			if (segment->length > end - at - 4)
				return false;
			at += (4 + segment->length + SEGMENT - 1) / SEGMENT * SEGMENT;
		} else {
			segment->key = get_be32(raw + 4);
			segment->address = get_be64(raw + 8);
			at += SEGMENT;
		}
		request->length += segment->length;
	}
	return true;
}

static bool is_remote(uint8_t opcode)
{
	return opcode == OP_WRITE || opcode == OP_WRITE_IMMEDIATE || opcode == OP_READ ||
	       opcode == OP_COMPARE_SWAP || opcode == OP_FETCH_ADD;
}

static bool is_atomic(uint8_t opcode)
{
	return opcode == OP_COMPARE_SWAP || opcode == OP_FETCH_ADD;
}

static bool is_allowed(enum transport transport, uint8_t opcode)
{
	switch (opcode) {
	case OP_NOP:
	case OP_CHANGE_KEY:
		return true;
	case OP_SEND:
	case OP_SEND_IMMEDIATE:
		return transport != TRANSPORT_UMR;
	case OP_WRITE:
	case OP_WRITE_IMMEDIATE:
		return transport == TRANSPORT_RC || transport == TRANSPORT_UC ||
		       transport == TRANSPORT_XRC;
	case OP_SEND_INVALIDATE:
	case OP_READ:
	case OP_COMPARE_SWAP:
	case OP_FETCH_ADD:
		return transport == TRANSPORT_RC || transport == TRANSPORT_XRC;
	}
	return false;
}

enum syndrome request_parse(const struct qp *qp, struct request *request)
{
	enum transport transport = field_get(qp->context, QPC_TRANSPORT);
	uint32_t at = SEGMENT, fixed = SEGMENT;

	if (!is_allowed(transport, request->opcode))
		return SYNDROME_LOCAL_QP;
	if (request->opcode == OP_NOP || request->opcode == OP_CHANGE_KEY)
		return SYNDROME_NONE;
	fixed += is_datagram(transport) ? ADDRESS_VECTOR : 0;
	fixed += transport == TRANSPORT_XRC ? SEGMENT : 0;
	fixed += is_remote(request->opcode) ? SEGMENT : 0;
	fixed += is_atomic(request->opcode) ? SEGMENT : 0;
	if (fixed > request->ds * SEGMENT)
		return SYNDROME_LOCAL_QP;
	request->has_grh = false;
	if (is_datagram(transport)) {
		parse_address(qp, request, request->raw + at);
		at += ADDRESS_VECTOR;
	}
	if (transport == TRANSPORT_XRC) {
		request->srqn = get_be32(request->raw + at) & 0xffffff;
		at += SEGMENT;
	}
	if (is_remote(request->opcode)) {
		request->remote_address = get_be64(request->raw + at);
		request->remote_key = get_be32(request->raw + at + 8);
		at += SEGMENT;
	}
	if (is_atomic(request->opcode)) {
		request->swap = get_be64(request->raw + at);
		request->compare = get_be64(request->raw + at + 8);
		at += SEGMENT;
	}
	if (!parse_segments(request, at))
		return SYNDROME_LOCAL_QP;
	if (request->length > 1u << HCA_LOG_MESSAGE ||
	    (is_datagram(transport) && request->length > HCA_MTU))
		return SYNDROME_LOCAL_LENGTH;
	return SYNDROME_NONE;
}
