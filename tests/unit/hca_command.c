// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ConnectX model's command interface: what the driver finds at first, what it is refused, and that a
 * function has nothing left after a reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bypass/log.h>

#include "hca_device.h"

static struct subnet subnet;
static struct guest guest;

static int setup(void **state)
{
	(void)state;
	memset(&subnet, 0, sizeof(subnet));
	guest_open(&guest, &subnet);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guest_close(&guest);
	return 0;
}

static uint32_t bar_read32(uint64_t offset)
{
	uint32_t value;

	assert_int_equal(guest.slice->ops->bar_read(guest.slice, 0, offset, &value, 4), 0);
	return be32toh(value);
}

static uint8_t status_of(uint16_t opcode, uint8_t *in, uint32_t size)
{
	uint8_t out[16];

	field_set(in, CMD_OPCODE, opcode);
	return command(&guest, in, size, out, sizeof(out));
}

static void looks_like_a_connectx(void **state)
{
	uint16_t ids[2];

	(void)state;
	guest.slice->ops->config_read(guest.slice, 0, &ids[0], 2);
	guest.slice->ops->config_read(guest.slice, 2, &ids[1], 2);
	assert_int_equal(ids[0], 0x15b3);
	assert_int_equal(ids[1], 0x1018);
	assert_int_equal(bar_read32(4) >> 16, 5);
	assert_int_equal(bar_read32(0x14), 0x56);
	assert_int_equal(bar_read32(0x1fc), 0);
}

static void capabilities_are_told(void **state)
{
	uint8_t in[16] = {0}, out[16 + 256];

	(void)state;
	field_set(in, CMD_OPCODE, 0x100);
	assert_int_equal(command(&guest, in, sizeof(in), out, sizeof(out)), STATUS_OK);
	assert_int_equal(field_get(out + 16, FIELD(155, 5)), HCA_LOG_QPS);
	assert_int_equal(field_get(out + 16, FIELD(575, 1)), 1);
	assert_int_equal(field_get(out + 16, FIELD(608, 1)), 0);
}

static void unknown_opcode(void **state)
{
	uint8_t in[16] = {0};

	(void)state;
	assert_int_equal(status_of(0xfff, in, sizeof(in)), STATUS_BAD_OPCODE);
}

/* Linux 6.1 gives the device no pages, by a command of its own. */
static void no_pages_are_taken(void **state)
{
	uint8_t in[32] = {0};

	(void)state;
	field_set(in, CMD_MODIFIER, 1);
	assert_int_equal(status_of(0x108, in, 16), STATUS_OK);
	put_be32(in + 12, 2);
	assert_int_equal(status_of(0x108, in, sizeof(in)), STATUS_BAD_PARAMETER);
}

static void unknown_objects(void **state)
{
	static const uint16_t opcodes[] = {0x201, 0x202, 0x302, 0x401, 0x402, 0x501, 0x502, 0x503,
					   0x504, 0x505, 0x507, 0x50a, 0x50b, 0x706, 0x707, 0x708,
					   0x801, 0x803, 0x806, 0x807, 0x80f, 0x90d, 0x90e, 0x90f};

	(void)state;
	for (unsigned int i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++) {
		uint8_t in[512] = {0};

		memset(in + 4, 0xff, 12);
		assert_int_equal(status_of(opcodes[i], in, sizeof(in)), STATUS_BAD_RESOURCE);
	}
}

/* A queue of which the input has no page list, or too short a one */
static void page_list_is_short(void **state)
{
	uint8_t in[CMD_PAGES + 8] = {0};

	(void)state;
	field_set(in + CMD_QPC, QPC_LOG_SQ, 15);
	assert_int_equal(status_of(0x500, in, 16), STATUS_BAD_INPUT_LENGTH);
	assert_int_equal(status_of(0x500, in, sizeof(in)), STATUS_BAD_INPUT_LENGTH);
	memset(in, 0, sizeof(in));
	field_set(in + CMD_CONTEXT, CQC_LOG_SIZE, 22);
	field_set(in + CMD_CONTEXT, CQC_EQN, guest.eqn);
	assert_int_equal(status_of(0x400, in, sizeof(in)), STATUS_BAD_INPUT_LENGTH);
	memset(in, 0, sizeof(in));
	field_set(in, CMD_OCTOWORDS, UINT32_MAX);
	assert_int_equal(status_of(0x200, in, sizeof(in)), STATUS_BAD_INPUT_LENGTH);
}

static void tables_are_limited(void **state)
{
	uint8_t in[CMD_PAGES] = {0};

	(void)state;
	field_set(in + CMD_CONTEXT, MKC_OCTOWORDS, (HCA_TABLES_MIB << 16) + 1);
	assert_int_equal(status_of(0x200, in, sizeof(in)), STATUS_LIMIT);
	assert_int_equal(guest.hca->octowords, 512 - HEAP / 4096 / 2);
}

static void objects_are_limited(void **state)
{
	struct subnet small = {.limits = limits_default};
	uint8_t in[CMD_PAGES] = {0}, out[16 + 256];
	struct guest g;

	(void)state;
	assert_int_equal(limits_set(&small.limits, "pd=17"), 0);
	assert_int_equal(limits_set(&small.limits, "tables=1"), 0);
	guest_open(&g, &small);
	field_set(in, CMD_OPCODE, 0x100);
	assert_int_equal(command(&g, in, 16, out, sizeof(out)), STATUS_OK);
	assert_int_equal(field_get(out + 16, FIELD(811, 5)), 5);
	assert_int_equal(field_get(out + 16, FIELD(155, 5)), HCA_LOG_QPS);
	field_set(in, CMD_OPCODE, 0x800);
	for (unsigned int i = 1; i < 17; i++) /* the guest has one */
		assert_int_equal(command(&g, in, 16, out, 16), STATUS_OK);
	assert_int_equal(command(&g, in, 16, out, 16), STATUS_LIMIT);
	simple(&g, 0x801, g.pd);
	assert_int_equal(command(&g, in, 16, out, 16), STATUS_OK);
	memset(in, 0, sizeof(in));
	field_set(in, CMD_OPCODE, 0x200);
	field_set(in + CMD_CONTEXT, MKC_OCTOWORDS, 1 << 16);
	assert_int_equal(command(&g, in, sizeof(in), out, 16), STATUS_LIMIT);
	guest_close(&g);
}

static void limits_are_checked(void **state)
{
	static const char *const wrong[] = {"qp",     "qp=",	 "qp=15",      "qp=16385", "qp=-1",
					    "qp=20x", "qps=100", "tables=513", "",	   "=5"};
	struct limits limits = limits_default;

	(void)state;
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(limits_set(&limits, wrong[i]), -EINVAL);
	assert_memory_equal(&limits, &limits_default, sizeof(limits));
	assert_int_equal(limits_set(&limits, "qp=16384"), 0);
	assert_int_equal(limits_set(&limits, "srq=16"), 0);
	assert_int_equal(limits.srqs, 16);
}

static void count_lines(void *opaque, enum bypass_log_level level, const char *text)
{
	(void)level;
	assert_non_null(strstr(text, "command 0x"));
	++*(unsigned int *)opaque;
}

/* A driver that repeats what the model lacks does not fill the log. */
static void unknown_opcodes_are_logged(void **state)
{
	unsigned int lines = 0;
	uint8_t in[16] = {0};

	(void)state;
	bypass_log_set(count_lines, &lines);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(status_of(0xa00 + i, in, sizeof(in)), STATUS_BAD_OPCODE);
	bypass_log_set(NULL, NULL);
	assert_int_equal(lines, LOG_LIMIT);
	assert_int_equal(status_of(0x80d, in, sizeof(in)), STATUS_OK);
}

static void states_have_an_order(void **state)
{
	uint8_t in[CMD_PAGES] = {0};
	struct guest_qp qp;

	(void)state;
	make_qp(&guest, TRANSPORT_RC, &qp);
	field_set(in, CMD_NUMBER, qp.number);
	assert_int_equal(status_of(0x503, in, sizeof(in)), STATUS_BAD_QP_STATE);
	assert_int_equal(status_of(0x504, in, sizeof(in)), STATUS_BAD_QP_STATE);
	assert_int_equal(status_of(0x502, in, sizeof(in)), STATUS_OK);
	assert_int_equal(status_of(0x502, in, sizeof(in)), STATUS_BAD_QP_STATE);
}

/* Mailboxes outside the guest's memory: the entry stays the device's, and nothing else happens. */
static void mailbox_outside(void **state)
{
	uint8_t *entry = guest.ram + COMMANDS;

	(void)state;
	memset(entry, 0, 64);
	put_be32(entry + 4, 4096);
	put_be64(entry + 8, 1ull << 62);
	put_be32(entry + 16, 0x05000000);
	put_be32(entry + 56, 16);
	entry[63] = 1;
	bar_write32(&guest, 0x18, UINT32_MAX);
	assert_int_equal(entry[63], 1);
}

/* A function that fails answers nothing, until the driver gives the address of its commands again. */
static void function_fails(void **state)
{
	uint8_t *entry = guest.ram + COMMANDS, in[16] = {0};
	struct guest_qp qp;

	(void)state;
	make_qp(&guest, TRANSPORT_RC, &qp);
	hca_fail(guest.hca);
	assert_int_equal(bar_read32(0x14) >> 8 & 7, 1);
	assert_null(table_get(&guest.hca->qps, qp.number));
	entry[63] = 1;
	bar_write32(&guest, 0x18, 1);
	assert_int_equal(entry[63], 1);
	bar_write32(&guest, 0x14, COMMANDS | 7 << 8);
	assert_int_equal(bar_read32(0x14) >> 8 & 7, 1);
	bar_write32(&guest, 0x14, COMMANDS);
	assert_int_equal(bar_read32(0x14) >> 8 & 7, 0);
	assert_int_equal(status_of(0x80d, in, sizeof(in)), STATUS_OK);
}

static void reset_removes_all(void **state)
{
	struct guest_qp qp;

	(void)state;
	make_qp(&guest, TRANSPORT_RC, &qp);
	assert_int_equal(guest.slice->ops->reset(guest.slice), 0);
	assert_null(table_get(&guest.hca->qps, qp.number));
	assert_null(table_get(&guest.hca->eqs, guest.eqn));
	assert_int_equal(guest.hca->octowords, 0);
	assert_int_equal(guest.hca->commands, 0);
	bar_write32(&guest, 0x18, UINT32_MAX);
}

static void subnet_is_limited(void **state)
{
	struct bypass_slice *slices[HCA_FUNCTIONS], *more;

	(void)state;
	for (unsigned int i = 1; i < HCA_FUNCTIONS; i++)
		assert_int_equal(hca_open(&subnet, &slices[i]), 0);
	assert_int_equal(hca_open(&subnet, &more), -ENOSPC);
	for (unsigned int i = 1; i < HCA_FUNCTIONS; i++)
		bypass_slice_close(slices[i]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(looks_like_a_connectx), TEST(capabilities_are_told),
		TEST(unknown_opcode),	     TEST(no_pages_are_taken),
		TEST(unknown_objects),	     TEST(page_list_is_short),
		TEST(tables_are_limited),    TEST(states_have_an_order),
		TEST(mailbox_outside),	     TEST(reset_removes_all),
		TEST(subnet_is_limited),     TEST(objects_are_limited),
		TEST(limits_are_checked),    TEST(unknown_opcodes_are_logged),
		TEST(function_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
