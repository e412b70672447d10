// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queues of all kinds, beyond plain use: their sizes and states, what they say when they come to
 * their limits, and what the port says when it goes.
 *
 *	rdma-queues DEVICE SUBJECT...	flush completions unreliable shared states vectors port
 *
 * Subject port says "mark: listens" when the port may go down, and "mark: down" when it may come
 * up again.
 */
#include "rdma-steps.h"

/* --- flush and atomic write, whose names the headers of older releases lack */

#define CAPS_FLUSH   (7ull << 38) /* global, persistent; atomic write */
#define ACCESS_FLUSH (1 << 8)

static void flush(void)
{
	struct ibv_device_attr_ex attr;
	struct ibv_mr *mr;
	char text[64];
	static char memory[SIZE];

	must(ibv_query_device_ex(device.context, NULL, &attr), "ibv_query_device_ex");
	snprintf(text, sizeof(text), "%#llx",
		 (unsigned long long)(attr.device_cap_flags_ex & CAPS_FLUSH));
	report("capabilities", text);
	mr = ibv_reg_mr(device.pd, memory, SIZE, RW | ACCESS_FLUSH);
	report_code("register for it", mr ? 0 : errno);
	if (mr)
		must(ibv_dereg_mr(mr), "ibv_dereg_mr");
}

/* --- completion queues that change */

/* @n writes, of which none is looked for. */
static void write_many(struct end *from, struct end *to, uint64_t n)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)from->memory,
		.length = MESSAGE,
		.lkey = from->mr->lkey,
	};
	struct ibv_send_wr *bad,
		wr = {
			.sg_list = &sge,
			.num_sge = 1,
			.opcode = IBV_WR_RDMA_WRITE,
			.send_flags = IBV_SEND_SIGNALED,
			.wr.rdma = {.remote_addr = (uintptr_t)to->memory, .rkey = to->mr->rkey},
		};

	for (wr.wr_id = 0; wr.wr_id < n; wr.wr_id++)
		must(ibv_post_send(from->qp, &wr, &bad), "ibv_post_send");
	usleep(SOON_S * 1e6); /* most have come */
}

/* Of @n writes; and none comes after them. */
static void report_completions(const char *step, struct end *e, uint64_t n)
{
	char text[64];
	uint64_t good = 0;
	struct ibv_wc wc;

	do
		wc = arrived(e, good < n ? COMES_S : 0);
	while (!wc.status && wc.wr_id == good && ++good);
	snprintf(text, sizeof(text), "%llu in order", (unsigned long long)good);
	report(step, text);
}

static void resize(const char *step, struct ibv_cq *cq, int n)
{
	int err = ibv_resize_cq(cq, n);
	char text[64];

	snprintf(text, sizeof(text), "room for %d", cq->cqe);
	report(step, err ? strerror(err) : text);
}

static void completions(void)
{
	struct end a, b;

	make_end(&a, IBV_QPT_RC, 15, NULL);
	make_end(&b, IBV_QPT_RC, 1, NULL);
	connect_ends(&a, &b);
	write_many(&a, &b, 10);
	resize("resize to less than is in it", a.cq, 3);
	resize("resize to more", a.cq, 200);
	report_completions("completions from before", &a, 10);
	write_many(&a, &b, 10);
	report_completions("completions", &a, 10);
	resize("resize to less", a.cq, 15);
	write_many(&a, &b, 10);
	report_completions("completions", &a, 10);
	resize("resize to nothing", a.cq, 0);
	resize("resize to more than there can be", a.cq, 1 << 30);
	write_many(&b, &a, 8);
	report_event("more completions than room", b.cq);
	drop_end(&b);
	drop_end(&a);
}

/* --- unreliable connections */

static void send_unreliably(const char *step, struct end *from, struct end *to, bool expected)
{
	const struct ibv_send_wr wr = {.opcode = IBV_WR_SEND};

	if (expected)
		receive(to, NULL);
	fill(from->memory);
	expect(run(from, wr, MESSAGE), IBV_WC_SUCCESS, "send");
	report_arrival_within(expected ? COMES_S : SOON_S, step, from, to, 0);
}

static void unreliable(void)
{
	struct end a, b;

	make_ends(&a, &b, IBV_QPT_UC);
	send_unreliably("send", &a, &b, true);
	send_unreliably("answer", &b, &a, true);
	try_write("write", &a, &b, 0, b.mr->rkey);
	send_unreliably("send that nobody expects", &a, &b, false);
	send_unreliably("send after that", &a, &b, true);
	try_access("read", IBV_WR_RDMA_READ, &a, &b, 0, b.mr->rkey);
	drop_end(&a);
	drop_end(&b);
}

/* --- shared receive queues */

static void report_srq(const char *step, struct ibv_srq *srq)
{
	struct ibv_srq_attr attr;
	char text[64];

	must(ibv_query_srq(srq, &attr), "ibv_query_srq");
	snprintf(text, sizeof(text), "%u requests of %u, limit %u", attr.max_wr, attr.max_sge,
		 attr.srq_limit);
	report(step, text);
}

static void modify_srq(const char *step, struct ibv_srq *srq, int mask, uint32_t value)
{
	struct ibv_srq_attr attr = {.max_wr = value, .srq_limit = value};

	report_code(step, ibv_modify_srq(srq, &attr, mask));
	report_srq("it is", srq);
}

static bool reaches_srq(struct end *a, struct end *b)
{
	const struct ibv_send_wr wr = {.opcode = IBV_WR_SEND};
	struct ibv_wc wc;

	fill(a->memory);
	expect(run(a, wr, MESSAGE), IBV_WC_SUCCESS, "send");
	wc = arrived(b, COMES_S);
	return !wc.status && !memcmp(a->memory, b->memory, MESSAGE);
}

static void send_to_srq(const char *step, struct end *a, struct end *b, unsigned int n)
{
	unsigned int good = 0;
	char text[64];

	for (unsigned int i = 0; i < n; i++)
		good += reaches_srq(a, b);
	snprintf(text, sizeof(text), "%u of %u arrive", good, n);
	report(step, text);
}

/* Receives for all the room that it has but for the one that it holds; returns their number. */
static unsigned int fill_srq(struct ibv_srq *srq, struct end *e)
{
	struct ibv_srq_attr attr;

	must(ibv_query_srq(srq, &attr), "ibv_query_srq");
	for (unsigned int i = 1; i < attr.max_wr; i++)
		receive(e, srq);
	return attr.max_wr - 1;
}

static void shared(void)
{
	struct ibv_srq_init_attr init = {.attr = {.max_wr = 15, .max_sge = 1}};
	struct ibv_srq *srq = ibv_create_srq(device.pd, &init);
	struct end a, b;

	if (!srq)
		fail("ibv_create_srq");
	make_end(&a, IBV_QPT_RC, 64, NULL);
	make_end(&b, IBV_QPT_RC, 64, srq);
	connect_ends(&a, &b);
	report_srq("new", srq);
	for (int i = 0; i < 4; i++)
		receive(&b, srq);
	modify_srq("limit of 3", srq, IBV_SRQ_LIMIT, 3);
	send_to_srq("messages", &a, &b, 2);
	report_event("below the limit", srq);
	report_srq("it is", srq);
	modify_srq("limit beyond its size", srq, IBV_SRQ_LIMIT, 1000);
	modify_srq("resize", srq, IBV_SRQ_MAX_WR, 60);
	send_to_srq("messages", &a, &b, 1);
	send_to_srq("messages", &a, &b, fill_srq(srq, &b));
	report_code("destroy while in use", ibv_destroy_srq(srq));
	must(to_state(b.qp, IBV_QPS_ERR), "to error");
	report_event("the receiver to error", b.qp);
	drop_end(&a);
	drop_end(&b);
	report_code("destroy", ibv_destroy_srq(srq));
}

/* --- states of a queue pair */

static void report_qp(const char *step, struct ibv_qp *qp, int err)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr a;
	char text[512];

	report_code(step, err);
	must(ibv_query_qp(qp, &a, (1 << 21) - 1, &init), "ibv_query_qp");
	snprintf(text, sizeof(text),
		 "state %d, MTU %d, Q_Key %#x, access %#x, PSN %u %u, reads %u %u, RNR timer %u, "
		 "timeout %u, retries %u %u, port %u, P_Key index %u, to %s %s by GID %u hop %u, "
		 "GRH %u",
		 a.qp_state, a.path_mtu, a.qkey, a.qp_access_flags, a.rq_psn, a.sq_psn,
		 a.max_rd_atomic, a.max_dest_rd_atomic, a.min_rnr_timer, a.timeout, a.retry_cnt,
		 a.rnr_retry, a.port_num, a.pkey_index,
		 a.dest_qp_num == qp->qp_num ? "itself" : "-",
		 memcmp(&a.ah_attr.grh.dgid, &device.gid, sizeof(device.gid)) ? "-" : "here",
		 a.ah_attr.grh.sgid_index, a.ah_attr.grh.hop_limit, a.ah_attr.is_global);
	report("it is", text);
	snprintf(text, sizeof(text), "%u+%u requests of %u+%u, %u inline, type %d, signals %d",
		 init.cap.max_send_wr, init.cap.max_recv_wr, init.cap.max_send_sge,
		 init.cap.max_recv_sge, init.cap.max_inline_data, init.qp_type, init.sq_sig_all);
	report("it has", text);
}

static int drain(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_SQD, .en_sqd_async_notify = 1};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY);
}

static void walk(struct ibv_qp *qp)
{
	const struct address itself = address_of(&device, qp);
	struct ibv_qp_attr sizes = {.qp_state = IBV_QPS_RTS,
				    .cap = {.max_send_wr = 8, .max_recv_wr = 8}};

	report_qp("reset to ready to send", qp, to_rts(qp));
	report_qp("to init", qp, to_init(qp));
	report_qp("to ready to receive", qp, to_rtr(&device, qp, &itself));
	report_qp("to ready to send", qp, to_rts(qp));
	report_code("to other sizes", ibv_modify_qp(qp, &sizes, IBV_QP_STATE | IBV_QP_CAP));
	if (qp->qp_type == IBV_QPT_RC) {
		report_qp("to drained", qp, drain(qp));
		report_event("it drains", qp);
		report_qp("to ready to send", qp, to_state(qp, IBV_QPS_RTS));
	}
	report_qp("back to init", qp, to_init(qp));
	report_qp("to error", qp, to_state(qp, IBV_QPS_ERR));
	report_qp("to reset", qp, to_state(qp, IBV_QPS_RESET));
}

static void report_post(const char *step, struct end *e, struct ibv_ah *ah)
{
	struct ibv_send_wr *bad, wr = {.opcode = IBV_WR_SEND, .wr.ud = {.ah = ah}};

	report_code(step, ibv_post_send(e->qp, &wr, &bad));
}

/* Sends that are posted before the queue pair may send, in each state on the way. */
static void post_early(struct end *e)
{
	const struct address itself = address_of(&device, e->qp);
	struct ibv_ah_attr attr = {
		.is_global = 1,
		.grh = {.dgid = device.gid, .sgid_index = device.gid_index},
		.port_num = 1,
	};
	struct ibv_ah *ah = ibv_create_ah(device.pd, &attr);

	if (!ah)
		fail("ibv_create_ah");
	report_post("post in reset", e, ah);
	must(to_init(e->qp), "to init");
	report_post("post in init", e, ah);
	must(to_rtr(&device, e->qp, &itself), "to ready to receive");
	report_post("post in ready to receive", e, ah);
	must(ibv_destroy_ah(ah), "ibv_destroy_ah");
}

static void states(void)
{
	static const enum ibv_qp_type types[] = {IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD};

	for (unsigned int i = 0; i < 3; i++) {
		struct end e;

		make_end(&e, types[i], 64, NULL);
		walk(e.qp);
		drop_end(&e);
		make_end(&e, types[i], 64, NULL);
		post_early(&e);
		drop_end(&e);
	}
}

/* --- completion vectors */

/* Which of the two completion queues has an event within @seconds. */
static void report_channel(const char *step, struct ibv_comp_channel *channel, struct end *e,
			   double seconds)
{
	struct pollfd fd = {.fd = channel->fd, .events = POLLIN};
	void *context;
	struct ibv_cq *cq;

	if (poll(&fd, 1, seconds * 1000) != 1) {
		report(step, "no event");
		return;
	}
	if (ibv_get_cq_event(channel, &cq, &context))
		fail("ibv_get_cq_event");
	ibv_ack_cq_events(cq, 1);
	report(step, cq == e[0].cq   ? "event of vector 0"
		     : cq == e[1].cq ? "event of vector 1"
				     : "?");
}

static void ask(const char *step, struct ibv_comp_channel *channel, struct end *e, int vector,
		bool solicited_only, int flags)
{
	const struct ibv_send_wr wr = {.opcode = IBV_WR_SEND, .send_flags = flags};
	struct end *from = &e[!vector];

	receive(&e[vector], NULL);
	must(ibv_req_notify_cq(e[vector].cq, solicited_only), "ibv_req_notify_cq");
	fill(from->memory);
	expect(run(from, wr, MESSAGE), IBV_WC_SUCCESS, "send");
	report_channel(step, channel, e,
		       solicited_only && !(flags & IBV_SEND_SOLICITED) ? SOON_S : COMES_S);
	report_arrival("its message", from, &e[vector], 0);
}

static void vectors(void)
{
	struct ibv_comp_channel *channel = ibv_create_comp_channel(device.context);
	struct ibv_cq *beyond;
	struct end e[2];

	if (!channel)
		fail("ibv_create_comp_channel");
	report("vectors", device.context->num_comp_vectors < 2 ? "one" : "several");
	beyond = ibv_create_cq(device.context, 8, NULL, channel, device.context->num_comp_vectors);
	report_code("one that is not there", beyond ? 0 : errno);
	for (int i = 0; i < 2; i++) {
		make_end(&e[i], IBV_QPT_RC, 64, NULL);
		must(ibv_destroy_qp(e[i].qp), "ibv_destroy_qp");
		must(ibv_destroy_cq(e[i].cq), "ibv_destroy_cq");
		e[i].cq = ibv_create_cq(device.context, 64, NULL, channel, i);
		if (!e[i].cq)
			fail("ibv_create_cq of vector %d", i);
		e[i].qp = make_qp(&device, e[i].cq);
	}
	connect_ends(&e[0], &e[1]);
	for (int i = 0; i < 3; i++) {
		ask("any, at vector 0", channel, e, 0, false, 0);
		ask("any, at vector 1", channel, e, 1, false, 0);
	}
	ask("solicited only, not solicited", channel, e, 1, true, 0);
	ask("solicited only, solicited", channel, e, 1, true, IBV_SEND_SOLICITED);
	drop_end(&e[0]);
	drop_end(&e[1]);
	report_code("destroy the channel", ibv_destroy_comp_channel(channel));
}

/* --- the port */

static void report_port(void)
{
	struct ibv_port_attr attr;

	must(ibv_query_port(device.context, 1, &attr), "ibv_query_port");
	report("it is", ibv_port_state_str(attr.state));
}

static void mark(const char *word)
{
	printf("\nmark: %s\n", word);
	fflush(stdout);
}

static void port(void)
{
	report_port();
	mark("listens");
	report_event("down", NULL);
	report_port();
	mark("down");
	report_event("up", NULL);
	report_port();
}

int main(int argc, char **argv)
{
	static const struct subject subjects[] = {
		{"flush", flush},
		{"completions", completions},
		{"unreliable", unreliable},
		{"shared", shared},
		{"states", states},
		{"vectors", vectors},
		{"port", port},
		{NULL, NULL},
	};

	return run_subjects(argc, argv, subjects);
}
