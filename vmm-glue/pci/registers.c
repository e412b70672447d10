// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The registers of config space as the guest sees them. A bit is ours (read from a
 * copy, written through a mask) or the slice's. No bit is the slice's unless
 * config.c or capability.c says so. What a change of a register causes is function.c's.
 */
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

void register_set(struct function *fn, uint32_t offset, uint32_t size, uint32_t value,
		  uint32_t writable)
{
	/* Guests of vmm-glue are x86: config space and host agree on the byte order. */
	memcpy(fn->config + offset, &value, size);
	memcpy(fn->writable + offset, &writable, size);
}

uint32_t register_get(const struct function *fn, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	memcpy(&value, fn->config + offset, size);
	return value;
}

/* Is there a bit in @mask, of those at @offset? */
static bool any(const uint8_t *mask, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		if (mask[i])
			return true;
	return false;
}

static void read_aligned(struct function *fn, uint32_t offset, uint8_t *data, uint32_t size)
{
	uint8_t host[4];

	if (offset >= fn->slice->config_size) {
		memset(data, 0xff, size);
		return;
	}
	memcpy(data, fn->config + offset, size);
	if (!any(fn->pass + offset, size))
		return;
	if (fn->slice->ops->config_read(fn->slice, offset, host, size) < 0) {
		remark(fn, "config space at %#x cannot be read: %s", offset, bypass_error());
		return;
	}
	for (uint32_t i = 0; i < size; i++)
		data[i] = (data[i] & ~fn->pass[offset + i]) | (host[i] & fn->pass[offset + i]);
}

static int write_passed(struct function *fn, uint32_t offset, const uint8_t *data,
			const uint8_t *mask, uint32_t size)
{
	bool whole = true;
	uint8_t host[4];
	int err;

	for (uint32_t i = 0; i < size; i++)
		whole = whole && mask[i] == 0xff;
	if (whole)
		return fn->slice->ops->config_write(fn->slice, offset, data, size);

	/* A register that is partly ours: a word at a time, so that no neighbour is touched. */
	if (size == 4) {
		err = any(mask, 2) ? write_passed(fn, offset, data, mask, 2) : 0;
		if (!err && any(mask + 2, 2))
			err = write_passed(fn, offset + 2, data + 2, mask + 2, 2);
		return err;
	}
	err = fn->slice->ops->config_read(fn->slice, offset, host, size);
	if (err)
		return err;
	for (uint32_t i = 0; i < size; i++)
		host[i] = (host[i] & ~mask[i]) | (data[i] & mask[i]);
	return fn->slice->ops->config_write(fn->slice, offset, host, size);
}

static void write_aligned(struct function *fn, uint32_t offset, const uint8_t *data, uint32_t size)
{
	uint8_t through[4];

	if (offset >= fn->slice->config_size)
		return;
	for (uint32_t i = 0; i < size; i++) {
		uint8_t mask = fn->writable[offset + i];

		fn->config[offset + i] = (fn->config[offset + i] & ~mask) | (data[i] & mask);
		through[i] = fn->pass[offset + i] & mask;
	}
	if (any(through, size) && write_passed(fn, offset, data, through, size) < 0)
		remark(fn, "config space at %#x cannot be written: %s", offset, bypass_error());
}

/* The largest access that is aligned, and lies in [@offset, @offset + @size). */
static uint32_t step(uint32_t offset, uint32_t size)
{
	uint32_t n = 4;

	while (n > size || offset % n)
		n /= 2;
	return n;
}

void registers_read(struct function *fn, uint32_t offset, uint8_t *data, uint32_t size)
{
	if (offset >= CONFIG_SIZE) {
		memset(data, 0xff, size);
		return;
	}
	for (uint32_t n; size; offset += n, data += n, size -= n) {
		n = step(offset, size);
		read_aligned(fn, offset, data, n);
	}
}

static bool touches(uint32_t offset, uint32_t size, uint32_t first, uint32_t length)
{
	return offset < first + length && first < offset + size;
}

/* A guest asks for a function level reset: by the PCIe capability, or by advanced features. */
static bool wants_reset(const struct function *fn, uint32_t offset, const uint8_t *data,
			uint32_t size)
{
	uint32_t flr = fn->exp + PCI_EXP_DEVCTL + 1u, af = fn->af + PCI_AF_CTRL;

	if (fn->exp && touches(offset, size, flr, 1) &&
	    data[flr - offset] & PCI_EXP_DEVCTL_BCR_FLR >> 8 &&
	    register_get(fn, fn->exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR)
		return true;
	return fn->af && touches(offset, size, af, 1) && data[af - offset] & PCI_AF_CTRL_FLR;
}

/* D1 and D2 are not offered: a write of either leaves the state as it was. */
static void power_check(struct function *fn, uint16_t before)
{
	uint16_t state = register_get(fn, fn->pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		memcpy(fn->config + fn->pm + PCI_PM_CTRL, &before, 2);
}

/* Returns what the write has changed, bits of enum change. */
unsigned int registers_write(struct function *fn, uint32_t offset, const uint8_t *data,
			     uint32_t size)
{
	uint16_t power = fn->pm ? register_get(fn, fn->pm + PCI_PM_CTRL, 2) : 0;
	uint16_t before = register_get(fn, PCI_COMMAND, 2);
	bool command = touches(offset, size, PCI_COMMAND, 2);
	uint32_t at = offset, left = size;
	const uint8_t *from = data;
	unsigned int changed = 0;

	if (offset >= CONFIG_SIZE)
		return 0;
	for (uint32_t n; left; at += n, from += n, left -= n) {
		n = step(at, left);
		write_aligned(fn, at, from, n);
	}
	if (fn->pm)
		power_check(fn, power);
	if (wants_reset(fn, offset, data, size))
		return CHANGE_RESET;
	if ((before ^ register_get(fn, PCI_COMMAND, 2)) & PCI_COMMAND_MASTER)
		changed |= CHANGE_MASTER;
	if (command || touches(offset, size, PCI_BASE_ADDRESS_0, 4 * BYPASS_BARS) ||
	    (fn->pm && touches(offset, size, fn->pm + PCI_PM_CTRL, 2)))
		changed |= CHANGE_BARS;
	if (command || (fn->msi && touches(offset, size, fn->msi, 24)) ||
	    (fn->msix_cap && touches(offset, size, fn->msix_cap, PCI_CAP_MSIX_SIZEOF)))
		changed |= CHANGE_IRQ;
	return changed;
}
