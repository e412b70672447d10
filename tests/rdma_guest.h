/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A guest with an RDMA slice, without a VM: what the guest's module does, in a test's own
 * process. Every call returns the status that the device gave.
 */
#ifndef TESTS_RDMA_GUEST_H
#define TESTS_RDMA_GUEST_H

#include <bypass/rdma.h>

#include "bypass_rdma_cm_abi.h"
#include "guest.h"

#define RDMA_GUEST_QUEUES (BYPASS_RDMA_QUEUE_VECTOR + 64)

struct rdma_guest {
	struct guest guest;
	struct bypass_virtio_device *dev;
	struct bypass_rdma_config config;
	struct guest_queue queues[RDMA_GUEST_QUEUES];
	uint64_t request, response, doorbell; /* guest-physical addresses */
	uint32_t ucontext;
	/* Of the last response: */
	struct bypass_rdma_mmap mmaps[BYPASS_RDMA_MMAPS_MAX];
	uint32_t n_mmaps;
	uint8_t udata[256];
	uint32_t udata_size;
};

static inline void rdma_guest_start(struct rdma_guest *g, struct bypass_virtio_device *dev)
{
	uint64_t features = dev->features;

	g->dev = dev;
	dev->ops->config_read(dev, 0, &g->config, sizeof(g->config));
	if (dev->ops->attach(dev, NULL, NULL) || dev->ops->set_memory(dev, g->guest.mem) ||
	    dev->ops->accept(dev, features))
		guest_die("start");
	for (unsigned int i = 0; i < dev->n_queues; i++) {
		struct guest_queue *q = &g->queues[i];

		guest_queue_init(q, &g->guest, dev->queue_size[i]);
		if (dev->ops->queue_start(dev, i, &q->setup))
			guest_die("queue_start");
		/* One buffer of a record for each descriptor, where the device fills them. */
		for (uint16_t d = 0; i != BYPASS_RDMA_QUEUE_CONTROL &&
				     i != BYPASS_RDMA_QUEUE_DOORBELL && d < q->ring.num;
		     d++) {
			if (d % 256 == 0)
				g->request = guest_alloc(&g->guest, GUEST_PAGE);
			guest_desc(q, d, g->request + d % 256 * 16, 8, VRING_DESC_F_WRITE, 0);
			guest_avail(q, d);
		}
		guest_kick(q);
	}
	g->request = guest_alloc(&g->guest, BYPASS_RDMA_REQUEST_MAX);
	g->response = guest_alloc(&g->guest, BYPASS_RDMA_RESPONSE_MAX);
	g->doorbell = guest_alloc(&g->guest,
				  BYPASS_RDMA_DOORBELL_BYTES(g->config.max_qp, g->config.max_cq));
	g->ucontext = BYPASS_RDMA_NONE;
}

static inline void rdma_guest_stop(struct rdma_guest *g)
{
	unsigned int n = g->dev->n_queues;

	g->dev->ops->close(g->dev);
	for (unsigned int i = 0; i < n; i++)
		guest_queue_free(&g->queues[i]);
	guest_free(&g->guest);
}

static inline struct bypass_rdma_stats rdma_guest_stats(const struct rdma_guest *g)
{
	struct bypass_rdma_stats s;

	bypass_rdma_stats(g->dev, &s);
	return s;
}

/* Put a raw request into the queue and wait; returns the length of the response. */
static inline uint32_t rdma_guest_raw(struct rdma_guest *g, uint32_t size, uint32_t room)
{
	struct guest_queue *q = &g->queues[BYPASS_RDMA_QUEUE_CONTROL];
	uint32_t head, len;

	guest_desc(q, 0, g->request, size, VRING_DESC_F_NEXT, 1);
	guest_desc(q, 1, g->response, room, VRING_DESC_F_WRITE, 0);
	guest_avail(q, 0);
	guest_kick(q);
	if (!guest_wait(q, 20000, &head, &len))
		guest_die("the device does not answer");
	return len;
}

struct rdma_guest_call {
	uint32_t command;
	const void *body;
	size_t body_size;
	void *reply;
	size_t reply_size;
	const void *udata;
	uint32_t udata_size;
	uint32_t udata_room;
	const void *tail;
	size_t tail_size;
};

static inline uint32_t rdma_guest_call(struct rdma_guest *g, const struct rdma_guest_call *c)
{
	char *out = g->guest.ram + g->request, *in = g->guest.ram + g->response;
	const struct bypass_rdma_request request = {
		.command = c->command,
		.ucontext = g->ucontext,
		.udata_in = c->udata_size,
		.udata_out = c->udata_room,
	};
	struct bypass_rdma_response response;
	uint32_t len;

	memcpy(out, &request, sizeof(request));
	out += sizeof(request);
	if (c->body_size)
		memcpy(out, c->body, c->body_size);
	out += c->body_size;
	if (c->udata_size)
		memcpy(out, c->udata, c->udata_size);
	out += c->udata_size;
	if (c->tail_size)
		memcpy(out, c->tail, c->tail_size);
	len = rdma_guest_raw(g, sizeof(request) + c->body_size + c->udata_size + c->tail_size,
			     BYPASS_RDMA_RESPONSE_MAX);
	if (len < sizeof(response))
		guest_die("short response");
	memcpy(&response, in, sizeof(response));
	if (response.status)
		return response.status;
	in += sizeof(response);
	if (c->reply_size)
		memcpy(c->reply, in, c->reply_size);
	in += c->reply_size;
	g->n_mmaps = response.mmaps;
	memcpy(g->mmaps, in, g->n_mmaps * sizeof(g->mmaps[0]));
	in += g->n_mmaps * sizeof(g->mmaps[0]);
	g->udata_size = response.udata_out;
	memcpy(g->udata, in, g->udata_size);
	return BYPASS_RDMA_OK;
}

/* A command with nothing but a body and a reply. */
#define RDMA_GUEST_CALL(g, command, body, reply)                                                   \
	rdma_guest_call(g,                                                                         \
			&(struct rdma_guest_call){BYPASS_RDMA_##command, body, sizeof(*(body)),    \
						  reply, sizeof(*(reply)), NULL, 0, 0, NULL, 0})

static inline uint32_t rdma_guest_destroy(struct rdma_guest *g, uint32_t command, uint32_t handle)
{
	const struct bypass_rdma_handle body = {.handle = handle};

	return rdma_guest_call(g, &(struct rdma_guest_call){.command = command,
							    .body = &body,
							    .body_size = sizeof(body)});
}

static inline uint32_t rdma_guest_create(struct rdma_guest *g, uint32_t command, uint32_t *handle)
{
	struct bypass_rdma_handle reply = {0};
	uint32_t status = rdma_guest_call(
		g, &(struct rdma_guest_call){
			   .command = command, .reply = &reply, .reply_size = sizeof(reply)});

	*handle = reply.handle;
	return status;
}

static inline uint32_t rdma_guest_set_doorbell(struct rdma_guest *g)
{
	const struct bypass_rdma_set_doorbell body = {
		.gpa = g->doorbell,
		.size = BYPASS_RDMA_DOORBELL_BYTES(g->config.max_qp, g->config.max_cq),
	};

	return rdma_guest_call(g, &(struct rdma_guest_call){.command = BYPASS_RDMA_SET_DOORBELL,
							    .body = &body,
							    .body_size = sizeof(body)});
}

static inline uint32_t rdma_guest_set_owner(struct rdma_guest *g, uint64_t gpa)
{
	const struct bypass_rdma_set_owner body = {.gpa = gpa};

	return rdma_guest_call(g, &(struct rdma_guest_call){.command = BYPASS_RDMA_SET_OWNER,
							    .body = &body,
							    .body_size = sizeof(body)});
}

/* Register @n pages of guest memory, wherever they are, as [@iova, @iova + @length). */
static inline uint32_t rdma_guest_register(struct rdma_guest *g, uint32_t pd, uint32_t access,
					   uint64_t iova, uint64_t length, const uint64_t *pages,
					   uint32_t n, struct bypass_rdma_mr *mr)
{
	uint32_t lists = (n + BYPASS_RDMA_RUNS_PER_PAGE - 1) / BYPASS_RDMA_RUNS_PER_PAGE;
	uint64_t mark = g->guest.next, *list = calloc(lists, sizeof(*list));
	struct bypass_rdma_reg_mr body = {
		.pd = pd,
		.access = access,
		.iova = iova,
		.length = length,
		.run_pages = lists,
		.last_runs = n - (lists - 1) * BYPASS_RDMA_RUNS_PER_PAGE,
	};
	uint32_t status;

	for (uint32_t i = 0; i < n; i++) {
		struct bypass_rdma_run run = {.gpa = pages[i], .size = GUEST_PAGE};

		if (i % BYPASS_RDMA_RUNS_PER_PAGE == 0)
			list[i / BYPASS_RDMA_RUNS_PER_PAGE] = guest_alloc(&g->guest, GUEST_PAGE);
		memcpy(g->guest.ram + list[i / BYPASS_RDMA_RUNS_PER_PAGE] +
			       i % BYPASS_RDMA_RUNS_PER_PAGE * sizeof(run),
		       &run, sizeof(run));
	}
	status = rdma_guest_call(g, &(struct rdma_guest_call){.command = BYPASS_RDMA_REG_MR,
							      .body = &body,
							      .body_size = sizeof(body),
							      .reply = mr,
							      .reply_size = sizeof(*mr),
							      .tail = list,
							      .tail_size = lists * sizeof(*list)});
	free(list);
	g->guest.next = mark;
	return status;
}

static inline void rdma_guest_ring(struct rdma_guest *g, uint32_t offset, uint32_t handle)
{
	struct bypass_rdma_doorbell *area = (void *)(g->guest.ram + g->doorbell);
	uint64_t *words = (uint64_t *)((char *)area + offset);

	__atomic_fetch_or(&words[handle / 64], 1ull << handle % 64, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&area->awake, __ATOMIC_RELAXED))
		guest_kick(&g->queues[BYPASS_RDMA_QUEUE_DOORBELL]);
}

static inline void rdma_guest_post_send(struct rdma_guest *g, uint32_t qp)
{
	rdma_guest_ring(g, BYPASS_RDMA_SEND_OFFSET, qp);
}

/* Arm a completion queue; false when the device does not do it. */
static inline bool rdma_guest_arm(struct rdma_guest *g, uint32_t cq)
{
	uint32_t offset = BYPASS_RDMA_ARM_OFFSET(g->config.max_qp);
	uint64_t *words = (uint64_t *)(g->guest.ram + g->doorbell + offset);

	rdma_guest_ring(g, offset, cq);
	return guest_await(!(__atomic_load_n(&words[cq / 64], __ATOMIC_ACQUIRE) & 1ull << cq % 64));
}

/* The next completion event of a vector, or of a port, object…; false: none came in time. */
static inline bool rdma_guest_event(struct rdma_guest *g, unsigned int queue, int timeout_ms,
				    uint32_t event[2])
{
	struct guest_queue *q = &g->queues[queue];
	uint32_t head, len;

	if (!guest_wait(q, timeout_ms, &head, &len))
		return false;
	memcpy(event, g->guest.ram + q->ring.desc[head].addr, 8);
	guest_avail(q, head);
	guest_kick(q);
	return true;
}

/* The body of a CREATE_QP that asks for nothing special. */
static inline struct bypass_rdma_create_qp rdma_guest_qp(uint32_t pd, uint32_t cq, uint32_t type)
{
	return (struct bypass_rdma_create_qp){
		.pd = pd,
		.send_cq = cq,
		.recv_cq = cq,
		.srq = BYPASS_RDMA_NONE,
		.type = type,
		.max_send_wr = 16,
		.max_recv_wr = 16,
		.max_send_sge = 1,
		.max_recv_sge = 1,
	};
}

#endif
