// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sets up two functions of the ConnectX model as their driver would, by the model's own commands.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "../bypass-hca/hca.h"
#include "../bypass-hca/layout.h"
#include "rdma.h"

#define KEY	    0x5a
#define NO_RECEIVES 3 /* type of receive queue */
#define ANSWER	    64u
#define INPUT	    (CMD_PAGES + 64u)

/* One end, and what the driver has made there; 0: not yet, or refused */
struct end {
	struct hca *hca;
	uint32_t page, pd, key, eq, cq, qp;
};

/* An input, with room for the page lists of all queues here */
struct input {
	uint8_t bytes[INPUT + COMMAND_PADDING];
};

static bool run(const struct end *end, command_fn *fn, const struct input *in,
		uint8_t out[ANSWER + COMMAND_PADDING])
{
	const struct command command = {
		.in = in->bytes,
		.in_size = INPUT,
		.out = out,
		.out_size = ANSWER,
	};

	return fn(end->hca, &command) == STATUS_OK;
}

/* What the answer has in @field, or 0 */
static uint32_t ask(const struct end *end, command_fn *fn, const struct input *in, uint32_t field)
{
	uint8_t out[ANSWER + COMMAND_PADDING] = {0};

	return run(end, fn, in, out) ? field_get(out, field) : 0;
}

static void put_pages(struct input *in, uint64_t address, uint32_t size)
{
	for (uint32_t page = 0; page < size / HCA_PAGE; page++)
		put_be64(in->bytes + CMD_PAGES + 8 * page, address + page * HCA_PAGE);
}

/* All memory of the guest */
static uint32_t make_key(const struct end *end)
{
	static const uint32_t ones[] = {MKC_LENGTH64,	 MKC_LOCAL_READ,   MKC_LOCAL_WRITE,
					MKC_REMOTE_READ, MKC_REMOTE_WRITE, 0};
	struct input in = {0};

	for (const uint32_t *field = ones; *field; field++)
		field_set(in.bytes + CMD_CONTEXT, *field, 1);
	field_set(in.bytes + CMD_CONTEXT, MKC_KEY, KEY);
	field_set(in.bytes + CMD_CONTEXT, MKC_PD, end->pd);
	return ask(end, mkey_create, &in, CMD_NUMBER) << 8 | KEY;
}

/* Completions cause no event, and yet the queue must name a queue of events. */
static uint32_t make_eq(const struct end *end)
{
	struct input in = {0};

	field_set(in.bytes + CMD_CONTEXT, EQC_LOG_SIZE, 6);
	put_pages(&in, BENCH_RDMA_EVENTS, HCA_PAGE);
	return ask(end, eq_create, &in, CMD_EQN);
}

static uint32_t make_cq(const struct end *end)
{
	struct input in = {0};

	field_set(in.bytes + CMD_CONTEXT, CQC_LOG_SIZE, BENCH_RDMA_LOG);
	field_set(in.bytes + CMD_CONTEXT, CQC_EQN, end->eq);
	field_set(in.bytes + CMD_CONTEXT, CQC_UAR, end->page);
	field_set(in.bytes + CMD_CONTEXT, CQC_RECORD, BENCH_RDMA_CQ_RECORD);
	put_pages(&in, BENCH_RDMA_COMPLETIONS, 64 << BENCH_RDMA_LOG);
	return ask(end, cq_create, &in, CMD_NUMBER);
}

/* @end without completion queue only takes part. */
static uint32_t make_qp(const struct end *end)
{
	struct input in = {0};
	uint8_t *context = in.bytes + CMD_QPC;

	field_set(context, QPC_TRANSPORT, TRANSPORT_RC);
	field_set(context, QPC_PD, end->pd);
	field_set(context, QPC_UAR, end->page);
	field_set(context, QPC_RQ_TYPE, NO_RECEIVES);
	field_set(context, QPC_NO_SQ, !end->cq);
	field_set(context, QPC_LOG_SQ, BENCH_RDMA_LOG);
	field_set(context, QPC_SEND_CQ, end->cq);
	field_set(context, QPC_RECORD, BENCH_RDMA_QP_RECORD);
	put_pages(&in, BENCH_RDMA_REQUESTS, 64 << BENCH_RDMA_LOG);
	return ask(end, qp_create, &in, CMD_NUMBER);
}

static bool connect_end(const struct end *end, const struct end *to)
{
	static command_fn *const steps[] = {qp_reset_to_init, qp_init_to_rtr, qp_rtr_to_rts};
	uint8_t out[ANSWER + COMMAND_PADDING] = {0};
	struct input in = {0};
	uint8_t *context = in.bytes + CMD_QPC;

	field_set(in.bytes, CMD_NUMBER, end->qp);
	field_set(context, QPC_REMOTE_READ, 1);
	field_set(context, QPC_REMOTE_WRITE, 1);
	field_set(context, QPC_REMOTE_QPN, to->qp);
	field_set(context, QPC_REMOTE_LID, to->hca->lid);
	field_set(context, QPC_LOG_MSG_MAX, HCA_LOG_MESSAGE);
	for (unsigned int i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (!run(end, steps[i], &in, out))
			return false;
	return true;
}

/* The first UAR page traps. */
static bool make_end(struct end *end, bool sends)
{
	const struct input none = {0};

	ask(end, uar_alloc, &none, CMD_NUMBER);
	end->page = ask(end, uar_alloc, &none, CMD_NUMBER);
	end->pd = ask(end, pd_alloc, &none, CMD_NUMBER);
	end->key = make_key(end);
	if (sends) {
		end->eq = make_eq(end);
		end->cq = make_cq(end);
	}
	end->qp = make_qp(end);
	return end->page && end->pd && end->key >> 8 && end->qp && (!sends || end->cq);
}

static int open_memory(struct bench_link *link, unsigned int i, const struct bench_ram *ram)
{
	const struct bypass_memory_range range = {
		.size = BENCH_RAM, .hva = ram->hva, .fd = ram->fd};

	link->memory[i] = bypass_memory_new();
	if (!link->memory[i])
		return -ENOMEM;
	return bypass_memory_add(link->memory[i], &range);
}

int bench_link_open(struct bench_link *link, const struct bench_ram *ram)
{
	int ret;

	link->subnet = calloc(1, sizeof(*link->subnet));
	if (!link->subnet)
		return bypass_fail(ENOMEM, "no memory for a subnet");
	ret = bench_ram_alloc(&link->other);
	for (unsigned int i = 0; i < 2 && !ret; i++) {
		ret = open_memory(link, i, i ? &link->other : ram);
		if (!ret)
			ret = hca_open(link->subnet, &link->slices[i]);
	}
	return ret;
}

/* As its driver would leave it: after a reset, with memory in reach */
static int power_on(struct bypass_slice *slice, const struct bypass_memory *memory)
{
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	int ret = slice->ops->reset(slice);

	if (!ret)
		ret = slice->ops->set_memory(slice, memory);
	if (!ret)
		ret = slice->ops->config_write(slice, PCI_COMMAND, &command, sizeof(command));
	return ret;
}

int bench_link_connect(struct bench_link *link, const struct bench_ram *ram)
{
	struct bench_rdma *rdma = (struct bench_rdma *)(ram->hva + BENCH_RDMA);
	struct end ends[2] = {{.hca = (struct hca *)link->slices[0]},
			      {.hca = (struct hca *)link->slices[1]}};
	const struct bypass_window *window = link->slices[0]->bars[0].windows;

	for (unsigned int i = 0; i < 2; i++) {
		int ret = power_on(link->slices[i], link->memory[i]);

		if (ret)
			return ret;
	}
	for (unsigned int i = 0; i < 1 << BENCH_RDMA_LOG; i++)
		ram->hva[BENCH_RDMA_COMPLETIONS + 64 * i + 63] = BENCH_RDMA_NO_COMPLETION;
	if (!make_end(&ends[0], true) || !make_end(&ends[1], false) ||
	    !connect_end(&ends[0], &ends[1]) || !connect_end(&ends[1], &ends[0]))
		return bypass_fail(EIO, "the ConnectX model refuses a command of the bench");
	*rdma = (struct bench_rdma){
		.qpn = ends[0].qp,
		.key = ends[0].key,
		.remote_key = ends[1].key,
		.doorbell = (uint64_t)ends[0].page * HCA_PAGE + BENCH_RDMA_DOORBELL,
	};
	link->doorbell =
		(volatile uint64_t *)((uint8_t *)window->hva + (rdma->doorbell - window->offset));
	return 0;
}

void bench_link_run(struct bench_link *link)
{
	subnet_run(link->subnet);
}

void bench_link_close(struct bench_link *link)
{
	for (unsigned int i = 0; i < 2; i++) {
		bypass_slice_close(link->slices[i]);
		bypass_memory_free(link->memory[i]);
	}
	bench_ram_free(&link->other);
	free(link->subnet);
}
