// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attacks on a function of the ConnectX model, from where a guest can attack one.
 *
 *	hca-hostile program DEVICE SECONDS [SEED]	a program that writes what it likes to its own rings,
 *							doorbell records and UAR page
 *	hca-hostile driver PATH SECONDS [SEED]		a driver that does so, and gives commands that no
 *							driver would; PATH is an unbound function's folder in /sys
 *
 * The second one spares its own kernel, whose end would be the end of the attack: an address in a command is
 * one of its own memory, or of no memory.
 */
#include <endian.h>
#include <time.h>

#include <infiniband/mlx5dv.h>
#include <linux/pci_regs.h>

#include "chance.h"
#include "rdma-verbs.h"
#include "user-pci.h"

static time_t end;

static bool goes_on(void)
{
	return time(NULL) < end;
}

/* ---- A program ---- */

#define BUFFER	 65536
#define ENTRIES	 64
#define ATTEMPTS 200 /* between two times that the queue pairs are made usable again */

struct target {
	struct ibv_qp *qp;
	struct mlx5dv_qp dv_qp;
	struct mlx5dv_cq dv_cq;
	struct mlx5dv_srq dv_srq;
};

static struct target make_target(const struct device *device, enum ibv_qp_type type)
{
	struct ibv_srq_init_attr srq = {.attr = {.max_wr = ENTRIES, .max_sge = 2}};
	struct ibv_cq *cq = ibv_create_cq(device->context, 4 * ENTRIES, NULL, NULL, 0);
	struct ibv_qp_init_attr init = {
		.send_cq = cq,
		.recv_cq = cq,
		.srq = one_in(2) ? ibv_create_srq(device->pd, &srq) : NULL,
		.cap = {.max_send_wr = ENTRIES,
			.max_recv_wr = ENTRIES,
			.max_send_sge = 4,
			.max_recv_sge = 4,
			.max_inline_data = 64},
		.qp_type = type,
	};
	struct target target = {.qp = ibv_create_qp(device->pd, &init)};
	struct mlx5dv_obj obj = {
		.qp = {.in = target.qp, .out = &target.dv_qp},
		.cq = {.in = cq, .out = &target.dv_cq},
		.srq = {.in = init.srq, .out = &target.dv_srq},
	};

	if (!target.qp ||
	    mlx5dv_init_obj(&obj, MLX5DV_OBJ_QP | MLX5DV_OBJ_CQ | (init.srq ? MLX5DV_OBJ_SRQ : 0)))
		fail("no queue pair to attack with");
	return target;
}

static void usable_again(const struct device *device, struct target *target)
{
	const struct address self = address_of(device, target->qp);
	struct ibv_qp_attr reset = {.qp_state = IBV_QPS_RESET};

	/* Queues that are full of anything are no reason for an error of these. */
	if (!ibv_modify_qp(target->qp, &reset, IBV_QP_STATE) && !to_init(target->qp) &&
	    !to_rtr(device, target->qp, &self))
		to_rts(target->qp);
}

static void put_random(uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = any();
}

/* A request that is right but for a field or two */
static void write_request(struct target *target, const struct ibv_mr *mr)
{
	static const uint8_t opcodes[] = {0x00, 0x01, 0x08, 0x09, 0x0a, 0x0b,
					  0x10, 0x11, 0x12, 0x25, 0x14, 0x0e};
	uint16_t index = be32toh(target->dv_qp.dbrec[1]);
	uint8_t *entry = (uint8_t *)target->dv_qp.sq.buf +
			 index % target->dv_qp.sq.wqe_cnt * (size_t)target->dv_qp.sq.stride;
	uint32_t words[16];

	words[0] = htobe32((uint32_t)index << 8 | opcodes[below(sizeof(opcodes))]);
	words[1] = htobe32(target->qp->qp_num << 8 | (one_in(3) ? below(64) : 2 + below(3)));
	words[2] = htobe32(one_in(2) ? 8 : number());
	words[3] = number();
	for (unsigned int i = 4; i < 16; i += 4) {
		uint64_t address = (uintptr_t)mr->addr + below(BUFFER);
		bool remote = i == 4 && one_in(2);

		words[i] = htobe32(remote ? address >> 32 : below(2 * BUFFER));
		words[i + 1] = htobe32(remote ? (uint32_t)address : mr->lkey);
		words[i + 2] = htobe32(remote ? mr->rkey : address >> 32);
		words[i + 3] = htobe32(address);
	}
	while (one_in(2))
		words[below(16)] = htobe32(number());
	memcpy(entry, words, sizeof(words));
	target->dv_qp.dbrec[1] = htobe32(index + (one_in(8) ? number() : 1));
}

static void ring(volatile void *at, uint32_t high, uint32_t low)
{
	*(volatile uint64_t *)at = htobe64((uint64_t)high << 32 | low);
}

static void attack_as_program(struct target *target, const struct ibv_mr *mr)
{
	struct mlx5dv_qp *qp = &target->dv_qp;
	struct mlx5dv_cq *cq = &target->dv_cq;

	switch (below(9)) {
	case 0:
		put_random((uint8_t *)qp->sq.buf + below(qp->sq.wqe_cnt) * qp->sq.stride,
			   below(qp->sq.stride));
		break;
	case 1:
		if (qp->rq.wqe_cnt)
			put_random((uint8_t *)qp->rq.buf + below(qp->rq.wqe_cnt) * qp->rq.stride,
				   qp->rq.stride);
		qp->dbrec[0] = htobe32(number());
		break;
	case 2:
		put_random((uint8_t *)cq->buf + below(cq->cqe_cnt) * cq->cqe_size, cq->cqe_size);
		cq->dbrec[below(2)] = htobe32(number());
		break;
	case 3:
		if (!target->dv_srq.buf)
			break;
		put_random((uint8_t *)target->dv_srq.buf + below(ENTRIES) * target->dv_srq.stride,
			   target->dv_srq.stride);
		*target->dv_srq.dbrec = htobe32(number());
		break;
	case 4:
		ring((uint8_t *)cq->cq_uar + 0x20, number(), one_in(2) ? cq->cqn : number());
		break;
	case 5:
		ring((uint8_t *)cq->cq_uar + (below(PAGE) & ~7ull), number(), number());
		break;
	default:
		write_request(target, mr);
		ring(qp->bf.reg, number(), target->qp->qp_num << 8);
	}
}

static unsigned long long program(const char *name)
{
	struct device device = open_device(name);
	struct target targets[] = {
		make_target(&device, IBV_QPT_RC),
		make_target(&device, IBV_QPT_RC),
		make_target(&device, IBV_QPT_UC),
		make_target(&device, IBV_QPT_UD),
	};
	const unsigned int n = sizeof(targets) / sizeof(*targets);
	void *buffer = aligned_alloc(PAGE, BUFFER);
	struct ibv_mr *mr = must_reg(&device, buffer, BUFFER);
	unsigned long long count = 0;

	while (goes_on()) {
		for (unsigned int i = 0; i < n; i++)
			usable_again(&device, &targets[i]);
		for (unsigned int i = 0; i < ATTEMPTS; i++, count++)
			attack_as_program(&targets[below(n)], mr);
	}
	return count;
}

/* ---- A driver ---- */

#define MAILBOX	  1024
#define MAILBOXES 64
#define SLOTS	  32
#define UAR_PAGES 64

#define OP_CHANGE_KEY 0x25

struct function {
	volatile uint8_t *bar;
	uint8_t *arena; /* commands' slots, then mailboxes, then what addresses in commands name */
	uint64_t gpa;
	uint64_t ram_end;
};

static void write32(struct function *f, uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(f->bar + offset) = htobe32(value);
}

/* Two words that may be taken for an address */
static uint64_t words(const struct function *f)
{
	uint64_t value = one_in(2) ? number() << 32 | (uint32_t)number() : number();

	if (one_in(3))
		return f->gpa + below(ARENA / PAGE) * PAGE;
	return value && value < f->ram_end ? value | 1ull << 40 : value;
}

/*
 * What may be an entry of a send queue is no change of a key: a key with large pages would reach beyond the arena.
 * The fuzz target of requests has such entries, and the program above.
 */
static void write_words(const struct function *f, uint8_t *at, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t value = one_in(2) ? 0 : words(f);

		if ((value >> 32 & 0xff) == OP_CHANGE_KEY)
			value = 0;
		value = htobe64(value);
		memcpy(at + i, &value, sizeof(value));
	}
}

static uint16_t any_opcode(void)
{
	static const uint16_t first[] = {0x100, 0x200, 0x300, 0x400, 0x500,
					 0x700, 0x750, 0x800, 0x900};

	return one_in(10) ? any() : first[below(sizeof(first) / sizeof(*first))] + below(17);
}

/* Numbers of objects, and the states of queue pairs, are small: some are right. */
static void write_command(struct function *f, unsigned int slot)
{
	uint8_t *entry = f->arena + slot * 64, *mailbox = f->arena + PAGE;
	uint16_t opcode = any_opcode();
	bool may_be_wrong = opcode != 0x200;
	uint64_t gpa = f->gpa + PAGE;

	for (unsigned int i = 0; i < MAILBOXES; i++) {
		uint64_t next =
			htobe64(one_in(50) ? words(f) : gpa + (i + 1) % MAILBOXES * MAILBOX);

		write_words(f, mailbox + i * MAILBOX, 512);
		memcpy(mailbox + i * MAILBOX + 560, &next, sizeof(next));
	}
	/*
	 * A key without a table would be one for all of this machine's memory. Large pages would reach beyond the
	 * arena: each log2 of a page's size is that of 4 KiB, wherever a context has the field.
	 */
	mailbox[2] = (mailbox[2] & ~3) | 1;
	mailbox[24] &= 0xe0; /* EQ, CQ */
	mailbox[28] &= 0xe0; /* QP */
	mailbox[59] = 12;    /* key */
	mailbox[16] &= 0xc0; /* XRC SRQ */
	mailbox[98] &= 0xe0; /* RMP */
	memset(entry, 0, 64);
	*(uint32_t *)(void *)(entry + 4) =
		htobe32(may_be_wrong && one_in(10) ? number() : 272 + below(2048));
	*(uint64_t *)(void *)(entry + 8) = htobe64(may_be_wrong && one_in(20) ? words(f) : gpa);
	*(uint16_t *)(void *)(entry + 16) = htobe16(opcode);
	*(uint16_t *)(void *)(entry + 22) = htobe16(below(4));
	*(uint32_t *)(void *)(entry + 24) = htobe32(one_in(4) ? number() : below(80));
	*(uint32_t *)(void *)(entry + 28) = htobe32(number());
	*(uint64_t *)(void *)(entry + 48) = htobe64(one_in(20) ? words(f) : gpa + 32 * MAILBOX);
	*(uint32_t *)(void *)(entry + 56) = htobe32(one_in(10) ? number() : 16 + below(1024));
	entry[63] = 1;
}

static void attack_as_driver(struct function *f)
{
	unsigned int slot = below(SLOTS);
	uint32_t uar = (16 + below(UAR_PAGES)) * PAGE;

	switch (below(8)) {
	case 0: /* rings, doorbell records, tables: after the slots and the mailboxes */
		write_words(f, f->arena + 32 * PAGE + below(ARENA / PAGE - 32) * PAGE, PAGE);
		break;
	case 1:
		ring(f->bar + uar + 0x800 + below(4) * 0x100, number(), below(80) << 8);
		break;
	case 2:
		ring(f->bar + uar + 0x20, number(), one_in(4) ? number() : below(16));
		break;
	case 3:
		write32(f, uar + (one_in(4) ? 0x48 : 0x40), below(8) << 24 | below(256));
		break;
	case 4:
		ring(f->bar + uar + (below(PAGE) & ~7ull), number(), number());
		break;
	default:
		write_command(f, slot);
		write32(f, 0x18, one_in(10) ? number() : 1u << slot);
	}
}

static unsigned long long driver(const char *path)
{
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, off = 0;
	struct function f = {.ram_end = find_ram_end()};
	unsigned long long count = 0;
	int config = open_in(path, "config");

	if (pwrite(config, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		fail("cannot enable the function");
	f.bar = map_bar(path, 0, 0, (16 + UAR_PAGES) * PAGE).at;
	f.arena = get_arena(&f.gpa);
	write32(&f, 0x10, f.gpa >> 32);
	write32(&f, 0x14, f.gpa);
	while (goes_on()) {
		attack_as_driver(&f);
		count++;
	}
	if (pwrite(config, &off, sizeof(off), PCI_COMMAND) != sizeof(off))
		fail("cannot disable the function");
	close(config);
	return count;
}

int main(int argc, char **argv)
{
	bool as_program = argc > 3 && !strcmp(argv[1], "program");

	if (argc < 4 || argc > 5 || (!as_program && strcmp(argv[1], "driver") != 0)) {
		fputs("usage: hca-hostile program DEVICE SECONDS [SEED]\n"
		      "       hca-hostile driver PATH SECONDS [SEED]\n",
		      stderr);
		return 2;
	}
	chance = argc == 5 ? strtoull(argv[4], NULL, 0) : (unsigned long long)time(NULL);
	printf("seed %llu\n", (unsigned long long)chance);
	fflush(stdout);
	end = time(NULL) + atoi(argv[3]);
	printf("%llu attempts\n", as_program ? program(argv[2]) : driver(argv[2]));
	return 0;
}
