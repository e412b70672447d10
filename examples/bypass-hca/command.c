// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command interface: 32 entries of 64 bytes in guest memory, of which the driver hands some over by
 * a bit mask. What does not fit into an entry lies in a chain of mailboxes of 512 bytes.
 */
#include <stdlib.h>

#include "hca.h"
#include "layout.h"

#define ENTRIES	    32
#define ENTRY_SIZE  64
#define INLINE_SIZE 16
#define MAX_INPUT   (16u << 20) /* the page list of the largest memory region */
#define MAX_OUTPUT  (64u << 10)
#define MIN_SIZE    8
#define SYNDROME    0xbad

/* An entry: struct mlx5_cmd_layout of drivers/net/ethernet/mellanox/mlx5/core */
#define ENTRY_IN_SIZE  4
#define ENTRY_IN_NEXT  8
#define ENTRY_IN       16
#define ENTRY_OUT      32
#define ENTRY_OUT_NEXT 48
#define ENTRY_OUT_SIZE 56
#define ENTRY_TOKEN    60
#define ENTRY_OWNER    63

/* A mailbox: struct mlx5_cmd_prot_block */
#define MAILBOX_DATA  512
#define MAILBOX_NEXT  560
#define MAILBOX_TOKEN 573
#define NEXT_MASK     (~0x1ffull)

static enum status nothing(struct hca *hca, const struct command *cmd)
{
	(void)hca;
	(void)cmd;
	return STATUS_OK;
}

/* Names in comments are those of linux/mlx5/mlx5_ifc.h, without MLX5_CMD_OP_. */
static const struct {
	uint16_t opcode;
	command_fn *run;
} commands[] = {
	{0x100, capability_query}, /* QUERY_HCA_CAP */
	{0x101, adapter_query},	   /* QUERY_ADAPTER */
	{0x102, nothing},	   /* INIT_HCA */
	{0x103, nothing},	   /* TEARDOWN_HCA */
	{0x104, hca_enable},	   /* ENABLE_HCA */
	{0x105, hca_disable},	   /* DISABLE_HCA */
	{0x107, nothing},	   /* QUERY_PAGES: the model needs none of the guest's */
	{0x109, capability_set},   /* SET_HCA_CAP */
	{0x10a, issi_query},	   /* QUERY_ISSI */
	{0x10b, nothing},	   /* SET_ISSI */
	{0x200, mkey_create},	   /* CREATE_MKEY */
	{0x201, mkey_query},	   /* QUERY_MKEY */
	{0x202, mkey_destroy},	   /* DESTROY_MKEY */
	{0x108, pages_manage},	   /* MANAGE_PAGES */
	{0x203, special_query},	   /* QUERY_SPECIAL_CONTEXTS */
	{0x301, eq_create},	   /* CREATE_EQ */
	{0x302, eq_destroy},	   /* DESTROY_EQ */
	{0x303, eq_query},	   /* QUERY_EQ */
	{0x400, cq_create},	   /* CREATE_CQ */
	{0x401, cq_destroy},	   /* DESTROY_CQ */
	{0x402, cq_query},	   /* QUERY_CQ */
	{0x403, cq_modify},	   /* MODIFY_CQ */
	{0x500, qp_create},	   /* CREATE_QP */
	{0x501, qp_destroy},	   /* DESTROY_QP */
	{0x502, qp_reset_to_init}, /* RST2INIT_QP */
	{0x503, qp_init_to_rtr},   /* INIT2RTR_QP */
	{0x504, qp_rtr_to_rts},	   /* RTR2RTS_QP */
	{0x505, qp_rts_to_rts},	   /* RTS2RTS_QP */
	{0x507, qp_to_error},	   /* 2ERR_QP */
	{0x50a, qp_to_reset},	   /* 2RST_QP */
	{0x50b, qp_query},	   /* QUERY_QP */
	{0x50e, qp_init_to_init},  /* INIT2INIT_QP */
	{0x705, srq_create},	   /* CREATE_XRC_SRQ */
	{0x706, srq_destroy},	   /* DESTROY_XRC_SRQ */
	{0x707, srq_query},	   /* QUERY_XRC_SRQ */
	{0x708, srq_arm},	   /* ARM_XRC_SRQ */
	{0x750, port_state_query}, /* QUERY_VPORT_STATE */
	{0x762, port_query},	   /* QUERY_HCA_VPORT_CONTEXT */
	{0x764, port_gid_query},   /* QUERY_HCA_VPORT_GID */
	{0x765, port_pkey_query},  /* QUERY_HCA_VPORT_PKEY */
	{0x770, port_counters},	   /* QUERY_VPORT_COUNTER */
	{0x800, pd_alloc},	   /* ALLOC_PD */
	{0x801, pd_dealloc},	   /* DEALLOC_PD */
	{0x802, uar_alloc},	   /* ALLOC_UAR */
	{0x803, uar_dealloc},	   /* DEALLOC_UAR */
	{0x805, port_register},	   /* ACCESS_REG */
	{0x806, group_attach},	   /* ATTACH_TO_MCG */
	{0x807, group_detach},	   /* DETACH_FROM_MCG */
	{0x80d, nothing},	   /* NOP */
	{0x80e, xrcd_alloc},	   /* ALLOC_XRCD */
	{0x80f, xrcd_dealloc},	   /* DEALLOC_XRCD */
	{0x90c, rmp_create},	   /* CREATE_RMP */
	{0x90d, rmp_modify},	   /* MODIFY_RMP */
	{0x90e, srq_destroy},	   /* DESTROY_RMP */
	{0x90f, rmp_query},	   /* QUERY_RMP */
};

static enum status run(struct hca *hca, const struct command *cmd)
{
	for (unsigned int i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (commands[i].opcode == cmd->opcode)
			return commands[i].run(hca, cmd);
	log_limited(&hca->log, "%s: the driver asks for command 0x%x, which the model lacks",
		    hca->slice.name, cmd->opcode);
	return STATUS_BAD_OPCODE;
}

static bool read_chain(const struct hca *hca, uint64_t mailbox, uint8_t *data, uint32_t size)
{
	while (size) {
		uint32_t n = size < MAILBOX_DATA ? size : MAILBOX_DATA;
		uint8_t next[8];

		mailbox &= NEXT_MASK;
		if (!dma_read(hca, mailbox, data, n) ||
		    !dma_read(hca, mailbox + MAILBOX_NEXT, next, sizeof(next)))
			return false;
		mailbox = get_be64(next);
		data += n;
		size -= n;
	}
	return true;
}

static bool write_chain(const struct hca *hca, uint64_t mailbox, const uint8_t *data, uint32_t size,
			uint8_t token)
{
	while (size) {
		uint32_t n = size < MAILBOX_DATA ? size : MAILBOX_DATA;
		uint8_t next[8];

		mailbox &= NEXT_MASK;
		if (!dma_read(hca, mailbox + MAILBOX_NEXT, next, sizeof(next)) ||
		    !dma_write(hca, mailbox, data, n) ||
		    !dma_write(hca, mailbox + MAILBOX_TOKEN, &token, 1))
			return false;
		mailbox = get_be64(next);
		data += n;
		size -= n;
	}
	return true;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* False: the entry's lengths or addresses are wrong, or memory is short; the driver's timer ends it. */
static bool run_entry(struct hca *hca, const uint8_t *entry, uint8_t *answer)
{
	struct command cmd = {
		.in_size = get_be32(entry + ENTRY_IN_SIZE),
		.out_size = get_be32(entry + ENTRY_OUT_SIZE),
	};
	uint8_t *in = NULL, *out = NULL;
	enum status status;
	bool done = false;

	if (cmd.in_size < MIN_SIZE || cmd.in_size > MAX_INPUT || cmd.out_size < MIN_SIZE ||
	    cmd.out_size > MAX_OUTPUT)
		return false;
	in = calloc(1, larger(cmd.in_size, INLINE_SIZE) + COMMAND_PADDING);
	out = calloc(1, larger(cmd.out_size, INLINE_SIZE) + COMMAND_PADDING);
	if (!in || !out)
		goto out;
	memcpy(in, entry + ENTRY_IN, INLINE_SIZE);
	if (cmd.in_size > INLINE_SIZE && !read_chain(hca, get_be64(entry + ENTRY_IN_NEXT),
						     in + INLINE_SIZE, cmd.in_size - INLINE_SIZE))
		goto out;
	cmd.opcode = field_get(in, CMD_OPCODE);
	cmd.modifier = field_get(in, CMD_MODIFIER);
	cmd.in = in;
	cmd.out = out;
	status = run(hca, &cmd);
	if (status) {
		memset(out, 0, cmd.out_size);
		field_set(out, CMD_SYNDROME, SYNDROME);
	}
	field_set(out, CMD_STATUS, status);
	memcpy(answer, out, INLINE_SIZE);
	done = cmd.out_size <= INLINE_SIZE ||
	       write_chain(hca, get_be64(entry + ENTRY_OUT_NEXT), out + INLINE_SIZE,
			   cmd.out_size - INLINE_SIZE, entry[ENTRY_TOKEN]);

out:
	free(in);
	free(out);
	return done;
}

/* The command that makes the queue for commands' events, or removes it, causes no event. */
static void run_slot(struct hca *hca, unsigned int slot)
{
	uint64_t address = hca->commands + (uint64_t)slot * ENTRY_SIZE;
	uint8_t entry[ENTRY_SIZE], answer[INLINE_SIZE], owner = 0;
	bool events = hca->command_events;

	if (!dma_read(hca, address, entry, sizeof(entry)) || !(entry[ENTRY_OWNER] & 1))
		return;
	if (!run_entry(hca, entry, answer)) {
		log_limited(&hca->log,
			    "%s: the driver's command in slot %u has wrong lengths or "
			    "lies outside the guest's memory",
			    hca->slice.name, slot);
		return;
	}
	if (!dma_write(hca, address + ENTRY_OUT, answer, sizeof(answer)))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	dma_write(hca, address + ENTRY_OWNER, &owner, 1);
	if (events && hca->command_events) {
		uint8_t data[28] = {0};

		put_be32(data, 1u << slot);
		event_post(hca, EVENT_COMMAND, 0, data);
	}
}

void commands_run(struct hca *hca, uint32_t mask)
{
	for (unsigned int slot = 0; slot < ENTRIES; slot++)
		if (mask >> slot & 1)
			run_slot(hca, slot);
}
