// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The expansion ROM: what a guest sees of it, and that it can only be read.
 */
#include <bypass/error.h>

#include "fake_vm.h"

#define ROM_SIZE 0x1000

static uint8_t rom[ROM_SIZE];

/* The slice of the fixture, plugged again with a ROM. */
static void plug_with_rom(struct fake_vm *t)
{
	struct bypass_slice *slice = &t->fake->slice;

	for (unsigned int i = 0; i < ROM_SIZE; i++)
		rom[i] = i * 7 + 1;
	assert_int_equal(bypass_vm_unplug(t->vm, slice), 0);
	slice->rom = rom;
	slice->rom_size = ROM_SIZE;
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, -1), 0);
}

static void test_read(void **state)
{
	struct fake_vm *t = *state;
	uint64_t data = 0;
	uint32_t at;

	plug_with_rom(t);
	at = cfg_read(t, PCI_ROM_ADDRESS, 4);
	assert_true(at >= MMIO32);
	assert_int_equal(at % ROM_SIZE, 0);

	/* The function decodes memory, and the ROM has a switch of its own. */
	assert_false(bypass_vm_mmio(t->vm, at, &data, 4, false));
	decode(t, true);
	assert_false(bypass_vm_mmio(t->vm, at, &data, 4, false));
	cfg_write(t, PCI_ROM_ADDRESS, 4, at | PCI_ROM_ADDRESS_ENABLE);
	assert_int_equal(mmio_read(t, at, 1), 1);
	assert_int_equal(mmio_read(t, at + ROM_SIZE - 8, 8), *(uint64_t *)(rom + ROM_SIZE - 8));
	assert_false(bypass_vm_mmio(t->vm, at + ROM_SIZE, &data, 1, false));

	/* A store goes nowhere; behind the end there is nothing but ones. */
	mmio_write(t, at, 4, 0);
	assert_int_equal(mmio_read(t, at, 1), 1);
	assert_int_equal(mmio_read(t, at + ROM_SIZE - 1, 2), 0xff00 | rom[ROM_SIZE - 1]);
	decode(t, false);
	assert_false(bypass_vm_mmio(t->vm, at, &data, 4, false));
}

static void test_move(void **state)
{
	struct fake_vm *t = *state;

	plug_with_rom(t);
	decode(t, true);
	cfg_write(t, PCI_ROM_ADDRESS, 4, (uint32_t)PCI_ROM_ADDRESS_MASK);
	assert_int_equal(cfg_read(t, PCI_ROM_ADDRESS, 4), ~(ROM_SIZE - 1u));
	cfg_write(t, PCI_ROM_ADDRESS, 4, 0xd0000000 | PCI_ROM_ADDRESS_ENABLE);
	assert_int_equal(mmio_read(t, 0xd0000000 + 5, 1), rom[5]);
	/* At the last address of 32 bits, and back to where it was at power-on. */
	cfg_write(t, PCI_ROM_ADDRESS, 4, ~0u);
	assert_int_equal(mmio_read(t, 0xffffffff, 1), rom[ROM_SIZE - 1]);
	assert_int_equal(bypass_vm_reset(t->vm), 0);
	assert_in_range(cfg_read(t, PCI_ROM_ADDRESS, 4), MMIO32, 0xfffff000);
}

static void test_impossible(void **state)
{
	static const uint64_t sizes[] = {1, 0x400, 0x1001, 0x1800, 32 << 20, UINT64_MAX};
	struct fake_vm *t = *state;
	struct bypass_slice *slice = &t->fake->slice;

	assert_int_equal(bypass_vm_unplug(t->vm, slice), 0);
	slice->rom = rom;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		slice->rom_size = sizes[i];
		assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, -1), -EINVAL);
		assert_non_null(strstr(bypass_error(), "ROM"));
	}
	slice->rom_size = 0;
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, fake_vm_setup, fake_vm_teardown),
		cmocka_unit_test_setup_teardown(test_move, fake_vm_setup, fake_vm_teardown),
		cmocka_unit_test_setup_teardown(test_impossible, fake_vm_setup, fake_vm_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
