// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model under a driver that gives any command with any input, rings any doorbell, and has
 * anything in the memory that its queues and tables lie in.
 */
#include <stdlib.h>

#include <linux/pci_regs.h>

#include <bypass/memory.h>

#include "../../examples/bypass-hca/hca.h"
#include "../../examples/bypass-hca/layout.h"
#include "input.h"

#define RAM	  (2u << 20)
#define COMMANDS  0x1000
#define MAILBOXES 0x10000
#define INPUT	  640 /* bytes of a command that are taken from the input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t opcodes[] = {
	0x100, 0x104, 0x109, 0x200, 0x201, 0x202, 0x301, 0x302, 0x303, 0x400, 0x401,
	0x402, 0x403, 0x500, 0x501, 0x502, 0x503, 0x504, 0x505, 0x507, 0x50a, 0x50b,
	0x50e, 0x705, 0x706, 0x707, 0x708, 0x762, 0x764, 0x765, 0x800, 0x801, 0x802,
	0x805, 0x806, 0x807, 0x80e, 0x80f, 0x90c, 0x90d, 0x90e, 0x90f, 0x777,
};

static void bar_write(struct bypass_slice *slice, uint64_t offset, uint64_t value, uint32_t size)
{
	value = size == 8 ? htobe64(value) : htobe32(value);
	slice->ops->bar_write(slice, 0, offset, &value, size);
}

static void give_command(struct bypass_slice *slice, uint8_t *ram, struct input *in)
{
	uint8_t *entry = ram + COMMANDS, input[INPUT];

	memset(entry, 0, 64);
	take_bytes(in, input, take(in, 2) % INPUT);
	put_be16(input, opcodes[take(in, 1) % (sizeof(opcodes) / sizeof(*opcodes))]);
	put_be32(entry + 4, take(in, 1) % 8 ? INPUT : take(in, 4));
	put_be64(entry + 8, MAILBOXES);
	memcpy(entry + 16, input, 16);
	put_be64(entry + 48, MAILBOXES + 0x1000);
	put_be32(entry + 56, take(in, 1) % 8 ? 512 : take(in, 4));
	entry[63] = 1;
	memcpy(ram + MAILBOXES, input + 16, 512);
	put_be64(ram + MAILBOXES + 560, MAILBOXES + 0x400);
	memcpy(ram + MAILBOXES + 0x400, input + 528, INPUT - 528);
	bar_write(slice, 0x18, 1, 4);
}

static void step(struct subnet *subnet, struct bypass_slice *slice, uint8_t *ram, struct input *in)
{
	uint64_t at;

	switch (take(in, 1) % 5) {
	case 0:
	case 1:
		give_command(slice, ram, in);
		break;
	case 2:
		at = take(in, 4) % (RAM - 64);
		take_bytes(in, ram + at, take(in, 1) % 64);
		break;
	case 3:
		at = 16 * HCA_PAGE + take(in, 2) % (4 * HCA_PAGE);
		bar_write(slice, at & ~7ull, take(in, 8), take(in, 1) % 2 ? 8 : 4);
		break;
	case 4:
		subnet_run(subnet);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bypass_memory *mem;
	static uint8_t *ram;
	static struct subnet subnet;
	static struct bypass_slice *slice;
	struct input in = {data, size};

	if (!mem) {
		mem = bypass_memory_new();
		if (!mem || bypass_memory_alloc(mem, RAM, false))
			abort();
		ram = bypass_memory_hva(mem, 0, RAM);
		if (hca_open(&subnet, &slice))
			abort();
		slice->ops->set_memory(slice, mem);
	}
	memset(ram, 0, RAM);
	slice->ops->config_write(slice, PCI_COMMAND, &(uint16_t){PCI_COMMAND_MASTER}, 2);
	bar_write(slice, 0x14, COMMANDS, 4);
	while (in.left)
		step(&subnet, slice, ram, &in);
	slice->ops->reset(slice);
	return 0;
}
