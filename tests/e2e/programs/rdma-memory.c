// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Registrations: large and scattered, many, over and over, and what they cost. Each that
 * can be is tried by RDMA through a queue pair that is connected to itself.
 *
 *	rdma-memory DEVICE scatter MIB KIB	one region, its blocks of KIB in random order
 *	rdma-memory DEVICE many N		N regions at the same time
 *	rdma-memory DEVICE loop N		N times: register, deregister
 *	rdma-memory DEVICE cost N		microseconds of the set-up verbs, best of N
 *	rdma-memory DEVICE count N		each of them N times between two lines (rdma-marks.h), so that
 *						somebody else can count what commands cost
 */
#include <sys/mman.h>

#include "rdma-marks.h"
#include "rdma-verbs.h"

static void *must_map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		fail("mmap of %zu bytes", size);
	return at;
}

static uint64_t pattern(uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull;
}

/* First touched in random order, neighbours are seldom neighbours in physical memory. */
static void touch_at_random(char *at, size_t size, size_t block)
{
	size_t n = size / block, *order = calloc(n, sizeof(*order));

	if (!order)
		fail("calloc");
	madvise(at, size, MADV_NOHUGEPAGE);
	srandom(1);
	for (size_t i = 0; i < n; i++) {
		size_t j = random() % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t page = 0; page < block; page += 4096)
			at[order[i] * block + page] = 1;
	}
	free(order);
}

/* Every page is written by RDMA from one MiB elsewhere, and read back into another. */
static void scatter(const struct device *device, size_t mib, size_t kib)
{
	const size_t chunk = 1 << 20, words = chunk / 8;
	uint64_t *out = must_map(chunk), *in = must_map(chunk);
	struct ibv_qp *qp = make_loop(device);
	char *at = must_map(mib << 20);
	struct ibv_mr *mr, *out_mr, *in_mr;

	touch_at_random(at, mib << 20, kib << 10);
	mr = must_reg(device, at, mib << 20);
	out_mr = must_reg(device, out, chunk);
	in_mr = must_reg(device, in, chunk);
	for (size_t i = 0; i < mib; i++) {
		uint64_t remote = (uintptr_t)at + i * chunk;

		for (size_t w = 0; w < words; w++)
			out[w] = pattern(i * words + w);
		expect(do_rdma(qp, IBV_WR_RDMA_WRITE, (uintptr_t)out, out_mr->lkey, remote,
			       mr->rkey, chunk),
		       IBV_WC_SUCCESS, "RDMA write");
		/* The process must see it where it registered it. */
		if (memcmp(at + i * chunk, out, chunk))
			fail("MiB %zu: written data is not there", i);
	}
	for (size_t i = 0; i < mib; i++) {
		expect(do_rdma(qp, IBV_WR_RDMA_READ, (uintptr_t)in, in_mr->lkey,
			       (uintptr_t)at + i * chunk, mr->rkey, chunk),
		       IBV_WC_SUCCESS, "RDMA read");
		for (size_t w = 0; w < words; w++) {
			if (in[w] != pattern(i * words + w))
				fail("MiB %zu, word %zu: read back wrong", i, w);
		}
	}
	printf("scatter: %zu MiB in blocks of %zu KiB written and read\n", mib, kib);
}

static void many(const struct device *device, size_t n)
{
	struct ibv_mr **mrs = calloc(n, sizeof(*mrs));
	struct ibv_qp *qp = make_loop(device);
	char *at = must_map(n * 4096);

	if (!mrs)
		fail("calloc");
	for (size_t i = 0; i < n; i++) {
		mrs[i] = must_reg(device, at + i * 4096, 4096);
		*(uint64_t *)(at + i * 4096) = pattern(i);
	}
	/* Each through its own key, into the next one's second half. */
	for (size_t i = 0; i < n; i++) {
		char *to = at + (i + 1) % n * 4096 + 2048;

		expect(do_rdma(qp, IBV_WR_RDMA_WRITE, (uintptr_t)at + i * 4096, mrs[i]->lkey,
			       (uintptr_t)to, mrs[(i + 1) % n]->rkey, 8),
		       IBV_WC_SUCCESS, "RDMA write");
		if (*(uint64_t *)to != pattern(i))
			fail("region %zu: written data is not there", i);
	}
	for (size_t i = 0; i < n; i++) {
		if (ibv_dereg_mr(mrs[i]))
			fail("ibv_dereg_mr");
	}
	printf("many: %zu regions at a time\n", n);
}

static void loop(const struct device *device, size_t n)
{
	char *at = must_map(65536);

	for (size_t i = 0; i < n; i++) {
		if (ibv_dereg_mr(must_reg(device, at + i % 16 * 4096, 4096)))
			fail("ibv_dereg_mr, round %zu", i);
	}
	printf("loop: %zu rounds\n", n);
}

enum { QUESTION, CREATE_QP, CONNECT_QP, REGISTER_64K, REGISTER_64M, COSTS };
static const char *const cost_names[COSTS] = {
	[QUESTION] = "question",	 [CREATE_QP] = "create-qp",
	[CONNECT_QP] = "connect-qp",	 [REGISTER_64K] = "register-64K",
	[REGISTER_64M] = "register-64M",
};

/* One that is answered at once: in a guest, the way to the host and back. */
static double cost_of_question(const struct device *device)
{
	struct ibv_port_attr attr;
	double start = now();

	if (ibv_query_port(device->context, 1, &attr))
		fail("ibv_query_port");
	return now() - start;
}

static double cost_of_mr(const struct device *device, void *at, size_t size)
{
	double start = now();
	struct ibv_mr *mr = must_reg(device, at, size);

	start = now() - start;
	ibv_dereg_mr(mr);
	return start;
}

static void cost_of_qp(const struct device *device, struct ibv_cq *cq, double *took)
{
	double start = now(), created;
	struct ibv_qp *qp = make_qp(device, cq);
	const struct address to_itself = address_of(device, qp);

	created = now();
	connect_qp(device, qp, &to_itself);
	took[CREATE_QP] = created - start;
	took[CONNECT_QP] = now() - created;
	ibv_destroy_qp(qp);
}

/* The best time is the one with the least of everything else in it. */
static void cost(const struct device *device, size_t n)
{
	struct ibv_cq *cq = ibv_create_cq(device->context, 64, NULL, NULL, 0);
	const size_t large = 64 << 20;
	char *at = must_map(large);
	double best[COSTS], took[COSTS];

	if (!cq)
		fail("ibv_create_cq");
	memset(at, 1, large);
	for (size_t i = 0; i < n; i++) {
		took[QUESTION] = cost_of_question(device);
		cost_of_qp(device, cq, took);
		took[REGISTER_64K] = cost_of_mr(device, at, 65536);
		took[REGISTER_64M] = cost_of_mr(device, at, large);
		for (int k = 0; k < COSTS; k++)
			best[k] = !i || took[k] < best[k] ? took[k] : best[k];
	}
	for (int k = 0; k < COSTS; k++)
		printf("cost: %s %.0f\n", cost_names[k], best[k] * 1e6);
}

/* Each verb with what undoes it, so that the next one is like it. */
static void do_once(const struct device *device, struct ibv_cq *cq, struct ibv_qp *qp, void *at,
		    int verb)
{
	const struct address to_itself = address_of(device, qp);
	struct ibv_qp_attr reset = {.qp_state = IBV_QPS_RESET};

	switch (verb) {
	case QUESTION:
		cost_of_question(device);
		break;
	case CREATE_QP:
		ibv_destroy_qp(make_qp(device, cq));
		break;
	case CONNECT_QP:
		connect_qp(device, qp, &to_itself);
		if (ibv_modify_qp(qp, &reset, IBV_QP_STATE))
			fail("queue pair to RESET");
		break;
	case REGISTER_64K:
		cost_of_mr(device, at, 65536);
		break;
	default:
		cost_of_mr(device, at, 64 << 20);
	}
}

static void count(const struct device *device, size_t n)
{
	struct ibv_cq *cq = ibv_create_cq(device->context, 64, NULL, NULL, 0);
	char *at = must_map(64 << 20);
	struct ibv_qp *qp;

	if (!cq)
		fail("ibv_create_cq");
	qp = make_qp(device, cq);
	memset(at, 1, 64 << 20);
	for (int k = 0; k < COSTS; k++) {
		do_once(device, cq, qp, at, k);
		tell_and_wait(cost_names[k], "ready", "control");
		for (size_t i = 0; i < n; i++)
			do_once(device, cq, qp, at, k);
		tell_and_wait(cost_names[k], "finished", "control");
	}
}

int main(int argc, char **argv)
{
	struct device device;
	size_t a;

	if (argc < 4)
		goto usage;
	device = open_device(argv[1]);
	a = strtoul(argv[3], NULL, 0);
	if (!strcmp(argv[2], "scatter") && argc == 5)
		scatter(&device, a, strtoul(argv[4], NULL, 0));
	else if (!strcmp(argv[2], "many"))
		many(&device, a);
	else if (!strcmp(argv[2], "loop"))
		loop(&device, a);
	else if (!strcmp(argv[2], "cost"))
		cost(&device, a);
	else if (!strcmp(argv[2], "count"))
		count(&device, a);
	else
		goto usage;
	return 0;
usage:
	fputs("usage: rdma-memory DEVICE scatter MIB KIB | many N | loop N | cost N | "
	      "count N\n",
	      stderr);
	return 2;
}
