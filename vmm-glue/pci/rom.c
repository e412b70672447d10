// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The expansion ROM (PCI Local Bus Specification 3.0, 6.2.5.2): memory that the guest's firmware
 * or driver copies at its start. Each read exits: nothing of the data path lies there.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define ROM_SIZE_MIN (2ull << 10) /* the bits of the register below are reserved */
#define ROM_SIZE_MAX (16ull << 20)

int rom_check(const struct function *fn)
{
	uint64_t size = fn->slice->rom_size;

	if (!size || (!(size & (size - 1)) && size >= ROM_SIZE_MIN && size <= ROM_SIZE_MAX))
		return 0;
	return bypass_fail(EINVAL,
			   "%s has an impossible ROM of %llu bytes: a power of two from 2 KiB to "
			   "16 MiB",
			   fn->slice->name, (unsigned long long)size);
}

/* Needs the home of the ROM, which bars_place() found. */
void rom_register_init(struct function *fn)
{
	uint32_t mask = fn->slice->rom_size - 1;

	if (fn->slice->rom_size)
		register_set(fn, PCI_ROM_ADDRESS, 4, fn->rom_home, ~mask | PCI_ROM_ADDRESS_ENABLE);
}

static bool rom_decodes(const struct function *fn, uint64_t address)
{
	uint32_t rom = register_get(fn, PCI_ROM_ADDRESS, 4);
	uint64_t at = rom & PCI_ROM_ADDRESS_MASK;

	return fn->slice->rom_size && rom & PCI_ROM_ADDRESS_ENABLE &&
	       bars_decode(fn, PCI_COMMAND_MEMORY) && address >= at &&
	       address - at < fn->slice->rom_size;
}

/* Whose ROM answers at an address; NULL: none. A BAR at the same address goes before. */
struct function *rom_find(struct bypass_vm *vm, uint64_t address)
{
	for (unsigned int f = 0; f < vm->n_functions; f++)
		if (rom_decodes(vm->functions[f], address))
			return vm->functions[f];
	return NULL;
}

/* Stores go nowhere. What lies behind the end of the ROM reads as ones. */
void rom_access(const struct function *fn, uint64_t address, uint8_t *data, uint32_t size,
		bool write)
{
	uint64_t at = register_get(fn, PCI_ROM_ADDRESS, 4) & PCI_ROM_ADDRESS_MASK;
	uint64_t offset = address - at, left = fn->slice->rom_size - offset;

	if (write)
		return;
	memset(data, 0xff, size);
	memcpy(data, (const uint8_t *)fn->slice->rom + offset, size < left ? size : left);
}
