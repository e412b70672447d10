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

/* What a command's messages look like. */
struct shape {
	rdma_handler *handler;
	const char *name;
	uint16_t body;
	uint16_t reply;
	bool maps; /* may return mappings */
	bool tail; /* has a list of run pages */
};

#define SIZE(type) sizeof(struct bypass_rdma_##type)
#define HANDLE	   SIZE(handle)

/* clang-format off */
static const struct shape shapes[] = {
	[BYPASS_RDMA_QUERY_DEVICE] = { rdma_query_device, "query device", 0, SIZE(device), 0, 0 },
	[BYPASS_RDMA_QUERY_PORT] = { rdma_query_port, "query port", SIZE(port_query), SIZE(port), 0, 0 },
	[BYPASS_RDMA_QUERY_GIDS] = { rdma_query_gids, "query GIDs", SIZE(port_query), SIZE(gids), 0, 0 },
	[BYPASS_RDMA_QUERY_PKEYS] = { rdma_query_pkeys, "query P_Keys", SIZE(port_query), SIZE(pkeys), 0, 0 },
	[BYPASS_RDMA_SET_DOORBELL] = { rdma_set_doorbell, "set doorbell", SIZE(set_doorbell), 0, 0, 0 },
	[BYPASS_RDMA_ALLOC_UCONTEXT] = { rdma_alloc_ucontext, "alloc ucontext", 0, HANDLE, 1, 0 },
	[BYPASS_RDMA_DEALLOC_UCONTEXT] = { rdma_dealloc_ucontext, "dealloc ucontext", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_RELEASE_MMAP] = { rdma_release_mmap, "release mmap", SIZE(release_mmap), 0, 0, 0 },
	[BYPASS_RDMA_ALLOC_PD] = { rdma_alloc_pd, "alloc PD", 0, HANDLE, 0, 0 },
	[BYPASS_RDMA_DEALLOC_PD] = { rdma_destroy, "dealloc PD", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_REG_MR] = { rdma_reg_mr, "reg MR", SIZE(reg_mr), SIZE(mr), 0, 1 },
	[BYPASS_RDMA_REREG_MR] = { rdma_rereg_mr, "rereg MR", SIZE(rereg_mr), SIZE(mr), 0, 1 },
	[BYPASS_RDMA_DEREG_MR] = { rdma_destroy, "dereg MR", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_ALLOC_MW] = { rdma_alloc_mw, "alloc MW", SIZE(alloc_mw), SIZE(mr), 0, 0 },
	[BYPASS_RDMA_DEALLOC_MW] = { rdma_destroy, "dealloc MW", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_CREATE_CQ] = { rdma_create_cq, "create CQ", SIZE(create_cq), SIZE(cq), 1, 0 },
	[BYPASS_RDMA_RESIZE_CQ] = { rdma_resize_cq, "resize CQ", SIZE(resize_cq), SIZE(cq), 1, 0 },
	[BYPASS_RDMA_DESTROY_CQ] = { rdma_destroy, "destroy CQ", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_CREATE_SRQ] = { rdma_create_srq, "create SRQ", SIZE(create_srq), SIZE(srq), 1, 0 },
	[BYPASS_RDMA_MODIFY_SRQ] = { rdma_modify_srq, "modify SRQ", SIZE(modify_srq), 0, 1, 0 },
	[BYPASS_RDMA_QUERY_SRQ] = { rdma_query_srq, "query SRQ", HANDLE, SIZE(srq), 0, 0 },
	[BYPASS_RDMA_DESTROY_SRQ] = { rdma_destroy, "destroy SRQ", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_CREATE_QP] = { rdma_create_qp, "create QP", SIZE(create_qp), SIZE(qp), 1, 0 },
	[BYPASS_RDMA_MODIFY_QP] = { rdma_modify_qp, "modify QP", SIZE(modify_qp), 0, 0, 0 },
	[BYPASS_RDMA_QUERY_QP] = { rdma_query_qp, "query QP", SIZE(query_qp), SIZE(qp_state), 0, 0 },
	[BYPASS_RDMA_DESTROY_QP] = { rdma_destroy, "destroy QP", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_CREATE_AH] = { rdma_create_ah, "create AH", SIZE(create_ah), HANDLE, 0, 0 },
	[BYPASS_RDMA_DESTROY_AH] = { rdma_destroy, "destroy AH", HANDLE, 0, 0, 0 },
	[BYPASS_RDMA_ATTACH_MCAST] = { rdma_attach_mcast, "attach multicast", SIZE(mcast), 0, 0, 0 },
	[BYPASS_RDMA_DETACH_MCAST] = { rdma_detach_mcast, "detach multicast", SIZE(mcast), 0, 0, 0 },
};
/* clang-format on */

static const struct shape *find_shape(uint32_t code)
{
	if (code < sizeof(shapes) / sizeof(shapes[0]) && shapes[code].handler)
		return &shapes[code];
	return NULL;
}

static uint32_t to_status(int err)
{
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

/* Take the request apart; everything is checked but the meaning of the body. */
static int parse(struct rdma_slice *s, struct rdma_command *c, uint32_t size, uint32_t room,
		 const struct shape **shape)
{
	const struct bypass_rdma_request *request = (const void *)c->request;
	uint32_t fixed, needed;

	if (size < sizeof(*request))
		return bypass_fail(EPROTO, "A request of %u bytes", size);
	c->code = le32toh(request->command);
	c->ucontext = le32toh(request->ucontext);
	c->udata_in_size = le32toh(request->udata_in);
	c->udata_room = le32toh(request->udata_out);
	c->n_mmaps = c->udata_out_size = 0;
	c->udata_at = BYPASS_RDMA_NONE;

	*shape = find_shape(c->code);
	if (!*shape)
		return bypass_fail(EPROTO, "Unknown command %u", c->code);
	if (c->udata_in_size > BYPASS_RDMA_UDATA_MAX || c->udata_room > BYPASS_RDMA_UDATA_MAX)
		return bypass_fail(EPROTO, "Blobs of %u and %u bytes: the most is %u",
				   c->udata_in_size, c->udata_room, BYPASS_RDMA_UDATA_MAX);
	fixed = sizeof(*request) + (*shape)->body + c->udata_in_size;
	if (size < fixed || (size > fixed && !(*shape)->tail))
		return bypass_fail(EPROTO, "A request of %u bytes where %u are right", size, fixed);
	needed = sizeof(struct bypass_rdma_response) + (*shape)->reply + c->udata_room;
	if ((*shape)->maps)
		needed += BYPASS_RDMA_MMAPS_MAX * sizeof(c->mmaps[0]);
	if (room < needed)
		return bypass_fail(EPROTO, "Room for %u bytes of response where %u are needed",
				   room, needed);
	if (c->ucontext != BYPASS_RDMA_NONE &&
	    !rdma_table_get(&s->tables[RDMA_UCONTEXT], c->ucontext))
		return -EBADF;

	c->body = c->request + sizeof(*request);
	c->udata_in = c->request + sizeof(*request) + (*shape)->body;
	c->tail = c->udata_in + c->udata_in_size;
	c->tail_size = size - fixed;
	memset(c->reply, 0, (*shape)->reply);
	return 0;
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
	int err;

	if (room < sizeof(header))
		return 0;
	err = parse(s, c, size, room, &shape);
	if (!err && s->lost)
		err = bypass_fail(ENODEV, "The HCA %s was removed", s->hca.name);
	if (!err)
		err = shape->handler(s, c);
	rdma_count(&s->stats.commands, 1);
	header.status = htole32(to_status(err));
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

	if (!bypass_virtqueue_started(vq))
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
	return err ? err : 1;
}
