// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Many queue pairs between two sides, all exchanging messages at once, every byte checked.
 *
 *	rdma-pairs DEVICE N ROUNDS		waits for the other side
 *	rdma-pairs DEVICE N ROUNDS HOST		goes to it
 *
 * A message says which side, which pair and which round it is of; each is in its turn. Before these, options:
 *
 *	--seconds S	as many rounds again, until so much time has passed for either side
 *	--timeout T	of the queue pairs, as verbs count it (14): 67 ms, and with each more twice as long
 *	--retries N	of the queue pairs (7, which is without end on rxe)
 */
#include <getopt.h>

#include "rdma-peer.h"

#define PORT "18600"
#define SIZE 1024

struct pair {
	struct ibv_qp *qp;
	uint64_t *out; /* SIZE bytes */
	uint64_t *in;  /* two of them, for every other round */
	uint32_t sent;
	uint32_t got;
};

struct side {
	struct device device;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	struct pair *pairs;
	uint32_t n;
	uint32_t rounds; /* that all pairs come to */
	uint32_t who;	 /* 0 or 1 */
};

static void fill(uint64_t *message, uint32_t who, uint32_t pair, uint32_t round)
{
	uint64_t seed = (uint64_t)who << 63 | (uint64_t)pair << 32 | round;

	for (uint32_t i = 0; i < SIZE / 8; i++)
		message[i] = (seed + i) * 0x9e3779b97f4a7c15ull;
}

static void post_receive(struct side *side, uint32_t i, uint32_t round)
{
	struct pair *pair = &side->pairs[i];
	struct ibv_sge sge = {
		.addr = (uintptr_t)pair->in + round % 2 * SIZE,
		.length = SIZE,
		.lkey = side->mr->lkey,
	};
	struct ibv_recv_wr *bad, wr = {.wr_id = i, .sg_list = &sge, .num_sge = 1};

	errno = ibv_post_recv(pair->qp, &wr, &bad);
	if (errno)
		fail("ibv_post_recv on pair %u", i);
}

static void post_send(struct side *side, uint32_t i)
{
	struct pair *pair = &side->pairs[i];
	struct ibv_sge sge = {
		.addr = (uintptr_t)pair->out,
		.length = SIZE,
		.lkey = side->mr->lkey,
	};
	struct ibv_send_wr *bad, wr = {
					 .wr_id = i,
					 .sg_list = &sge,
					 .num_sge = 1,
					 .opcode = IBV_WR_SEND,
					 .send_flags = IBV_SEND_SIGNALED,
				 };

	fill(pair->out, side->who, i, pair->sent);
	errno = ibv_post_send(pair->qp, &wr, &bad);
	if (errno)
		fail("ibv_post_send on pair %u", i);
}

static void make_pairs(struct side *side)
{
	size_t each = 3 * SIZE;
	char *memory = calloc(side->n, each);

	side->pairs = calloc(side->n, sizeof(*side->pairs));
	if (!memory || !side->pairs)
		fail("calloc");
	side->mr = must_reg(&side->device, memory, side->n * each);
	side->cq = ibv_create_cq(side->device.context, side->n * 4, NULL, NULL, 0);
	if (!side->cq)
		fail("ibv_create_cq");
	for (uint32_t i = 0; i < side->n; i++) {
		struct pair *pair = &side->pairs[i];

		pair->qp = make_qp(&side->device, side->cq);
		pair->out = (uint64_t *)(memory + i * each);
		pair->in = pair->out + SIZE / 8;
	}
}

static void connect_pairs(struct side *side, int fd)
{
	struct address *mine = calloc(side->n, sizeof(*mine));
	struct address *theirs = calloc(side->n, sizeof(*theirs));
	char token = 0;

	if (!mine || !theirs)
		fail("calloc");
	for (uint32_t i = 0; i < side->n; i++)
		mine[i] = address_of(&side->device, side->pairs[i].qp);
	swap_bytes(fd, mine, theirs, side->n * sizeof(*mine));
	for (uint32_t i = 0; i < side->n; i++) {
		connect_qp(&side->device, side->pairs[i].qp, &theirs[i]);
		post_receive(side, i, 0);
		post_receive(side, i, 1);
	}
	swap_bytes(fd, &token, &token, 1); /* both can receive */
	free(theirs);
	free(mine);
}

static void received(struct side *side, uint32_t i)
{
	struct pair *pair = &side->pairs[i];
	uint64_t right[SIZE / 8];

	fill(right, !side->who, i, pair->got);
	if (memcmp(pair->in + pair->got % 2 * SIZE / 8, right, SIZE))
		fail("pair %u: message %u is not what was sent", i, pair->got);
	post_receive(side, i, pair->got + 2);
	pair->got++;
}

/* A queue pair has failed: print what each one says until all are silent for a second. */
static void give_up(struct side *side, struct ibv_wc wc)
{
	double end;
	int n;

	do {
		printf("pairs: %llu of %u: %s\n", (unsigned long long)wc.wr_id, side->n,
		       ibv_wc_status_str(wc.status));
		end = now() + 1;
		do {
			n = ibv_poll_cq(side->cq, 1, &wc);
		} while (!n && now() < end);
	} while (n > 0);
	exit(1);
}

static void exchange(struct side *side, uint32_t rounds)
{
	uint64_t left = 2ull * side->n * rounds;

	side->rounds += rounds;
	for (uint32_t i = 0; i < side->n; i++)
		post_send(side, i);
	for (; left; left--) {
		struct ibv_wc wc = poll_one(side->cq);
		uint32_t i = wc.wr_id;

		if (wc.status != IBV_WC_SUCCESS)
			give_up(side, wc);
		if (wc.opcode == IBV_WC_RECV)
			received(side, i);
		else if (++side->pairs[i].sent < side->rounds)
			post_send(side, i);
	}
}

/* The options; how many seconds there are to fill, or a negative number for wrong usage. */
static double options(int argc, char **argv)
{
	static const struct option known[] = {
		{"seconds", required_argument, NULL, 's'},
		{"timeout", required_argument, NULL, 't'},
		{"retries", required_argument, NULL, 'r'},
		{0},
	};
	double seconds = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == 's')
			seconds = strtod(optarg, NULL);
		else if (option == 't')
			answer_timeout = strtoul(optarg, NULL, 0);
		else if (option == 'r')
			retry_count = strtoul(optarg, NULL, 0);
		else
			return -1;
	}
	return argc - optind < 3 ? -1 : seconds;
}

int main(int argc, char **argv)
{
	double seconds = options(argc, argv), end;
	char again, theirs = 0;
	struct side side = {0};
	uint32_t rounds;
	int fd;

	if (seconds < 0) {
		fputs("usage: rdma-pairs [--seconds S] [--timeout T] [--retries N] DEVICE N ROUNDS "
		      "[HOST]\n",
		      stderr);
		return 2;
	}
	argv += optind;
	side.device = open_device(argv[0]);
	side.n = strtoul(argv[1], NULL, 0);
	rounds = strtoul(argv[2], NULL, 0);
	side.who = !!argv[3];
	make_pairs(&side);
	fd = side.who ? reach(argv[3], PORT) : accept_one(PORT);
	connect_pairs(&side, fd);
	puts("pairs: connected");
	fflush(stdout);
	end = now() + seconds;
	do {
		exchange(&side, rounds);
		again = now() < end;
		/* Neither leaves before the other has its last answer. */
		swap_bytes(fd, &again, &theirs, 1);
	} while (again || theirs);
	printf("pairs: %u queue pairs, %u messages each way, all of them right\n", side.n,
	       side.rounds);
	leave(fd);
	return 0;
}
