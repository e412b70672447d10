// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bus mastering of a function of the ConnectX model: without it no byte of the guest's memory changes, no vector
 * fires, and no command is taken. What was made before stays lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "hca_pair.h"

/* A command that the function does not take */
static void expect_no_command(struct guest *g)
{
	uint8_t *entry = g->ram + COMMANDS, before[64];

	memset(entry, 0, 64);
	entry[0] = 7;
	put_be32(entry + 4, 16);
	put_be32(entry + 16, 0x80000000 >> 8); /* ALLOC_PD */
	put_be32(entry + 56, 16);
	entry[63] = 1;
	memcpy(before, entry, sizeof(before));
	bar_write32(g, 0x10, 0);
	bar_write32(g, 0x14, COMMANDS);
	bar_write32(g, 0x18, 1);
	assert_memory_equal(entry, before, sizeof(before));
}

/* What a write of the command register that clears the bit must do, however wide the write is */
static void lose_bus_mastering(uint32_t size)
{
	uint8_t body[32], *before = malloc(RAM_SIZE);
	eventfd_t count;

	assert_non_null(before);
	post_receive(&right, to, 100, two.key);
	put_remote(body, to, two.key);
	put_data(body + 16, from, 64, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	eventfd_read(two.vector, &count);
	command_register(&two, PCI_COMMAND_MEMORY, size);
	memcpy(before, two.ram, RAM_SIZE);
	post_send(&right, OP_WRITE, 0, body, sizeof(body));
	memcpy(before + right.record, two.ram + right.record, 8);
	memcpy(before + right.entries, two.ram + right.entries, 4096);
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST_ERROR, SYNDROME_RETRIES);
	bar_write32(&two, two.uar * HCA_PAGE + 0x40, two.eqn << 24 | 7); /* arm: there is more */
	assert_memory_equal(two.ram, before, RAM_SIZE);
	assert_int_equal(eventfd_read(two.vector, &count), -1);
	assert_true(two.hca->failed);
	free(before);
	expect_no_command(&two);
}

static void no_bus_mastering_no_dma(void **state)
{
	(void)state;
	lose_bus_mastering(2);
}

/* The bit returns, what was made before does not: the memory is another kernel's. */
static void another_kernel_starts_anew(void **state)
{
	uint8_t body[32];

	(void)state;
	lose_bus_mastering(1);
	memset(two.ram, 0, RAM_SIZE);
	command_register(&two, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 1);
	run();
	for (unsigned int i = 0; i < RAM_SIZE; i++)
		assert_int_equal(two.ram[i], 0);
	guest_close(&one);
	guest_open(&one, &subnet);
	guest_start(&two);
	from = guest_alloc(&one, 4096);
	to = guest_alloc(&two, 4096);
	memset(one.ram + from, 7, 64);
	make_qp(&one, TRANSPORT_RC, &left);
	make_qp(&two, TRANSPORT_RC, &right);
	connect_qp(&left, &right);
	connect_qp(&right, &left);
	put_remote(body, to, two.key);
	put_data(body + 16, from, 64, one.key);
	post_send(&left, OP_WRITE, 0, body, sizeof(body));
	run();
	expect_cqe(&one, &left.send_cq, CQE_REQUEST, 0);
	assert_int_equal(two.ram[to + 63], 7);
}

static void no_bus_mastering_after_power_on(void **state)
{
	(void)state;
	assert_int_equal(two.slice->ops->reset(two.slice), 0);
	expect_no_command(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RC(no_bus_mastering_no_dma),
		RC(another_kernel_starts_anew),
		RC(no_bus_mastering_after_power_on),
	};

	return with_both_doorbells(tests);
}
