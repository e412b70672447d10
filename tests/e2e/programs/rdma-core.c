// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A context slice on a real HCA, without a VM: this process plays the guest. It does what
 * the guest's module and its provider do together, on queues that it finds in the shared memory.
 *
 *	rdma-core traffic OPTIONS	two slices on one HCA talk: send, write, read,
 *					events, and what one may not do to the other
 *	rdma-core runs OPTIONS N	one region of N scattered pages
 *	rdma-core churn OPTIONS N	N registrations, one after the other
 *	rdma-core events OPTIONS N	N errors of a full CQ, of which the guest takes none
 *	rdma-core wait OPTIONS		hold some objects until the HCA is gone
 */
#include <inttypes.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "../../rdma_guest.h"

#define IOVA   0x7f1234567e80ull /* in no way aligned but as user memory is */
#define LENGTH 100000u
#define ACCESS                                                                                     \
	(IB_UVERBS_ACCESS_LOCAL_WRITE | IB_UVERBS_ACCESS_REMOTE_WRITE |                            \
	 IB_UVERBS_ACCESS_REMOTE_READ)

static void check(bool good, const char *what)
{
	if (!good) {
		printf("not ok - %s (%s)\n", what, bypass_error());
		exit(1);
	}
	printf("ok - %s\n", what);
	fflush(stdout);
}

/* One side of a connection: a slice with a PD, a CQ, a QP and a scattered buffer. */
struct side {
	struct rdma_guest g;
	uint32_t pd, cq, qp, qpn;
	struct rxe_queue_buf *cq_buf, *sq_buf, *rq_buf;
	struct bypass_rdma_mr mr;
	uint64_t pages[64];
	uint32_t n_pages;
};

static void open_slice(struct side *s, const char *text, uint64_t ram)
{
	struct bypass_rdma_options options;
	struct bypass_virtio_device *dev;

	guest_init(&s->g.guest, ram);
	if (bypass_rdma_parse(text, &options) || bypass_rdma_open(&options, &dev)) {
		fprintf(stderr, "%s\n", bypass_error());
		exit(2);
	}
	rdma_guest_start(&s->g, dev);
	if (rdma_guest_set_doorbell(&s->g) ||
	    rdma_guest_create(&s->g, BYPASS_RDMA_ALLOC_UCONTEXT, &s->g.ucontext) ||
	    rdma_guest_create(&s->g, BYPASS_RDMA_ALLOC_PD, &s->pd))
		guest_die("first commands");
}

static void *shm(struct side *s, unsigned int i)
{
	return (char *)s->g.dev->shm.hva + s->g.mmaps[i].shm_offset;
}

static void create_queues(struct side *s)
{
	const struct bypass_rdma_create_cq cq = {.cqe = 64, .vector = s->g.config.vectors - 1};
	struct bypass_rdma_create_qp qp = {
		.pd = s->pd,
		.srq = BYPASS_RDMA_NONE,
		.type = IB_UVERBS_QPT_RC,
		.sq_sig_all = 1,
		.max_send_wr = 16,
		.max_recv_wr = 16,
		.max_send_sge = 2,
		.max_recv_sge = 2,
	};
	struct bypass_rdma_cq cq_reply;
	struct bypass_rdma_qp qp_reply;

	check(!rdma_guest_call(
		      &s->g,
		      &(struct rdma_guest_call){.command = BYPASS_RDMA_CREATE_CQ,
						.body = &cq,
						.body_size = sizeof(cq),
						.reply = &cq_reply,
						.reply_size = sizeof(cq_reply),
						.udata_room = sizeof(struct rxe_create_cq_resp)}) &&
		      s->g.n_mmaps == 1,
	      "a completion queue is made and one mapping announced");
	s->cq = cq_reply.handle;
	s->cq_buf = shm(s, 0);
	check(s->cq_buf->index_mask + 1 >= 64 && s->cq_buf->log2_elem_size >= 6, "its queue is in "
										 "the shared "
										 "memory");

	qp.send_cq = qp.recv_cq = s->cq;
	check(!rdma_guest_call(
		      &s->g,
		      &(struct rdma_guest_call){.command = BYPASS_RDMA_CREATE_QP,
						.body = &qp,
						.body_size = sizeof(qp),
						.reply = &qp_reply,
						.reply_size = sizeof(qp_reply),
						.udata_room = sizeof(struct rxe_create_qp_resp)}) &&
		      s->g.n_mmaps == 2,
	      "a queue pair is made and two mappings announced");
	s->qp = qp_reply.handle;
	s->qpn = qp_reply.qpn;
	s->rq_buf = shm(s, 0);
	s->sq_buf = shm(s, 1);
}

/* The buffer's pages lie in RAM last first, and no two of them beside each other. */
static void create_buffer(struct side *s)
{
	uint64_t first;

	s->n_pages = ((IOVA + LENGTH - 1) / GUEST_PAGE) - IOVA / GUEST_PAGE + 1;
	first = guest_alloc(&s->g.guest, 2 * s->n_pages * GUEST_PAGE);
	for (uint32_t i = 0; i < s->n_pages; i++)
		s->pages[i] = first + 2 * (s->n_pages - 1 - i) * GUEST_PAGE;
	check(!rdma_guest_register(&s->g, s->pd, ACCESS, IOVA, LENGTH, s->pages, s->n_pages,
				   &s->mr),
	      "scattered pages are registered under the guest's own addresses");
}

static char *byte_at(struct side *s, uint32_t offset)
{
	uint64_t at = IOVA % GUEST_PAGE + offset;

	return s->g.guest.ram + s->pages[at / GUEST_PAGE] + at % GUEST_PAGE;
}

static void fill(struct side *s, unsigned int seed)
{
	for (uint32_t i = 0; i < LENGTH; i++)
		*byte_at(s, i) = seed ? (char)(seed * 31 + i * 7 + (i >> 8)) : 0;
}

static bool same(struct side *a, struct side *b)
{
	for (uint32_t i = 0; i < LENGTH; i++) {
		if (*byte_at(a, i) != *byte_at(b, i))
			return false;
	}
	return true;
}

static uint32_t modify(struct side *s, uint32_t mask, struct bypass_rdma_qp_attr attr)
{
	const struct bypass_rdma_modify_qp body = {.handle = s->qp, .mask = mask, .attr = attr};
	uint32_t status;

	status = rdma_guest_call(&s->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_MODIFY_QP,
								  .body = &body,
								  .body_size = sizeof(body)});
	if (status)
		printf("# modify to state %u: status %u\n", attr.qp_state, status);
	return status;
}

static void connect_to(struct side *s, const struct side *peer, const uint8_t gid[16],
		       uint8_t index)
{
	struct bypass_rdma_qp_attr init = {.qp_state = 1, .access = ACCESS, .port = 1};
	struct bypass_rdma_qp_attr rtr = {
		.qp_state = 2,
		.path_mtu = 3,
		.dest_qpn = peer->qpn,
		.rq_psn = 1000,
		.ah = {.is_global = 1, .hop_limit = 64, .sgid_index = index, .port = 1},
		.max_dest_rd_atomic = 4,
		.min_rnr_timer = 12,
	};
	struct bypass_rdma_qp_attr rts = {
		.qp_state = 3,
		.sq_psn = 1000,
		.timeout = 14,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 4,
	};

	memcpy(rtr.ah.dgid, gid, 16);
	check(!modify(s, 1 | 1 << 3 | 1 << 4 | 1 << 5, init), "reset to init");
	check(!modify(s, 1 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 15 | 1 << 17 | 1 << 20, rtr),
	      "init to ready to receive; the host resolves the address");
	check(!modify(s, 1 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 16, rts), "ready to send");
}

/* --- what the provider does, in loads and stores only */

static void *slot(struct rxe_queue_buf *q, uint32_t index)
{
	return q->data + ((size_t)(index & q->index_mask) << q->log2_elem_size);
}

static void advance(struct rxe_queue_buf *q)
{
	__atomic_store_n(&q->producer_index, (q->producer_index + 1) & q->index_mask,
			 __ATOMIC_RELEASE);
}

static void post_recv(struct side *s)
{
	struct rxe_recv_wqe *wqe = slot(s->rq_buf, s->rq_buf->producer_index);

	*wqe = (struct rxe_recv_wqe){.wr_id = 77};
	wqe->dma.length = wqe->dma.resid = LENGTH;
	wqe->dma.num_sge = 1;
	wqe->dma.sge[0] = (struct rxe_sge){IOVA, LENGTH, s->mr.lkey};
	advance(s->rq_buf);
}

static void post(struct side *s, uint32_t opcode, uint64_t remote, uint32_t rkey)
{
	struct rxe_send_wqe *wqe = slot(s->sq_buf, s->sq_buf->producer_index);

	*wqe = (struct rxe_send_wqe){.wr = {.wr_id = 55, .opcode = opcode}, .iova = remote};
	wqe->wr.send_flags = IBV_SEND_SIGNALED;
	wqe->wr.wr.rdma.remote_addr = remote;
	wqe->wr.wr.rdma.rkey = rkey;
	wqe->dma.length = wqe->dma.resid = LENGTH;
	wqe->dma.num_sge = 1;
	wqe->dma.sge[0] = (struct rxe_sge){IOVA, LENGTH, s->mr.lkey};
	advance(s->sq_buf);
	rdma_guest_post_send(&s->g, s->qp);
}

/* The next completion's status and work request; -1 when none comes. */
static int poll_cq(struct side *s, uint64_t *wr_id)
{
	struct rxe_queue_buf *q = s->cq_buf;
	struct ib_uverbs_wc wc;

	for (int ms = 0; ms < 20000; ms++) {
		if (__atomic_load_n(&q->producer_index, __ATOMIC_ACQUIRE) != q->consumer_index) {
			memcpy(&wc, slot(q, q->consumer_index), sizeof(wc));
			__atomic_store_n(&q->consumer_index,
					 (q->consumer_index + 1) & q->index_mask, __ATOMIC_RELEASE);
			*wr_id = wc.wr_id;
			return wc.status;
		}
		usleep(1000);
	}
	return -1;
}

static bool completes(struct side *s, uint64_t wr_id, int status)
{
	uint64_t id = 0;
	int got = poll_cq(s, &id);

	if (got != status || id != wr_id)
		printf("# completion of %" PRIu64 " with status %d\n", id, got);
	return got == status && id == wr_id;
}

/* --- modes */

/* A GID that both slices use: they see the port's own table. */
static uint8_t find_gid(struct side *s, uint8_t gid[16])
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct bypass_rdma_port_query body = {.port = 1};
	struct bypass_rdma_port port;
	struct bypass_rdma_gids gids;
	struct bypass_rdma_pkeys pkeys;

	check(!RDMA_GUEST_CALL(&s->g, QUERY_PORT, &body, &port) && port.state == 4 &&
		      port.link_layer == 2,
	      "the port is active, and Ethernet");
	check(!RDMA_GUEST_CALL(&s->g, QUERY_PKEYS, &body, &pkeys) && pkeys.count == 1 &&
		      pkeys.pkey[0] == 0xffff,
	      "it has the default P_Key");
	check(!RDMA_GUEST_CALL(&s->g, QUERY_GIDS, &body, &gids) && gids.count == port.gid_tbl_len,
	      "it has GIDs");
	/* An IPv4 address: an IPv6 one may still be tentative. */
	for (uint32_t i = 0; i < gids.count; i++) {
		if (!memcmp(gids.gid[i], v4_mapped, sizeof(v4_mapped)) && gids.type[i] == 2) {
			memcpy(gid, gids.gid[i], 16);
			return i;
		}
	}
	check(false, "one of them is for RoCE v2 over IPv4");
	return 0;
}

static void exchange(struct side *a, struct side *b)
{
	uint32_t event[2];

	fill(a, 1);
	fill(b, 0);
	post_recv(b);
	post(a, IB_UVERBS_WR_SEND, 0, 0);
	check(completes(a, 55, 0) && completes(b, 77, 0) && same(a, b), "a send arrives, byte for "
									"byte");

	fill(a, 2);
	post(a, IB_UVERBS_WR_RDMA_WRITE, IOVA, b->mr.rkey);
	check(completes(a, 55, 0) && same(a, b), "a write arrives");

	fill(b, 3);
	post(a, IB_UVERBS_WR_RDMA_READ, IOVA, b->mr.rkey);
	check(completes(a, 55, 0) && same(a, b), "a read fetches");

	check(rdma_guest_arm(&b->g, b->cq), "a completion queue is armed");
	post_recv(b);
	post(a, IB_UVERBS_WR_SEND, 0, 0);
	check(rdma_guest_event(&b->g, BYPASS_RDMA_QUEUE_VECTOR + b->g.config.vectors - 1, 20000,
			       event) &&
		      event[0] == b->cq,
	      "its event comes on its vector's queue, with its handle");
	check(completes(a, 55, 0) && completes(b, 77, 0), "and the completions are there");
}

static void trespass(struct side *a, struct side *b, const uint8_t gid[16], uint8_t index)
{
	const struct bypass_rdma_release_mmap foreign = {.shm_offset = 1 << 20, .size = 4096};
	static char before[LENGTH];
	uint64_t id;

	check(rdma_guest_destroy(&a->g, BYPASS_RDMA_DESTROY_QP, a->qp + 1) == BYPASS_RDMA_E_HANDLE,
	      "a handle that is not there is refused");
	check(rdma_guest_call(&a->g, &(struct rdma_guest_call){.command = BYPASS_RDMA_RELEASE_MMAP,
							       .body = &foreign,
							       .body_size = sizeof(foreign)}) ==
		      BYPASS_RDMA_E_INVALID,
	      "an offset that was not given is refused");
	check(rdma_guest_destroy(&a->g, BYPASS_RDMA_DEALLOC_PD, a->pd) == BYPASS_RDMA_E_BUSY,
	      "a protection domain in use stays");

	fill(b, 4);
	for (uint32_t i = 0; i < LENGTH; i++)
		before[i] = *byte_at(b, i);
	post(a, IB_UVERBS_WR_RDMA_WRITE, IOVA, a->mr.rkey);
	check(completes(a, 55, IBV_WC_REM_ACCESS_ERR), "a key of another domain opens nothing");

	create_queues(a);
	create_queues(b);
	connect_to(a, b, gid, index);
	connect_to(b, a, gid, index);
	post(a, IB_UVERBS_WR_RDMA_WRITE, IOVA + LENGTH, b->mr.rkey);
	check(completes(a, 55, IBV_WC_REM_ACCESS_ERR), "nor does an address outside the region");

	create_queues(a);
	create_queues(b);
	connect_to(a, b, gid, index);
	connect_to(b, a, gid, index);
	a->mr.lkey = b->mr.lkey;
	post(a, IB_UVERBS_WR_RDMA_WRITE, IOVA, b->mr.rkey);
	check(poll_cq(a, &id) > 0, "nor does another guest's key name memory to send from");
	for (uint32_t i = 0; i < LENGTH; i++) {
		if (*byte_at(b, i) != before[i])
			check(false, "the other's memory is as it was");
	}
}

static void traffic(const char *options)
{
	static struct side a, b;
	struct bypass_rdma_stats stats;
	uint8_t gid[16], index;

	open_slice(&a, options, 64 << 20);
	open_slice(&b, options, 64 << 20);
	create_queues(&a);
	create_queues(&b);
	create_buffer(&a);
	create_buffer(&b);
	index = find_gid(&a, gid);
	connect_to(&a, &b, gid, index);
	connect_to(&b, &a, gid, index);
	exchange(&a, &b);
	trespass(&a, &b, gid, index);

	bypass_rdma_stats(a.g.dev, &stats);
	printf("# a: %" PRIu64 " commands, %" PRIu64 " refused, %" PRIu64 " kicks, %" PRIu64
	       " post_sends, %" PRIu64 " copied, %" PRIu64 " objects, %" PRIu64 " KiB shared\n",
	       stats.commands, stats.refused, stats.kicks, stats.post_sends, stats.copied,
	       stats.objects, stats.shm_bytes >> 10);
	/* Five sends in the first connection and one in each of two more; four receives. */
	check(strstr(options, "trust-guest") ? !stats.copied : stats.copied >= 7, "work requests "
										  "are copied "
										  "where the guest "
										  "is not trusted, "
										  "and only there");
	check(stats.post_sends >= 5 && stats.pinned_bytes == a.n_pages * GUEST_PAGE, "the counters "
										     "count");
	check(!rdma_guest_destroy(&a.g, BYPASS_RDMA_DEALLOC_UCONTEXT, a.g.ucontext), "a process "
										     "ends");
	bypass_rdma_stats(a.g.dev, &stats);
	check(!stats.objects && !stats.shm_bytes && !stats.pinned_bytes, "and with it all that "
									 "it had");
	rdma_guest_stop(&a.g);
	rdma_guest_stop(&b.g); /* with all its objects */
}

static void runs(const char *options, uint32_t n)
{
	static struct side s;
	uint64_t *pages = calloc(n, sizeof(*pages));
	struct bypass_rdma_mr mr;
	uint64_t first;
	uint32_t status;

	open_slice(&s, options, (uint64_t)n * 2 * GUEST_PAGE + (64 << 20));
	first = s.g.guest.next;
	for (uint32_t i = 0; i < n; i++)
		pages[i] = first + 2ull * i * GUEST_PAGE;
	s.g.guest.next = first + 2ull * n * GUEST_PAGE;
	status = rdma_guest_register(&s.g, s.pd, ACCESS, 0x10000000, n * GUEST_PAGE, pages, n, &mr);
	printf("# %u runs: status %u\n", n, status);
	free(pages);
	rdma_guest_stop(&s.g);
	if (status)
		exit(status == BYPASS_RDMA_E_TOO_BIG ? 3 : 1);
}

static long resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		guest_die("statm");
	fclose(f);
	return pages;
}

static void churn(const char *options, uint32_t n)
{
	static struct side s;
	struct bypass_rdma_mr mr;
	long before = 0, grown;

	open_slice(&s, options, 64 << 20);
	create_buffer(&s);
	for (uint32_t i = 0; i < n; i++) {
		if (rdma_guest_register(&s.g, s.pd, ACCESS, IOVA, LENGTH, s.pages, s.n_pages,
					&mr) ||
		    rdma_guest_destroy(&s.g, BYPASS_RDMA_DEREG_MR, mr.handle))
			check(false, "registration and deregistration in turn");
		if (i == n / 10)
			before = resident();
	}
	grown = resident() - before;
	printf("# %u registrations of %u runs each, %ld pages more than after a tenth of them\n", n,
	       s.n_pages, grown);
	check(grown < 40, "no growth");
	rdma_guest_stop(&s.g);
}

/* Objects of the size of uverbs' events that the host's kernel has. */
static long kernel_objects(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[256];
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "kmalloc-64 %ld", &n) != 1)
			n = -1;
	}
	if (!f || n < 0)
		guest_die("slabinfo");
	fclose(f);
	return n;
}

/* A queue pair in error flushes each request into a CQ that nobody empties: an event each time. */
static void events(const char *options, uint32_t n)
{
	static struct side s;
	const struct bypass_rdma_qp_attr error = {.qp_state = 6};
	uint8_t gid[16], index;
	long before = 0, grown;
	uint32_t event[2], got = 0;

	open_slice(&s, options, 64 << 20);
	create_queues(&s);
	create_buffer(&s);
	index = find_gid(&s, gid);
	connect_to(&s, &s, gid, index);
	check(!modify(&s, 1, error), "a queue pair in error");
	for (uint32_t i = 0; i < n; i++) {
		post(&s, IB_UVERBS_WR_SEND, 0, 0);
		for (int ms = 0;
		     ms < 20000 && __atomic_load_n(&s.sq_buf->consumer_index, __ATOMIC_ACQUIRE) !=
					   s.sq_buf->producer_index;
		     ms++)
			usleep(ms ? 1000 : 10);
		if (i == n / 10)
			before = kernel_objects();
	}
	grown = kernel_objects() - before;
	printf("# %u events, %ld more objects in the kernel than after a tenth of them\n", n,
	       grown);
	check(grown < 5000, "no growth of the kernel");
	while (rdma_guest_event(&s.g, BYPASS_RDMA_QUEUE_EVENT, 0, event))
		got += event[0] == IBV_EVENT_CQ_ERR && event[1] == s.cq;
	check(got > 0, "the guest's buffers have the event");
	printf("# in %u of them\n", got);
	rdma_guest_stop(&s.g);
}

static void wait_for_loss(const char *options)
{
	static struct side s;
	uint32_t event[2] = {0};

	open_slice(&s, options, 64 << 20);
	create_queues(&s);
	create_buffer(&s);
	printf("ready\n");
	fflush(stdout);
	do {
		if (!rdma_guest_event(&s.g, BYPASS_RDMA_QUEUE_EVENT, 60000, event))
			check(false, "an event when the HCA is removed");
	} while (event[0] != BYPASS_RDMA_EVENT_DEVICE_FATAL);
	check(rdma_guest_destroy(&s.g, BYPASS_RDMA_DESTROY_QP, s.qp) == BYPASS_RDMA_E_NO_DEVICE,
	      "commands say that there is no device");
	memset(s.sq_buf, 0, GUEST_PAGE);
	check(true, "the shared memory is still harmless memory");
	rdma_guest_stop(&s.g);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "traffic"))
		traffic(argv[2]);
	else if (argc == 4 && !strcmp(argv[1], "runs"))
		runs(argv[2], atoi(argv[3]));
	else if (argc == 4 && !strcmp(argv[1], "churn"))
		churn(argv[2], atoi(argv[3]));
	else if (argc == 4 && !strcmp(argv[1], "events"))
		events(argv[2], atoi(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "wait"))
		wait_for_loss(argv[2]);
	else
		return 64;
	return 0;
}
