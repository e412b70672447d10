/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What programs are written with that say, one line on standard output a step, what verbs do
 * ("verbs: SUBJECT: STEP: RESULT"). What the lines say depends on the HCA alone: from a host and
 * from a guest of it, they can be compared. Failures that no line is for end the program.
 */
#ifndef RDMA_STEPS_H
#define RDMA_STEPS_H

#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

#include "rdma-verbs.h"

#define SIZE	4096
#define MESSAGE 256
#define SOON_S	0.5 /* what has not come by then is taken not to come */
#define COMES_S 20  /* for what must come */

/* One end of a connection, with memory that the other may reach. */
struct end {
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	char *memory; /* SIZE bytes */
};

static struct device device;
static const char *subject;

static inline void report(const char *step, const char *result)
{
	printf("verbs: %s: %s: %s\n", subject, step, result);
	fflush(stdout);
}

/* @err: an errno, or 0 */
static inline void report_code(const char *step, int err)
{
	report(step, err ? strerror(err) : "ok");
}

static inline void must(int err, const char *what)
{
	errno = err;
	if (err)
		fail("%s", what);
}

static inline void fill(char *at)
{
	static unsigned int seed;

	seed++;
	for (unsigned int i = 0; i < MESSAGE; i++)
		at[i] = seed * 31 + i * 7;
}

static inline void make_end(struct end *e, enum ibv_qp_type type, uint32_t depth,
			    struct ibv_srq *srq)
{
	struct ibv_qp_init_attr init = {
		.srq = srq,
		.cap = {.max_send_wr = 16, .max_recv_wr = 16, .max_send_sge = 1, .max_recv_sge = 1},
		.qp_type = type,
	};

	e->memory = aligned_alloc(SIZE, SIZE);
	if (!e->memory)
		fail("no memory");
	memset(e->memory, 0, SIZE);
	e->mr = ibv_reg_mr(device.pd, e->memory, SIZE, RW | IBV_ACCESS_MW_BIND);
	e->cq = e->mr ? ibv_create_cq(device.context, depth, NULL, NULL, 0) : NULL;
	init.send_cq = init.recv_cq = e->cq;
	e->qp = e->cq ? ibv_create_qp(device.pd, &init) : NULL;
	if (!e->qp)
		fail("a region, a completion queue and a queue pair");
}

static inline void drop_end(struct end *e)
{
	must(ibv_destroy_qp(e->qp), "ibv_destroy_qp");
	must(ibv_destroy_cq(e->cq), "ibv_destroy_cq");
	must(ibv_dereg_mr(e->mr), "ibv_dereg_mr");
	free(e->memory);
}

static inline void connect_ends(struct end *a, struct end *b)
{
	const struct address to_a = address_of(&device, a->qp), to_b = address_of(&device, b->qp);

	connect_qp(&device, a->qp, &to_b);
	connect_qp(&device, b->qp, &to_a);
}

static inline void make_ends(struct end *a, struct end *b, enum ibv_qp_type type)
{
	make_end(a, type, 64, NULL);
	make_end(b, type, 64, NULL);
	connect_ends(a, b);
}

static inline int to_state(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = {.qp_state = state};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE);
}

/* After an error, which takes both queue pairs along. */
static inline void reconnect(struct end *a, struct end *b)
{
	struct ibv_wc wc;

	must(to_state(a->qp, IBV_QPS_RESET), "reset");
	must(to_state(b->qp, IBV_QPS_RESET), "reset");
	while (ibv_poll_cq(a->cq, 1, &wc) > 0 || ibv_poll_cq(b->cq, 1, &wc) > 0)
		;
	connect_ends(a, b);
}

static inline struct ibv_wc run(struct end *e, struct ibv_send_wr wr, uint32_t size)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)e->memory,
		.length = size,
		.lkey = e->mr->lkey,
	};
	struct ibv_send_wr *bad;

	wr.sg_list = size ? &sge : NULL;
	wr.num_sge = !!size;
	wr.send_flags |= IBV_SEND_SIGNALED;
	must(ibv_post_send(e->qp, &wr, &bad), "ibv_post_send");
	return poll_one(e->cq);
}

static inline void receive(struct end *e, struct ibv_srq *srq)
{
	struct ibv_sge sge = {.addr = (uintptr_t)e->memory, .length = SIZE, .lkey = e->mr->lkey};
	struct ibv_recv_wr *bad, wr = {.sg_list = &sge, .num_sge = 1};

	memset(e->memory, 0, SIZE);
	must(srq ? ibv_post_srq_recv(srq, &wr, &bad) : ibv_post_recv(e->qp, &wr, &bad), "receive");
}

/* What came, or a status of -1: nothing, within @seconds. */
static inline struct ibv_wc arrived(struct end *e, double seconds)
{
	struct ibv_wc wc = {.status = -1};
	double end = now() + seconds;

	while (!ibv_poll_cq(e->cq, 1, &wc) && now() < end)
		usleep(1000);
	return wc;
}

static inline void report_arrival_within(double seconds, const char *step, struct end *from,
					 struct end *to, uint32_t header)
{
	struct ibv_wc wc = arrived(to, seconds);

	if ((int)wc.status == -1)
		report(step, "nothing arrives");
	else if (wc.status)
		report(step, ibv_wc_status_str(wc.status));
	else if (wc.byte_len != MESSAGE + header ||
		 memcmp(to->memory + header, from->memory, MESSAGE))
		report(step, "arrives corrupted");
	else
		report(step, "arrives");
}

static inline void report_arrival(const char *step, struct end *from, struct end *to,
				  uint32_t header)
{
	report_arrival_within(COMES_S, step, from, to, header);
}

/* Of UC, a sender's completion says nothing of the receiver. */
static inline bool same(struct end *from, const char *a, const char *b)
{
	double end = now() + (from->qp->qp_type == IBV_QPT_UC ? COMES_S : 0);

	while (memcmp(a, b, MESSAGE) && now() < end)
		usleep(1000);
	return !memcmp(a, b, MESSAGE);
}

/* Through @rkey, at @offset of @to's memory. */
static inline void try_access(const char *step, enum ibv_wr_opcode opcode, struct end *from,
			      struct end *to, uint32_t offset, uint32_t rkey)
{
	char before[MESSAGE], *there = to->memory + offset;
	bool reads = opcode == IBV_WR_RDMA_READ;
	char *source = reads ? there : from->memory, *target = reads ? from->memory : there;
	struct ibv_wc wc;

	fill(source);
	fill(target);
	memcpy(before, target, MESSAGE);
	wc = do_rdma(from->qp, opcode, (uintptr_t)from->memory, from->mr->lkey, (uintptr_t)there,
		     rkey, MESSAGE);
	if (!wc.status) {
		report(step, same(from, source, target) ? "done" : "done, with wrong data");
		return;
	}
	printf("verbs: %s: %s: %s, memory %s\n", subject, step, ibv_wc_status_str(wc.status),
	       memcmp(before, target, MESSAGE) ? "corrupted" : "untouched");
	reconnect(from, to);
}

static inline void try_write(const char *step, struct end *from, struct end *to, uint32_t offset,
			     uint32_t rkey)
{
	try_access(step, IBV_WR_RDMA_WRITE, from, to, offset, rkey);
}

/* The next asynchronous event that is not about the network's addresses. */
static inline void report_event(const char *step, const void *element)
{
	struct pollfd fd = {.fd = device.context->async_fd, .events = POLLIN};
	struct ibv_async_event event;
	char text[128];

	do {
		if (poll(&fd, 1, COMES_S * 1000) != 1) {
			report(step, "no event");
			return;
		}
		if (ibv_get_async_event(device.context, &event))
			fail("ibv_get_async_event");
		ibv_ack_async_event(&event);
	} while (event.event_type == IBV_EVENT_GID_CHANGE);
	/* All elements but a port's number are pointers. */
	snprintf(text, sizeof(text), "%s of %s", ibv_event_type_str(event.event_type),
		 !element		       ? event.element.port_num == 1 ? "port 1" : "no port"
		 : event.element.qp == element ? "the right object"
					       : "another object");
	report(step, text);
}

struct subject {
	const char *name;
	void (*run)(void);
};

/* The subjects named by arguments. */
static inline int run_subjects(int argc, char **argv, const struct subject *subjects)
{
	const struct subject *s;

	if (argc < 3) {
		fprintf(stderr, "usage: %s DEVICE SUBJECT...\n", argv[0]);
		return 2;
	}
	device = open_device(argv[1]);
	for (int i = 2; i < argc; i++) {
		for (s = subjects; s->name && strcmp(s->name, argv[i]); s++)
			;
		if (!s->name)
			fail("no subject %s", argv[i]);
		subject = s->name;
		s->run();
	}
	return 0;
}

#endif
