// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model's data path: QPs of each transport that are connected to each other, on which a
 * program posts any entries, with any doorbell records.
 */
#include "../unit/hca_device.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QPS 4

static void step(struct subnet *subnet, struct guest_qp *qp, struct input *in)
{
	static const uint8_t opcodes[] = {OP_NOP,	OP_SEND_INVALIDATE, OP_WRITE,
					  OP_SEND,	OP_WRITE_IMMEDIATE, OP_SEND_IMMEDIATE,
					  OP_READ,	OP_COMPARE_SWAP,    OP_FETCH_ADD,
					  OP_CHANGE_KEY};
	struct guest *g = qp->guest;
	uint8_t body[208] = {0};
	uint32_t length = take(in, 1) % (sizeof(body) / 16) * 16;

	switch (take(in, 1) % 6) {
	case 0:
	case 1:
		take_bytes(in, body, length);
		/* Keys and addresses that exist, in some of the segments */
		for (uint32_t at = 0; at + 16 <= length; at += 16)
			if (take(in, 1) % 2)
				put_data(body + at, HEAP + take(in, 3), take(in, 2), g->key);
			else if (take(in, 1) % 2)
				put_remote(body + at, HEAP + take(in, 3), g->key);
		post_send(qp, opcodes[take(in, 1) % sizeof(opcodes)], take(in, 4), body, length);
		break;
	case 2:
		post_receive(qp, HEAP + take(in, 3), take(in, 4), take(in, 1) % 4 ? g->key : 0);
		break;
	case 3:
		take_bytes(in, g->ram + qp->entries + take(in, 2) % 4096, 64);
		break;
	case 4:
		take_bytes(in, g->ram + qp->record, 8);
		ring(g, 0x800, 0, qp->number << 8);
		break;
	case 5:
		take_bytes(in, g->ram + qp->receive_cq.record + 4, 4);
		ring(g, 0x20, get_be32(g->ram + qp->receive_cq.record + 4), qp->receive_cq.number);
		break;
	}
	subnet_run(subnet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum transport transports[QPS / 2] = {TRANSPORT_RC, TRANSPORT_UD};
	static struct subnet subnet;
	static struct guest guests[2];
	struct guest_qp qps[QPS];
	struct input in = {data, size};

	for (unsigned int i = 0; i < 2; i++) {
		shared_pages = i;
		if (guests[i].slice)
			guest_start(&guests[i]);
		else
			guest_open(&guests[i], &subnet);
	}
	for (unsigned int i = 0; i < QPS; i++)
		make_qp(&guests[i % 2], transports[i / 2], &qps[i]);
	for (unsigned int i = 0; i < QPS; i++)
		connect_qp(&qps[i], &qps[i ^ 1]);
	while (in.left)
		step(&subnet, &qps[take(&in, 1) % QPS], &in);
	for (unsigned int i = 0; i < 2; i++)
		guests[i].slice->ops->reset(guests[i].slice);
	return 0;
}
