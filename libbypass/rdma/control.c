// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The control queue: requests are copied out of guest memory once, checked, executed,
 * and answered.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

#define RESERVED_MAX 4

/* What a command's messages look like. */
struct shape {
	rdma_handler *handler;
	const char *name;
	uint16_t body;
	uint16_t reply;
	bool maps;  /* may return mappings */
	bool runs;  /* has a list of run pages … */
	bool queue; /* … or one behind a description, where queues are memory of a process */
	bool peers; /* a peer may send as soon as the command is done */
	struct {
		uint16_t at;
		uint16_t size;
	} reserved[RESERVED_MAX]; /* fields of the body that have to be 0 */
};

#define SIZE(type) sizeof(struct bypass_rdma_##type)
#define HANDLE	   SIZE(handle)
#define FIELD(type, name)                                                                          \
	{                                                                                          \
		offsetof(struct bypass_rdma_##type, name),                                         \
			sizeof(((struct bypass_rdma_##type *)0)->name)                             \
	}
#define RESERVED(...) .reserved = {__VA_ARGS__}
#define IN_HANDLE     RESERVED(FIELD(handle, reserved))
#define IN_PORT	      RESERVED(FIELD(port_query, reserved))
#define COMMAND(code, does, size, answer, ...)                                                     \
	[BYPASS_RDMA_##code] = {                                                                   \
		.handler = rdma_##does, .name = #code, .body = size, .reply = answer, __VA_ARGS__}

static const struct shape shapes[] = {
	COMMAND(QUERY_DEVICE, query_device, 0, SIZE(device), 0),
	COMMAND(QUERY_PORT, query_port, SIZE(port_query), SIZE(port), IN_PORT),
	COMMAND(QUERY_GIDS, query_gids, SIZE(port_query), SIZE(gids), IN_PORT),
	COMMAND(QUERY_PKEYS, query_pkeys, SIZE(port_query), SIZE(pkeys), IN_PORT),
	COMMAND(QUERY_COUNTERS, query_counters, SIZE(port_query), SIZE(counters), IN_PORT),
	COMMAND(QUERY_CLOCK, query_clock, 0, SIZE(clock), 0),
	COMMAND(SET_DOORBELL, set_doorbell, SIZE(set_doorbell), 0, 0),
	COMMAND(SET_OWNER, set_owner, SIZE(set_owner), 0, 0),
	COMMAND(ALLOC_UCONTEXT, alloc_ucontext, 0, HANDLE, .maps = true),
	COMMAND(DEALLOC_UCONTEXT, dealloc_ucontext, HANDLE, 0, IN_HANDLE),
	COMMAND(RELEASE_MMAP, release_mmap, SIZE(release_mmap), 0, 0),
	COMMAND(ALLOC_PD, alloc_pd, 0, HANDLE, 0),
	COMMAND(DEALLOC_PD, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(REG_MR, reg_mr, SIZE(reg_mr), SIZE(mr), .runs = true,
		RESERVED(FIELD(reg_mr, reserved))),
	COMMAND(REREG_MR, rereg_mr, SIZE(rereg_mr), SIZE(mr), .runs = true,
		RESERVED(FIELD(rereg_mr, reg.reserved))),
	COMMAND(DEREG_MR, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(ALLOC_MW, alloc_mw, SIZE(alloc_mw), SIZE(mr), 0),
	COMMAND(DEALLOC_MW, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(ALLOC_XRCD, alloc_xrcd, 0, HANDLE, 0),
	COMMAND(DEALLOC_XRCD, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(CREATE_CQ, create_cq, SIZE(create_cq), SIZE(cq), .maps = true, .queue = true,
		RESERVED(FIELD(create_cq, reserved))),
	COMMAND(RESIZE_CQ, resize_cq, SIZE(resize_cq), SIZE(cq), .maps = true, .queue = true),
	COMMAND(DESTROY_CQ, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(CREATE_SRQ, create_srq, SIZE(create_srq), SIZE(srq), .maps = true, .queue = true),
	COMMAND(CREATE_XSRQ, create_xsrq, SIZE(create_xsrq), SIZE(xsrq), .maps = true,
		.queue = true),
	COMMAND(MODIFY_SRQ, modify_srq, SIZE(modify_srq), 0, .maps = true),
	COMMAND(QUERY_SRQ, query_srq, HANDLE, SIZE(srq), IN_HANDLE),
	COMMAND(DESTROY_SRQ, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(CREATE_QP, create_qp, SIZE(create_qp), SIZE(qp), .maps = true, .queue = true),
	COMMAND(MODIFY_QP, modify_qp, SIZE(modify_qp), 0, .peers = true,
		RESERVED(FIELD(modify_qp, attr.ah.reserved), FIELD(modify_qp, attr.alt_ah.reserved),
			 FIELD(modify_qp, attr.reserved), FIELD(modify_qp, attr.reserved2))),
	COMMAND(QUERY_QP, query_qp, SIZE(query_qp), SIZE(qp_state), 0),
	COMMAND(DESTROY_QP, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(CREATE_AH, create_ah, SIZE(create_ah), HANDLE,
		RESERVED(FIELD(create_ah, reserved), FIELD(create_ah, attr.reserved))),
	COMMAND(DESTROY_AH, destroy, HANDLE, 0, IN_HANDLE),
	COMMAND(ATTACH_MCAST, attach_mcast, SIZE(mcast), 0, .peers = true),
	COMMAND(DETACH_MCAST, detach_mcast, SIZE(mcast), 0, 0),
	COMMAND(CM_CREATE_ID, cm_create_id, SIZE(cm_create_id), HANDLE,
		RESERVED(FIELD(cm_create_id, reserved))),
	COMMAND(CM_DESTROY_ID, cm_destroy_id, HANDLE, 0, IN_HANDLE),
	COMMAND(CM_BIND, cm_bind, SIZE(cm_bind), 0,
		RESERVED(FIELD(cm_bind, reserved), FIELD(cm_bind, addr.reserved))),
	COMMAND(CM_RESOLVE_ADDR, cm_resolve_addr, SIZE(cm_resolve_addr), 0,
		RESERVED(FIELD(cm_resolve_addr, src.reserved),
			 FIELD(cm_resolve_addr, dst.reserved))),
	COMMAND(CM_RESOLVE_ROUTE, cm_resolve_route, SIZE(cm_resolve_route), 0, 0),
	COMMAND(CM_QUERY_ROUTE, cm_query_route, HANDLE, SIZE(cm_route), IN_HANDLE),
	COMMAND(CM_LISTEN, cm_listen, SIZE(cm_listen), 0, 0),
	COMMAND(CM_CONNECT, cm_connect, SIZE(cm_connect), 0, .peers = true,
		RESERVED(FIELD(cm_connect, conn.reserved))),
	COMMAND(CM_ACCEPT, cm_accept, SIZE(cm_connect), 0, .peers = true,
		RESERVED(FIELD(cm_connect, conn.reserved))),
	COMMAND(CM_REJECT, cm_reject, SIZE(cm_reject), 0, RESERVED(FIELD(cm_reject, reserved))),
	COMMAND(CM_DISCONNECT, cm_disconnect, HANDLE, 0, IN_HANDLE),
	COMMAND(CM_INIT_QP_ATTR, cm_init_qp_attr, SIZE(cm_init_qp), SIZE(modify_qp), 0),
	COMMAND(CM_NOTIFY, cm_notify, SIZE(cm_notify), 0, 0),
	COMMAND(CM_SET_OPTION, cm_set_option, SIZE(cm_option), 0,
		RESERVED(FIELD(cm_option, reserved))),
	COMMAND(CM_GET_EVENT, cm_get_event, 0, SIZE(cm_event), 0),
	COMMAND(CM_JOIN, cm_join, SIZE(cm_join), HANDLE, RESERVED(FIELD(cm_join, addr.reserved))),
	COMMAND(CM_LEAVE, cm_leave, HANDLE, 0, IN_HANDLE),
};

static const struct shape *find_shape(uint32_t code)
{
	if (code < sizeof(shapes) / sizeof(shapes[0]) && shapes[code].handler)
		return &shapes[code];
	return NULL;
}

static uint32_t to_status(const struct rdma_slice *s, int err)
{
	/* The guest answers NO_DEVICE with a reset, which it must not before its shared memory region is empty. */
	if (err == -ENODEV && s->hca_state == RDMA_HCA_WORKS)
		return BYPASS_RDMA_E_IO;
	switch (-err) {
	case 0:
		return BYPASS_RDMA_OK;
#define STATUS_CASE(name, number, status)                                                          \
	case number:                                                                               \
		return status;
		BYPASS_RDMA_STATUSES(STATUS_CASE)
#undef STATUS_CASE
	case EACCES:
		return BYPASS_RDMA_E_PERMISSION;
	case ENOSYS:
	case EPROTONOSUPPORT:
		return BYPASS_RDMA_E_UNSUPPORTED;
	default:
		return BYPASS_RDMA_E_IO;
	}
}

/* May anything follow the blob of such a request? */
static bool has_tail(const struct rdma_slice *s, const struct shape *shape)
{
	return shape->runs || (shape->queue && s->dialect->user_queues);
}

static int check_reserved(const struct shape *shape, const uint8_t *body)
{
	for (int i = 0; i < RESERVED_MAX; i++) {
		for (int byte = 0; byte < shape->reserved[i].size; byte++) {
			if (body[shape->reserved[i].at + byte])
				return bypass_fail(EPROTO, "reserved byte %d of %s is not 0",
						   shape->reserved[i].at + byte, shape->name);
		}
	}
	return 0;
}

/* Take the request apart; everything is checked but the meaning of the body. */
static int parse(struct rdma_slice *s, struct rdma_command *c, uint32_t size, uint32_t room,
		 const struct shape **shape)
{
	const struct bypass_rdma_request *request = (const void *)c->request;
	uint32_t fixed, needed, blob;

	if (size < sizeof(*request))
		return bypass_fail(EPROTO, "a request has %u bytes: its header alone has %zu", size,
				   sizeof(*request));
	c->code = le32toh(request->command);
	c->ucontext = le32toh(request->ucontext);
	c->udata_in_size = le32toh(request->udata_in);
	c->udata_room = le32toh(request->udata_out);
	c->n_mmaps = c->udata_out_size = 0;
	c->udata_at = BYPASS_RDMA_NONE;

	*shape = find_shape(c->code);
	if (!*shape)
		return bypass_fail(EPROTO, "unknown command %u", c->code);
	if (c->udata_in_size > BYPASS_RDMA_UDATA_MAX || c->udata_room > BYPASS_RDMA_UDATA_MAX)
		return bypass_fail(EPROTO,
				   "the provider's parts have %u and %u bytes: at most %u each",
				   c->udata_in_size, c->udata_room, BYPASS_RDMA_UDATA_MAX);
	fixed = sizeof(*request) + (*shape)->body + c->udata_in_size;
	if (size < fixed || (size > fixed && !has_tail(s, *shape)))
		return bypass_fail(EPROTO, "%s has %u bytes where %u are right", (*shape)->name,
				   size, fixed);
	needed = sizeof(struct bypass_rdma_response) + (*shape)->reply;
	blob = c->udata_room;
	if ((*shape)->maps) {
		needed += BYPASS_RDMA_MMAPS_MAX * sizeof(c->mmaps[0]);
		/* The driver may answer through a pointer, whatever the output buffer has. */
		if (blob < BYPASS_RDMA_HIDDEN_ROOM)
			blob = BYPASS_RDMA_HIDDEN_ROOM;
	}
	needed += blob;
	if (room < needed)
		return bypass_fail(EPROTO,
				   "%s has room for %u bytes of response where %u are needed",
				   (*shape)->name, room, needed);
	if (c->ucontext != BYPASS_RDMA_NONE &&
	    !rdma_table_get(&s->tables[RDMA_UCONTEXT], c->ucontext))
		return -EBADF;

	c->body = c->request + sizeof(*request);
	c->udata_in = c->request + sizeof(*request) + (*shape)->body;
	c->tail = c->udata_in + c->udata_in_size;
	c->tail_size = size - fixed;
	memset(c->reply, 0, (*shape)->reply);
	return check_reserved(*shape, c->body);
}

static uint8_t *append(uint8_t *to, const void *data, size_t size)
{
	memcpy(to, data, size);
	return to + size;
}

uint32_t rdma_control_execute(struct rdma_slice *s, struct rdma_command *c, uint32_t size,
			      uint8_t *response, uint32_t room)
{
	struct bypass_rdma_response header = {0};
	const struct shape *shape = NULL;
	uint8_t *end = response;
	bool moved;
	int err;

	if (room < sizeof(header))
		return 0;
	err = parse(s, c, size, room, &shape);
	if (!err && s->hca_state != RDMA_HCA_WORKS)
		err = bypass_fail(ENODEV, "the HCA %s was removed", s->hca.name);
	/* Receives that were posted before must be there when the first message comes. */
	if (!err && shape->peers && s->guarded)
		rdma_guard_move(s, &moved);
	if (!err)
		err = shape->handler(s, c);
	rdma_count(&s->stats.commands, 1);
	header.status = htole32(to_status(s, err));
	if (err) {
		rdma_count(&s->stats.refused, 1);
		bypass_log(BYPASS_LOG_DEBUG, "%s: %s refused: %s", s->dev.name,
			   shape ? shape->name : "request", bypass_error());
		append(end, &header, sizeof(header));
		return sizeof(header);
	}
	header.udata_out = htole32(c->udata_out_size);
	header.udata_at = htole32(c->udata_at);
	header.mmaps = htole32(c->n_mmaps);
	end = append(end, &header, sizeof(header));
	end = append(end, c->reply, shape->reply);
	end = append(end, c->mmaps, c->n_mmaps * sizeof(c->mmaps[0]));
	end = append(end, c->udata_out, c->udata_out_size);
	return end - response;
}

int rdma_control_serve(struct rdma_slice *s)
{
	struct bypass_virtqueue *vq = &s->queues[BYPASS_RDMA_QUEUE_CONTROL];
	struct rdma_command *c = s->command;
	struct bypass_chain chain;
	uint32_t size = 0, room;
	int n, err;

	/* That it broke was said once, however often the guest kicks it since. */
	if (!bypass_virtqueue_started(vq) || vq->broken)
		return 0;
	pthread_rwlock_rdlock(&s->memory_lock);
	n = bypass_virtqueue_pop(vq, s->memory, &chain);
	/* A request that is too long, or not in RAM, is answered like any other malformed one. */
	if (n == 1 && chain.readable <= sizeof(c->request) &&
	    !bypass_chain_read(&chain, s->memory, 0, c->request, chain.readable))
		size = chain.readable;
	pthread_rwlock_unlock(&s->memory_lock);
	if (n != 1)
		return n;

	room = chain.writable < BYPASS_RDMA_RESPONSE_MAX ? chain.writable
							 : BYPASS_RDMA_RESPONSE_MAX;
	size = rdma_control_execute(s, c, size, s->response, room);

	pthread_rwlock_rdlock(&s->memory_lock);
	if (bypass_chain_write(&chain, s->memory, 0, s->response, size))
		size = 0;
	err = bypass_virtqueue_push(vq, s->memory, &chain, size);
	bypass_virtqueue_signal(vq, s->memory);
	pthread_rwlock_unlock(&s->memory_lock);
	vq->broken = err;
	return err ? err : 1;
}
