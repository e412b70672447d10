/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small mlx5 driver: commands, queues and memory keys of functions of the ConnectX model, in guest
 * memory that the test sees. Each function has a guest of its own. Tests and fuzzers use the driver.
 */
#ifndef HCA_DEVICE_H
#define HCA_DEVICE_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/memory.h>
#include <bypass/slice.h>

#include "../../examples/bypass-hca/completion.h"
#include "../../examples/bypass-hca/hca.h"
#include "../../examples/bypass-hca/layout.h"
#include "../../examples/bypass-hca/request.h"

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define RAM_SIZE  (4u << 20)
#define COMMANDS  0x1000 /* where things lie in the guest's memory */
#define MAILBOXES 0x10000
#define HEAP	  0x80000
#define LOG_SQ	  6
#define LOG_RQ	  4
#define RQ_STRIDE 64
#define LOG_CQ	  7

/* Whether guests put QPs and CQs on a UAR page that is shared memory, not on the one that traps */
static bool shared_pages;

struct guest {
	struct bypass_slice *slice;
	struct hca *hca;
	struct bypass_memory *mem;
	uint8_t *ram;
	uint64_t heap;
	uint32_t pd, uar, eqn, key; /* @key: all memory */
	uint32_t page;		    /* the UAR page of QPs and CQs: @uar, or a shared one */
	int vector;
	uint32_t eq_consumer;
	uint64_t eq;
};

struct guest_cq {
	uint32_t number, consumer;
	uint64_t entries, record;
};

struct guest_qp {
	struct guest *guest;
	struct guest_cq send_cq, receive_cq;
	uint32_t number;
	uint64_t entries, record;
	uint16_t sends, receives;
};

static inline uint64_t guest_alloc(struct guest *g, uint64_t size)
{
	uint64_t at = g->heap;

	g->heap += (size + 4095) & ~4095ull;
	REQUIRE(g->heap <= RAM_SIZE);
	return at;
}

static inline void bar_write32(struct guest *g, uint64_t offset, uint32_t value)
{
	value = htobe32(value);
	REQUIRE((g->slice->ops->bar_write(g->slice, 0, offset, &value, 4)) == 0);
}

static inline void bar_write64(struct guest *g, uint64_t offset, uint32_t high, uint32_t low)
{
	uint64_t value = htobe64((uint64_t)high << 32 | low);

	REQUIRE((g->slice->ops->bar_write(g->slice, 0, offset, &value, 8)) == 0);
}

/* A doorbell on the page of QPs and CQs: a store to memory, or one that traps */
static inline void ring(struct guest *g, uint32_t place, uint32_t high, uint32_t low)
{
	const struct bypass_window *window = g->slice->bars[0].windows;
	uint64_t value = htobe64((uint64_t)high << 32 | low);
	uint64_t offset = (uint64_t)g->page * HCA_PAGE + place;

	if (offset < window->offset)
		bar_write64(g, offset, high, low);
	else
		__atomic_store_n((uint64_t *)((uint8_t *)window->hva + (offset - window->offset)),
				 value, __ATOMIC_RELEASE);
}

static inline void chain_copy(struct guest *g, uint64_t mailbox, uint8_t *data, uint32_t size,
			      bool to_guest)
{
	for (; size; mailbox += 1024) {
		uint32_t n = size < 512 ? size : 512;

		if (to_guest)
			memcpy(g->ram + mailbox, data, n);
		else
			memcpy(data, g->ram + mailbox, n);
		put_be64(g->ram + mailbox + 560, mailbox + 1024);
		data += n;
		size -= n;
	}
}

/* The status of the command; @in is the whole input with its opcode. */
static inline uint8_t command(struct guest *g, const uint8_t *in, uint32_t in_size, uint8_t *out,
			      uint32_t out_size)
{
	uint8_t *entry = g->ram + COMMANDS;
	uint64_t answer = MAILBOXES + 0x20000;

	memset(entry, 0, 64);
	entry[0] = 7;
	put_be32(entry + 4, in_size);
	put_be64(entry + 8, MAILBOXES);
	memcpy(entry + 16, in, in_size < 16 ? in_size : 16);
	put_be64(entry + 48, answer);
	put_be32(entry + 56, out_size);
	entry[63] = 1;
	if (in_size > 16)
		chain_copy(g, MAILBOXES, (uint8_t *)in + 16, in_size - 16, true);
	if (out_size > 16) {
		uint8_t zeroes[4096] = {0};

		chain_copy(g, answer, zeroes, out_size - 16, true);
	}
	bar_write32(g, 0x18, 1);
	REQUIRE((entry[63]) == 0);
	memcpy(out, entry + 32, out_size < 16 ? out_size : 16);
	if (out_size > 16)
		chain_copy(g, answer, out + 16, out_size - 16, false);
	return out[0];
}

/* A command that must succeed; @number comes back. */
static inline uint32_t must(struct guest *g, uint16_t opcode, uint8_t *in, uint32_t in_size)
{
	uint8_t out[16] = {0};

	field_set(in, CMD_OPCODE, opcode);
	REQUIRE((command(g, in, in_size, out, sizeof(out))) == STATUS_OK);
	return field_get(out, CMD_NUMBER);
}

static inline uint32_t simple(struct guest *g, uint16_t opcode, uint32_t number)
{
	uint8_t in[16] = {0};

	field_set(in, CMD_NUMBER, number);
	return must(g, opcode, in, sizeof(in));
}

static inline void put_pages(uint8_t *list, uint64_t address, uint64_t size)
{
	for (uint64_t done = 0; done < size; done += 4096, list += 8)
		put_be64(list, address + done);
}

static inline void make_eq(struct guest *g, uint64_t events)
{
	uint8_t in[CMD_PAGES + 64] = {0}, out[16] = {0};

	g->eq = guest_alloc(g, 4096);
	field_set(in, CMD_OPCODE, 0x301);
	field_set(in + CMD_CONTEXT, EQC_LOG_SIZE, 6);
	field_set(in + CMD_CONTEXT, EQC_VECTOR, 1);
	put_be64(in + CMD_EQ_EVENTS, events);
	put_pages(in + CMD_PAGES, g->eq, 4096);
	for (unsigned int i = 0; i < 64; i++)
		g->ram[g->eq + i * 64 + 63] = 1;
	REQUIRE((command(g, in, CMD_PAGES + 8, out, sizeof(out))) == STATUS_OK);
	g->eqn = field_get(out, CMD_EQN);
	bar_write32(g, g->uar * HCA_PAGE + 0x40, g->eqn << 24);
}

/* The next event, or NULL; its type is byte 1, its data begin at byte 32. */
static inline const uint8_t *next_event(struct guest *g)
{
	const uint8_t *eqe = g->ram + g->eq + g->eq_consumer % 64 * 64;

	if (eqe[63] != (g->eq_consumer / 64 & 1))
		return NULL;
	g->eq_consumer++;
	bar_write32(g, g->uar * HCA_PAGE + 0x40, g->eqn << 24 | (g->eq_consumer & 0xffffff));
	return eqe;
}

/* A key for @size bytes at @start, by a table of pages; @rights: fields that are 1 */
static inline uint32_t make_key(struct guest *g, uint64_t start, uint64_t size,
				const uint32_t *rights)
{
	uint8_t in[CMD_PAGES + 8 * 1024] = {0};
	uint32_t pages = (size + 4095) / 4096, octowords = (pages + 1) / 2;

	field_set(in, CMD_OCTOWORDS, octowords);
	field_set(in + CMD_CONTEXT, MKC_MODE, 1);
	field_set(in + CMD_CONTEXT, MKC_KEY, 0x5a);
	field_set(in + CMD_CONTEXT, MKC_PD, g->pd);
	field_set(in + CMD_CONTEXT, MKC_START, start);
	field_set(in + CMD_CONTEXT, MKC_LENGTH, size);
	field_set(in + CMD_CONTEXT, MKC_LOG_PAGE, 12);
	field_set(in + CMD_CONTEXT, MKC_OCTOWORDS, octowords);
	for (; *rights; rights++)
		field_set(in + CMD_CONTEXT, *rights, 1);
	put_pages(in + CMD_PAGES, start & ~4095ull, size);
	return must(g, 0x200, in, CMD_PAGES + 16 * octowords) << 8 | 0x5a;
}

static const uint32_t all_rights[] = {MKC_LOCAL_READ,	MKC_LOCAL_WRITE, MKC_REMOTE_READ,
				      MKC_REMOTE_WRITE, MKC_ATOMIC,	 0};

/* @command: what the driver writes to the command register, in @size bytes */
static inline void command_register(struct guest *g, uint16_t command, uint32_t size)
{
	REQUIRE(g->slice->ops->config_write(g->slice, PCI_COMMAND, &command, size) == 0);
}

/* As a driver does that finds the function after power-on, or after a reset */
static inline void guest_start(struct guest *g)
{
	int fds[HCA_VECTORS];

	command_register(g, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	memset(g->ram, 0, RAM_SIZE);
	g->heap = HEAP;
	g->eq_consumer = 0;
	for (unsigned int i = 0; i < HCA_VECTORS; i++)
		fds[i] = i == 1 ? g->vector : -1;
	g->slice->ops->vectors(g->slice, BYPASS_IRQ_MSIX, 0, HCA_VECTORS, fds);
	bar_write32(g, 0x10, 0);
	bar_write32(g, 0x14, COMMANDS);
	simple(g, 0x104, 0);
	g->uar = simple(g, 0x802, 0);
	g->page = shared_pages ? simple(g, 0x802, 0) : g->uar;
	g->pd = simple(g, 0x800, 0);
	make_eq(g, UINT64_MAX & ~(1ull << EVENT_COMMAND));
	g->key = make_key(g, HEAP, RAM_SIZE - HEAP, all_rights);
}

static inline void guest_open(struct guest *g, struct subnet *subnet)
{
	struct bypass_memory_range range;

	memset(g, 0, sizeof(*g));
	g->mem = bypass_memory_new();
	REQUIRE(bypass_ram_alloc(RAM_SIZE, false, &range) == 0);
	REQUIRE(bypass_memory_add(g->mem, &range) == 0);
	g->ram = range.hva;
	REQUIRE(hca_open(subnet, &g->slice) == 0);
	g->hca = (struct hca *)g->slice;
	REQUIRE(g->slice->ops->set_memory(g->slice, g->mem) == 0);
	g->vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	guest_start(g);
}

static inline void guest_close(struct guest *g)
{
	struct bypass_memory_range range = *bypass_memory_ranges(g->mem, &(unsigned int){0});

	bypass_slice_close(g->slice);
	bypass_memory_free(g->mem);
	bypass_ram_free(&range);
	close(g->vector);
}

static inline struct guest_cq make_cq(struct guest *g)
{
	struct guest_cq cq = {.entries = guest_alloc(g, 64 << LOG_CQ)};
	uint8_t in[CMD_PAGES + 64] = {0};

	cq.record = guest_alloc(g, 8);
	field_set(in + CMD_CONTEXT, CQC_LOG_SIZE, LOG_CQ);
	field_set(in + CMD_CONTEXT, CQC_EQN, g->eqn);
	field_set(in + CMD_CONTEXT, CQC_RECORD, cq.record);
	field_set(in + CMD_CONTEXT, CQC_UAR, g->page);
	put_pages(in + CMD_PAGES, cq.entries, 64 << LOG_CQ);
	for (unsigned int i = 0; i < 1 << LOG_CQ; i++)
		g->ram[cq.entries + i * 64 + 63] = 0xf1;
	cq.number = must(g, 0x400, in, CMD_PAGES + 8 * ((64 << LOG_CQ) / 4096));
	return cq;
}

/* The next completion, or NULL */
static inline const uint8_t *poll_cq(struct guest *g, struct guest_cq *cq)
{
	const uint8_t *cqe = g->ram + cq->entries + cq->consumer % (1 << LOG_CQ) * 64;

	if (cqe[63] >> 4 == 15 || (cqe[63] & 1) != (cq->consumer >> LOG_CQ & 1))
		return NULL;
	cq->consumer++;
	put_be32(g->ram + cq->record, cq->consumer & 0xffffff);
	return cqe;
}

static inline void make_qp(struct guest *g, enum transport transport, struct guest_qp *qp)
{
	uint8_t in[CMD_PAGES + 64] = {0}, *context = in + CMD_QPC;
	uint32_t size = (RQ_STRIDE << LOG_RQ) + (64 << LOG_SQ);

	memset(qp, 0, sizeof(*qp));
	qp->guest = g;
	qp->send_cq = make_cq(g);
	qp->receive_cq = make_cq(g);
	qp->entries = guest_alloc(g, size);
	qp->record = guest_alloc(g, 8);
	field_set(context, QPC_TRANSPORT, transport);
	field_set(context, QPC_PD, g->pd);
	field_set(context, QPC_LOG_RQ, LOG_RQ);
	field_set(context, QPC_LOG_RQ_STRIDE, 2);
	field_set(context, QPC_LOG_SQ, LOG_SQ);
	field_set(context, QPC_UAR, g->page);
	field_set(context, QPC_SEND_CQ, qp->send_cq.number);
	field_set(context, QPC_RECEIVE_CQ, qp->receive_cq.number);
	field_set(context, QPC_RECORD, qp->record);
	put_pages(in + CMD_PAGES, qp->entries, size);
	qp->number = must(g, 0x500, in, CMD_PAGES + 8 * ((size + 4095) / 4096));
}

/* From the one completion on that the driver knows last: @command is 0 or 1 << 24, for solicited ones only. */
static inline void arm_cq(struct guest *g, const struct guest_cq *cq, uint32_t serial,
			  uint32_t command)
{
	uint32_t arm = serial << 28 | command | (cq->consumer & 0xffffff);

	put_be32(g->ram + cq->record + 4, arm);
	ring(g, 0x20, arm, cq->number);
}

static inline uint32_t lid_of(const struct guest *g)
{
	return g->hca->lid;
}

static inline void modify(struct guest_qp *qp, uint16_t opcode, uint8_t *in)
{
	field_set(in, CMD_NUMBER, qp->number);
	must(qp->guest, opcode, in, CMD_PAGES);
}

/* To RTR; @to: the other end, or NULL for a datagram QP */
static inline void listen_qp(struct guest_qp *qp, const struct guest_qp *to)
{
	uint8_t in[CMD_PAGES] = {0}, *context = in + CMD_QPC;

	field_set(context, QPC_QKEY, 0x11111111);
	field_set(context, QPC_REMOTE_READ, 1);
	field_set(context, QPC_REMOTE_WRITE, 1);
	field_set(context, QPC_REMOTE_ATOMIC, 1);
	modify(qp, 0x502, in);
	field_set(context, QPC_MIN_RNR, 1);
	if (to) {
		field_set(context, QPC_REMOTE_QPN, to->number);
		field_set(context, QPC_REMOTE_LID, lid_of(to->guest));
	}
	modify(qp, 0x503, in);
}

/* All the way to RTS */
static inline void connect_qp(struct guest_qp *qp, const struct guest_qp *to)
{
	uint8_t in[CMD_PAGES] = {0}, *context = in + CMD_QPC;

	listen_qp(qp, to);
	field_set(context, QPC_RNR_RETRY, 2);
	field_set(context, QPC_RETRY_COUNT, 1);
	field_set(context, QPC_ACK_TIMEOUT, 1);
	modify(qp, 0x504, in);
}

static inline void post_receive(struct guest_qp *qp, uint64_t address, uint32_t length,
				uint32_t key)
{
	uint8_t *raw = qp->guest->ram + qp->entries + (qp->receives % (1 << LOG_RQ)) * RQ_STRIDE;

	put_be32(raw, length);
	put_be32(raw + 4, key);
	put_be64(raw + 8, address);
	put_be32(raw + 16, 0);
	put_be32(raw + 20, 0x100);
	put_be32(qp->guest->ram + qp->record, ++qp->receives);
}

/* @body: the segments after the control segment, @size a multiple of 16 */
static inline void post_send(struct guest_qp *qp, uint8_t opcode, uint32_t immediate,
			     const void *body, uint32_t size)
{
	uint8_t raw[1024] = {0};
	uint32_t ds = 1 + size / 16, blocks = (ds + 3) / 4;

	put_be32(raw, (uint32_t)qp->sends << 8 | opcode);
	put_be32(raw + 4, qp->number << 8 | ds);
	raw[11] = 0x08;
	put_be32(raw + 12, immediate);
	memcpy(raw + 16, body, size);
	for (uint32_t i = 0; i < blocks; i++)
		memcpy(qp->guest->ram + qp->entries + (RQ_STRIDE << LOG_RQ) +
			       (qp->sends + i) % (1 << LOG_SQ) * 64,
		       raw + 64 * i, 64);
	qp->sends += blocks;
	put_be32(qp->guest->ram + qp->record + 4, qp->sends);
	ring(qp->guest, 0x800, (uint32_t)qp->sends << 8 | opcode, qp->number << 8 | ds);
}

static inline void put_data(uint8_t *segment, uint64_t address, uint32_t length, uint32_t key)
{
	put_be32(segment, length);
	put_be32(segment + 4, key);
	put_be64(segment + 8, address);
}

static inline void put_remote(uint8_t *segment, uint64_t address, uint32_t key)
{
	memset(segment, 0, 16);
	put_be64(segment, address);
	put_be32(segment + 8, key);
}

#endif
