// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The bytes of an expansion ROM: from the device, or from a file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define ROM_SIZE_MIN (2u << 10) /* PCI Local Bus Specification 3.0, 6.2.5.2 */
#define ROM_SIZE_MAX (16u << 20)

/* A ROM takes a power of two. */
static uint64_t rom_size(uint64_t bytes)
{
	uint64_t size = ROM_SIZE_MIN;

	while (size < bytes)
		size *= 2;
	return size;
}

/* What nobody fills reads as ones. */
static uint8_t *make_room(uint64_t size)
{
	uint8_t *rom = malloc(size);

	if (rom)
		memset(rom, 0xff, size);
	else
		bypass_fail(ENOMEM, "no memory for a ROM of %llu bytes", (unsigned long long)size);
	return rom;
}

int vfio_rom_own(struct bypass_vfio *device, uint8_t **rom, uint64_t *size)
{
	const struct bypass_region *region = bypass_vfio_region(device, VFIO_PCI_ROM_REGION_INDEX);
	int err;

	if (!region)
		return bypass_fail(ENXIO, "%s has no ROM: give it one with a file",
				   device->address);
	if (region->size > ROM_SIZE_MAX)
		return bypass_fail(EFBIG,
				   "the ROM of %s has %llu bytes, and a guest's ROM has room for "
				   "16 MiB: give it one with a file",
				   device->address, (unsigned long long)region->size);
	*size = rom_size(region->size);
	*rom = make_room(*size);
	if (!*rom)
		return -ENOMEM;
	err = bypass_vfio_read(device, VFIO_PCI_ROM_REGION_INDEX, 0, *rom, region->size);
	if (!err && ((*rom)[0] != 0x55 || (*rom)[1] != 0xaa))
		err = bypass_fail(ENXIO,
				  "the ROM of %s does not begin with 55 aa: give it one with a "
				  "file",
				  device->address);
	if (err)
		free(*rom);
	return err;
}

static int read_all(FILE *file, const char *name, uint8_t **rom, uint64_t *size)
{
	uint8_t *less;
	size_t bytes;

	*rom = make_room(ROM_SIZE_MAX);
	if (!*rom)
		return -ENOMEM;
	bytes = fread(*rom, 1, ROM_SIZE_MAX, file);
	if (ferror(file))
		return bypass_fail(errno, "cannot read the ROM %s: %s", name, strerror(errno));
	if (!bytes)
		return bypass_fail(EINVAL, "the ROM %s is empty", name);
	if (fgetc(file) != EOF)
		return bypass_fail(EFBIG, "the ROM %s is larger than 16 MiB", name);
	*size = rom_size(bytes);
	less = realloc(*rom, *size);
	if (less)
		*rom = less;
	return 0;
}

int vfio_rom_file(const char *name, uint8_t **rom, uint64_t *size)
{
	FILE *file = fopen(name, "re");
	int err;

	if (!file)
		return bypass_fail(errno, "cannot open the ROM %s: %s", name, strerror(errno));
	err = read_all(file, name, rom, size);
	if (err)
		free(*rom);
	fclose(file);
	return err;
}
