// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Nothing but the data path, between two lines on standard output, so that somebody else
 * can count what it costs: "mark: poll-ready N" and "mark: poll-finished N" (or sleep-), with
 * N the interrupts of a guest's completion queues so far. It goes on when it reads a line.
 *
 *	rdma-operations DEVICE N poll	N sends and as many receives, polled
 *	rdma-operations DEVICE N sleep	the same, each round asleep until a completion event
 */
#include "rdma-marks.h"
#include "rdma-verbs.h"

#define SIZE 64

struct loop {
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	char *memory; /* what is sent, and behind it what is received */
};

static void mark(const char *how, const char *word)
{
	tell_and_wait(how, word, "completions");
}

static void make(const struct device *device, struct loop *loop, bool sleeps)
{
	struct address to_itself;

	if (sleeps) {
		loop->channel = ibv_create_comp_channel(device->context);
		if (!loop->channel)
			fail("ibv_create_comp_channel");
	}
	loop->cq = ibv_create_cq(device->context, 64, NULL, loop->channel, 0);
	loop->memory = calloc(2, SIZE);
	if (!loop->cq || !loop->memory)
		fail("ibv_create_cq");
	loop->mr = must_reg(device, loop->memory, 2 * SIZE);
	loop->qp = make_qp(device, loop->cq);
	to_itself = address_of(device, loop->qp);
	connect_qp(device, loop->qp, &to_itself);
}

static void receive(struct loop *loop)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)loop->memory + SIZE,
		.length = SIZE,
		.lkey = loop->mr->lkey,
	};
	struct ibv_recv_wr *bad, wr = {.sg_list = &sge, .num_sge = 1};

	errno = ibv_post_recv(loop->qp, &wr, &bad);
	if (errno)
		fail("ibv_post_recv");
}

static void send(struct loop *loop)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)loop->memory,
		.length = SIZE,
		.lkey = loop->mr->lkey,
	};
	struct ibv_send_wr *bad, wr = {
					 .sg_list = &sge,
					 .num_sge = 1,
					 .opcode = IBV_WR_SEND,
					 .send_flags = IBV_SEND_SIGNALED,
				 };

	errno = ibv_post_send(loop->qp, &wr, &bad);
	if (errno)
		fail("ibv_post_send");
}

/*
 * Returns when the queue may hold something. It is armed at first, and again by each event taken:
 * there always is one, or one to come.
 */
static void sleep_until_event(struct loop *loop)
{
	struct ibv_cq *cq;
	void *context;

	if (ibv_get_cq_event(loop->channel, &cq, &context))
		fail("ibv_get_cq_event");
	ibv_ack_cq_events(cq, 1);
	if (ibv_req_notify_cq(cq, 0))
		fail("ibv_req_notify_cq");
}

static void wait_for_both(struct loop *loop)
{
	double end = now() + 60;
	struct ibv_wc wc;
	int left = 2;

	/* Also when the completions were quicker than we: without, nobody arms the queue again. */
	if (loop->channel)
		sleep_until_event(loop);
	while (left) {
		int n = ibv_poll_cq(loop->cq, 1, &wc);

		if (n < 0 || now() > end)
			fail("no completion");
		if (n) {
			expect(wc, IBV_WC_SUCCESS, "message");
			left--;
		} else if (loop->channel) {
			sleep_until_event(loop);
		}
	}
}

int main(int argc, char **argv)
{
	struct device device;
	struct loop loop = {0};
	unsigned long n;

	if (argc != 4) {
		fputs("usage: rdma-operations DEVICE N poll | sleep\n", stderr);
		return 2;
	}
	n = strtoul(argv[2], NULL, 0);
	device = open_device(argv[1]);
	make(&device, &loop, !strcmp(argv[3], "sleep"));
	if (loop.channel && ibv_req_notify_cq(loop.cq, 0))
		fail("ibv_req_notify_cq");
	mark(argv[3], "ready");
	for (unsigned long i = 0; i < n; i++) {
		memcpy(loop.memory, &i, sizeof(i));
		receive(&loop);
		send(&loop);
		wait_for_both(&loop);
		if (memcmp(loop.memory + SIZE, &i, sizeof(i)))
			fail("message %lu is not what was sent", i);
	}
	mark(argv[3], "finished");
	return 0;
}
