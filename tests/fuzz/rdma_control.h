/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Control requests of a hostile guest, on an HCA that is not there but insists that it is
 * given only handles that it gave out, and an rdma_cm likewise. After each input the slice is
 * reset, and nothing may be left.
 *
 * The input is a row of steps: a command, options, and bytes for the body. Most steps are
 * well-formed messages with arbitrary content, so that the handlers are reached; some are
 * not. The first page of RAM is filled from the input too: registrations find their lists
 * of runs there. Where queues are memory of the process, some requests describe
 * theirs rightly.
 */
#ifndef TESTS_FUZZ_RDMA_CONTROL_H
#define TESTS_FUZZ_RDMA_CONTROL_H

#include "../mock_ucma.h"
#include "../rdma_guest.h"
#include "input.h"

#define RAM (64 * GUEST_PAGE)

/* Length of the bodies, as the ABI has it: so that most requests are of the right length. */
static const uint16_t bodies[] = {
	[BYPASS_RDMA_QUERY_PORT] = 8,	    [BYPASS_RDMA_QUERY_GIDS] = 8,
	[BYPASS_RDMA_QUERY_PKEYS] = 8,	    [BYPASS_RDMA_SET_DOORBELL] = 16,
	[BYPASS_RDMA_DEALLOC_UCONTEXT] = 8, [BYPASS_RDMA_RELEASE_MMAP] = 16,
	[BYPASS_RDMA_DEALLOC_PD] = 8,	    [BYPASS_RDMA_REG_MR] = 40,
	[BYPASS_RDMA_REREG_MR] = 48,	    [BYPASS_RDMA_DEREG_MR] = 8,
	[BYPASS_RDMA_ALLOC_MW] = 8,	    [BYPASS_RDMA_DEALLOC_MW] = 8,
	[BYPASS_RDMA_CREATE_CQ] = 16,	    [BYPASS_RDMA_RESIZE_CQ] = 8,
	[BYPASS_RDMA_DESTROY_CQ] = 8,	    [BYPASS_RDMA_CREATE_SRQ] = 16,
	[BYPASS_RDMA_MODIFY_SRQ] = 16,	    [BYPASS_RDMA_QUERY_SRQ] = 8,
	[BYPASS_RDMA_DESTROY_SRQ] = 8,	    [BYPASS_RDMA_CREATE_QP] = 48,
	[BYPASS_RDMA_MODIFY_QP] = 120,	    [BYPASS_RDMA_QUERY_QP] = 8,
	[BYPASS_RDMA_DESTROY_QP] = 8,	    [BYPASS_RDMA_CREATE_XSRQ] = 24,
	[BYPASS_RDMA_DEALLOC_XRCD] = 8,	    [BYPASS_RDMA_CREATE_AH] = 40,
	[BYPASS_RDMA_DESTROY_AH] = 8,	    [BYPASS_RDMA_ATTACH_MCAST] = 24,
	[BYPASS_RDMA_DETACH_MCAST] = 24,    [BYPASS_RDMA_CM_CREATE_ID] = 8,
	[BYPASS_RDMA_CM_DESTROY_ID] = 8,    [BYPASS_RDMA_CM_BIND] = 32,
	[BYPASS_RDMA_CM_RESOLVE_ADDR] = 56, [BYPASS_RDMA_CM_RESOLVE_ROUTE] = 8,
	[BYPASS_RDMA_CM_QUERY_ROUTE] = 8,   [BYPASS_RDMA_CM_LISTEN] = 8,
	[BYPASS_RDMA_CM_CONNECT] = 288,	    [BYPASS_RDMA_CM_ACCEPT] = 288,
	[BYPASS_RDMA_CM_REJECT] = 264,	    [BYPASS_RDMA_CM_DISCONNECT] = 8,
	[BYPASS_RDMA_CM_INIT_QP_ATTR] = 8,  [BYPASS_RDMA_CM_NOTIFY] = 8,
	[BYPASS_RDMA_CM_SET_OPTION] = 16,   [BYPASS_RDMA_CM_JOIN] = 32,
	[BYPASS_RDMA_CM_LEAVE] = 8,	    [BYPASS_RDMA_QUERY_COUNTERS] = 8,
	[BYPASS_RDMA_SET_OWNER] = 8,
};

/* Second page of RAM: the list of one run, from the third page on. */
#define LIST GUEST_PAGE

/*
 * Describe the queue of a request of @size bytes as its blob has it. Returns the request's new
 * size, or the old one where the blob names no queue.
 */
static uint32_t describe(struct rdma_slice *s, struct guest *guest, uint32_t command, uint32_t size)
{
	const struct bypass_rdma_request *request = (const void *)s->command->request;
	uint8_t *body = s->command->request + sizeof(*request), *blob = body + bodies[command];
	uint8_t copy[64] __attribute__((aligned(8))) = {0};
	struct rdma_queue_shape shape = {0};
	struct rdma_user_queue user;
	struct bypass_rdma_queue_memory memory;
	struct bypass_rdma_run run = {.gpa = 2 * GUEST_PAGE};
	const uint64_t list = LIST;

	memcpy(copy, blob, request->udata_in < sizeof(copy) ? request->udata_in : sizeof(copy));
	if (command == BYPASS_RDMA_CREATE_CQ)
		memcpy(&shape.entries, body, 4);
	else
		memcpy(&shape, body + 4, sizeof(shape));
	if (s->dialect->user_queues->find(command, copy, &shape, &user))
		return size;
	run.size = ((user.buffer % GUEST_PAGE) + user.size + GUEST_PAGE - 1) &
		   -(uint64_t)GUEST_PAGE;
	memcpy(guest->ram + LIST, &run, sizeof(run));
	memory = (struct bypass_rdma_queue_memory){
		.size = user.size,
		.record = user.has_record ? 2 * GUEST_PAGE : 0,
		.run_pages = !!user.size,
		.last_runs = !!user.size,
	};
	memcpy(s->command->request + size, &memory, sizeof(memory));
	size += sizeof(memory);
	if (!user.size)
		return size;
	memcpy(s->command->request + size, &list, sizeof(list));
	return size + sizeof(list);
}

static bool has_queue(uint32_t command)
{
	return command == BYPASS_RDMA_CREATE_CQ || command == BYPASS_RDMA_RESIZE_CQ ||
	       command == BYPASS_RDMA_CREATE_SRQ || command == BYPASS_RDMA_CREATE_XSRQ ||
	       command == BYPASS_RDMA_CREATE_QP;
}

/* An event of an id or a group, of whatever kind. */
static void report(uint8_t choice, uint8_t type)
{
	uint32_t id = choice % MOCK_IDS;

	if (!mock_cm.ids[id].live || mock_cm.count == MOCK_EVENTS)
		return;
	mock_cm_event(mock_cm.ids[id].group ? 12 + type % 2 : type % 16, id, type);
}

static void step(struct rdma_slice *s, struct guest *guest, struct input *in)
{
	static uint8_t response[BYPASS_RDMA_RESPONSE_MAX];
	uint8_t command = take(in, 1), options = take(in, 1);
	struct bypass_rdma_request request = {
		.command = command,
		.ucontext = options & 1 ? (options >> 1) % 4 : BYPASS_RDMA_NONE,
		.udata_out = options & 2 ? 64 : take(in, 1),
		.udata_in = options & 4 ? (s->dialect->user_queues ? 56 : 8) : 0,
	};
	uint32_t size = sizeof(request) + request.udata_in, room = BYPASS_RDMA_RESPONSE_MAX, n;
	struct bypass_rdma_response header;

	if (command < sizeof(bodies) / sizeof(bodies[0]))
		size += bodies[command];
	if (command == BYPASS_RDMA_REG_MR || command == BYPASS_RDMA_REREG_MR)
		size += 8 * (options >> 5);
	if (options == 255) {
		take_bytes(in, &size, 2);
		take_bytes(in, &room, 2);
		size %= BYPASS_RDMA_REQUEST_MAX;
		room &= 0xffff;
		take_bytes(in, &request, sizeof(request));
	}
	memcpy(s->command->request, &request, sizeof(request));
	take_bytes(in, s->command->request + sizeof(request),
		   size > sizeof(request) ? size - sizeof(request) : 0);
	if (s->dialect->user_queues && has_queue(command) && options & 32 && options != 255)
		size = describe(s, guest, command, size);
	if (command == BYPASS_RDMA_CM_GET_EVENT)
		report(options, in->left);
	mock_cm.fail = command >= BYPASS_RDMA_CM_CREATE_ID && (options & 24) == 24 ? EINVAL : 0;
	mock.fail = options & 8 && options & 16 ? ENOMEM : 0;
	n = rdma_control_execute(s, s->command, size, response, room);
	mock.fail = mock_cm.fail = 0;
	if (n > room || (n && n < sizeof(header)))
		abort();
	memcpy(&header, response, sizeof(header));
	if (n && header.status && n != sizeof(header))
		abort();
	if (n && !header.status && header.udata_out > request.udata_out)
		abort();
}

/* @text: the options of the slice, which is returned. @fixed: its carrier maps windows once. */
static inline struct rdma_slice *fuzz_control(const char *text, bool fixed, const uint8_t *data,
					      size_t size)
{
	struct input in = {data, size};
	static struct guest guest;
	static struct bypass_virtio_device *dev;
	static unsigned int untouched; /* objects of the slice itself */
	struct rdma_slice *s;
	struct bypass_rdma_stats stats;

	if (!dev) {
		guest_init(&guest, RAM);
		mock_cm_open();
		dev = mock_open_for(text, fixed);
		if (!dev || dev->ops->set_memory(dev, guest.mem) ||
		    dev->ops->accept(dev, dev->features))
			abort();
		untouched = mock_objects();
	}
	s = rdma_slice(dev);
	s->features = dev->features;
	take_bytes(&in, guest.ram, GUEST_PAGE < in.left / 2 ? GUEST_PAGE : in.left / 2);
	while (in.left)
		step(s, &guest, &in);

	dev->ops->reset(dev);
	bypass_rdma_stats(dev, &stats);
	if (mock_objects() != untouched || mock_cm_ids() || stats.objects || stats.pinned_bytes ||
	    stats.shm_bytes || s->mcasts)
		abort();
	mock.next_offset = MOCK_QUEUE;
	return s;
}

#endif
