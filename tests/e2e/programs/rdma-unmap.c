// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A process that takes away the memory under its own queues, which a ConnectX reads and writes.
 *
 *	rdma-unmap DEVICE
 *
 * Each misdeed has a process of its own, whose end cleans up. What the HCA then finds in the pages is
 * the process's own loss. After each another process must have its traffic.
 */
#include <endian.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <infiniband/mlx5dv.h>

#include "rdma-verbs.h"

#define PAGE	 4096ul
#define MESSAGES 8
#define LIMIT	 60 /* seconds for a misdeed */

struct loop {
	struct device device;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	char *memory;
	struct mlx5dv_qp dv_qp;
	struct mlx5dv_cq dv_cq;
};

static struct loop open_loop(const char *name)
{
	struct loop loop = {.device = open_device(name)};
	struct address to_itself;
	struct mlx5dv_obj obj;

	loop.cq = ibv_create_cq(loop.device.context, 64, NULL, NULL, 0);
	loop.memory = aligned_alloc(PAGE, PAGE);
	if (!loop.cq || !loop.memory)
		fail("ibv_create_cq");
	loop.mr = must_reg(&loop.device, loop.memory, PAGE);
	loop.qp = make_qp(&loop.device, loop.cq);
	to_itself = address_of(&loop.device, loop.qp);
	connect_qp(&loop.device, loop.qp, &to_itself);
	obj = (struct mlx5dv_obj){
		.qp = {.in = loop.qp, .out = &loop.dv_qp},
		.cq = {.in = loop.cq, .out = &loop.dv_cq},
	};
	errno = mlx5dv_init_obj(&obj, MLX5DV_OBJ_QP | MLX5DV_OBJ_CQ);
	if (errno)
		fail("mlx5dv_init_obj");
	return loop;
}

static int write_to_itself(const struct loop *loop)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)loop->memory, .length = 64, .lkey = loop->mr->lkey};
	struct ibv_send_wr *bad, wr = {
					 .sg_list = &sge,
					 .num_sge = 1,
					 .opcode = IBV_WR_RDMA_WRITE,
					 .send_flags = IBV_SEND_SIGNALED,
					 .wr.rdma = {.remote_addr = (uintptr_t)loop->memory + 64,
						     .rkey = loop->mr->rkey},
				 };

	return ibv_post_send(loop->qp, &wr, &bad);
}

/* All is well: what is written arrives, and completes. */
static void traffic(const struct loop *loop)
{
	for (int i = 0; i < MESSAGES; i++) {
		errno = write_to_itself(loop);
		if (errno)
			fail("ibv_post_send");
		expect(poll_one(loop->cq), IBV_WC_SUCCESS, "a write to itself");
	}
}

/* The page of @at: another page for the process, which the HCA does not know. */
static void replace(void *at, bool unmap)
{
	char *page = (char *)((uintptr_t)at & -PAGE);

	if (unmap ? munmap(page, PAGE) : madvise(page, PAGE, MADV_DONTNEED))
		fail("cannot take a page away");
}

/* Doorbells with nothing of the library, which would touch the queue. */
static void ring(const struct loop *loop, uint32_t producer)
{
	const uint32_t words[] = {htobe32(producer << 8), htobe32(loop->qp->qp_num << 8 | 1)};
	uint64_t value;

	memcpy(&value, words, sizeof(value));
	for (int i = 0; i < MESSAGES; i++)
		*(volatile uint64_t *)loop->dv_qp.bf.reg = value;
}

static void unmap_send_queue(struct loop *loop)
{
	loop->dv_qp.dbrec[1] = htobe32(200);
	replace(loop->dv_qp.sq.buf, true);
	ring(loop, 200);
}

static void unmap_completions(struct loop *loop)
{
	for (int i = 0; i < MESSAGES; i++)
		write_to_itself(loop);
	replace(loop->dv_cq.buf, true);
	ring(loop, MESSAGES);
}

static void unmap_record(struct loop *loop)
{
	replace(loop->dv_qp.dbrec, true);
	ring(loop, MESSAGES);
}

/* The process has zeroes there now, the HCA what was there. */
static void forget_pages(struct loop *loop)
{
	replace(loop->dv_qp.sq.buf, false);
	replace(loop->dv_cq.buf, false);
	for (int i = 0; i < MESSAGES; i++)
		write_to_itself(loop);
}

static void unmap_region(struct loop *loop)
{
	replace(loop->memory, true);
	for (int i = 0; i < MESSAGES; i++)
		write_to_itself(loop);
}

/* A child has the queues too, as copies, and ends before its parent. */
static void fork_once(struct loop *loop)
{
	int status;
	pid_t child = fork();

	if (!child) {
		memset(loop->memory, 0x5a, PAGE);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		fail("a child ends badly");
	ring(loop, 0);
}

/* It ends with work in flight. */
static void leave(struct loop *loop)
{
	for (int i = 0; i < MESSAGES; i++)
		write_to_itself(loop);
	kill(getpid(), SIGKILL);
}

static const struct {
	const char *what;
	void (*commit)(struct loop *loop);
} misdeeds[] = {
	{"a send queue unmapped", unmap_send_queue},
	{"a completion queue unmapped", unmap_completions},
	{"a doorbell record unmapped", unmap_record},
	{"pages of queues given back", forget_pages},
	{"registered memory unmapped", unmap_region},
	{"a child of a fork", fork_once},
	{"an end by SIGKILL", leave},
};

static void in_child(const char *name, void (*commit)(struct loop *loop), const char *what)
{
	pid_t child = fork();
	double end = now() + LIMIT;
	int status;

	if (!child) {
		struct loop loop = open_loop(name);

		traffic(&loop);
		if (commit)
			commit(&loop);
		/* Nothing is destroyed: the library would touch what is gone. */
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) != child) {
		if (now() > end)
			fail("%s: the process does not end", what);
		usleep(10000);
	}
	if (!commit && status)
		fail("after %s another process has no traffic", what);
	if (commit)
		printf("unmap: %s\n", what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: rdma-unmap DEVICE\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(misdeeds) / sizeof(misdeeds[0]); i++) {
		in_child(argv[1], misdeeds[i].commit, misdeeds[i].what);
		in_child(argv[1], NULL, misdeeds[i].what);
	}
	return 0;
}
