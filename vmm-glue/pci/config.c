// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Config space as the guest sees it. A byte is ours (read from a copy, written
 * through a mask) or the slice's, bit by bit; nothing is the slice's unless a rule
 * says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

#define COMMAND_EMULATED (PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
/* What the device reports of itself: pending INTx, and errors, which are cleared by writing 1. */
#define STATUS_PASSED                                                                              \
	(PCI_STATUS_INTERRUPT | PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |                  \
	 PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | \
	 PCI_STATUS_DETECTED_PARITY)

void config_set(struct function *fn, uint32_t offset, uint32_t size, uint32_t value,
		uint32_t writable)
{
	/* Guests of vmm-glue are x86: config space and host agree on the byte order. */
	memcpy(fn->config + offset, &value, size);
	memcpy(fn->writable + offset, &writable, size);
}

uint32_t config_get(const struct function *fn, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	memcpy(&value, fn->config + offset, size);
	return value;
}

/* Tell the slice's own command register what the guest may decide: bus mastering. */
void config_command(struct function *fn)
{
	uint16_t guest = config_get(fn, PCI_COMMAND, 2);
	uint16_t command = guest & PCI_COMMAND_MASTER;

	/*
	 * Decoding stays on at the device as long as the slice is plugged, whatever the
	 * guest says: it is the memory slots that come and go. With decoding off, the
	 * kernel takes the windows away under our feet.
	 */
	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		if (fn->slice->bars[i].size)
			command |= fn->slice->bars[i].io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	if (fn->slice->ops->config_write(fn->slice, PCI_COMMAND, &command, 2) < 0)
		function_remark(fn, "the command register cannot be written: %s", bypass_error());
}

static void header_init(struct function *fn, const uint8_t *host)
{
	uint16_t command = COMMAND_EMULATED | PCI_COMMAND_MASTER;
	uint8_t pin = host[PCI_INTERRUPT_PIN];

	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		if (fn->slice->bars[i].size)
			command |= fn->slice->bars[i].io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	memcpy(fn->config, host, PCI_STD_HEADER_SIZEOF);
	config_set(fn, PCI_COMMAND, 2, 0, command);
	config_set(fn, PCI_STATUS, 2, config_get(fn, PCI_STATUS, 2) & ~PCI_STATUS_CAP_LIST,
		   STATUS_PASSED & ~PCI_STATUS_INTERRUPT);
	memcpy(fn->pass + PCI_STATUS, &(uint16_t){STATUS_PASSED}, 2);
	config_set(fn, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	config_set(fn, PCI_LATENCY_TIMER, 1, 0, 0);
	config_set(fn, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_NORMAL, 0);
	config_set(fn, PCI_BIST, 1, 0, 0);
	config_set(fn, PCI_CARDBUS_CIS, 4, 0, 0);
	config_set(fn, PCI_ROM_ADDRESS, 4, 0, 0);
	config_set(fn, PCI_CAPABILITY_LIST, 4, 0, 0);
	config_set(fn, 0x38, 4, 0, 0); /* reserved */

	if (!fn->slice->vectors[BYPASS_IRQ_INTX] || fn->intx_gsi < 0)
		pin = 0;
	config_set(fn, PCI_INTERRUPT_PIN, 1, pin ? 1 : 0, 0);
	config_set(fn, PCI_INTERRUPT_LINE, 1, pin ? fn->intx_gsi : 0xff, 0xff);
}

static void bar_registers_init(struct function *fn)
{
	for (unsigned int i = 0; i < BYPASS_BARS; i++) {
		const struct bypass_bar *bar = &fn->slice->bars[i];
		uint32_t at = PCI_BASE_ADDRESS_0 + 4 * i, flags = 0;
		uint64_t home = fn->bars[i].home, mask = ~(bar->size - 1);

		/* The upper half of a 64-bit BAR is set with its lower half. */
		if (!bar->size && i && fn->slice->bars[i - 1].size && fn->slice->bars[i - 1].is_64)
			continue;
		config_set(fn, at, 4, 0, 0);
		if (!bar->size)
			continue;
		if (bar->io)
			flags |= PCI_BASE_ADDRESS_SPACE_IO;
		if (bar->is_64)
			flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (bar->prefetchable)
			flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		config_set(fn, at, 4, (uint32_t)home | flags, mask);
		if (bar->is_64)
			config_set(fn, at + 4, 4, home >> 32, mask >> 32);
	}
}

/* Needs the homes of the BARs, which bars_place() found. */
int config_init(struct function *fn)
{
	struct bypass_slice *slice = fn->slice;
	uint8_t *host = calloc(1, CONFIG_SIZE);
	int err = 0;

	if (!host)
		return bypass_fail(ENOMEM, "no memory for the config space of %s", slice->name);
	for (uint32_t at = 0; at < slice->config_size && !err; at += 4)
		err = slice->ops->config_read(slice, at, host + at, 4);
	if (!err && (host[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		err = bypass_fail(EOPNOTSUPP,
				  "%s is a bridge; only endpoints can be given to a guest",
				  slice->name);
	if (!err) {
		header_init(fn, host);
		capabilities_show(fn, host);
		bar_registers_init(fn);
		memcpy(fn->initial, fn->config, CONFIG_SIZE);
	}
	free(host);
	return err;
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
		function_remark(fn, "config space at %#x cannot be read: %s", offset,
				bypass_error());
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
		function_remark(fn, "config space at %#x cannot be written: %s", offset,
				bypass_error());
}

/* The largest access that is aligned, and lies in [@offset, @offset + @size). */
static uint32_t step(uint32_t offset, uint32_t size)
{
	uint32_t n = 4;

	while (n > size || offset % n)
		n /= 2;
	return n;
}

void config_read(struct function *fn, uint32_t offset, uint8_t *data, uint32_t size)
{
	if (offset >= CONFIG_SIZE) {
		memset(data, 0xff, size);
		return;
	}
	if (fn->msi)
		msi_pending(fn);
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
	    config_get(fn, fn->exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR)
		return true;
	return fn->af && touches(offset, size, af, 1) && data[af - offset] & PCI_AF_CTRL_FLR;
}

void config_write(struct function *fn, uint32_t offset, const uint8_t *data, uint32_t size)
{
	uint16_t power = fn->pm ? config_get(fn, fn->pm + PCI_PM_CTRL, 2) : 0;
	uint16_t before = config_get(fn, PCI_COMMAND, 2);
	bool command = touches(offset, size, PCI_COMMAND, 2);
	uint32_t at = offset, left = size;
	const uint8_t *from = data;

	if (offset >= CONFIG_SIZE)
		return;
	for (uint32_t n; left; at += n, from += n, left -= n) {
		n = step(at, left);
		write_aligned(fn, at, from, n);
	}

	/* D1 and D2 are not offered: a write of either leaves the state as it is. */
	if (fn->pm) {
		uint16_t state = config_get(fn, fn->pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;

		if (state == 1 || state == 2)
			memcpy(fn->config + fn->pm + PCI_PM_CTRL, &power, 2);
	}
	if (wants_reset(fn, offset, data, size)) {
		function_reset(fn);
		return;
	}
	if ((before ^ config_get(fn, PCI_COMMAND, 2)) & PCI_COMMAND_MASTER)
		config_command(fn);
	if (command || touches(offset, size, PCI_BASE_ADDRESS_0, 4 * BYPASS_BARS) ||
	    (fn->pm && touches(offset, size, fn->pm + PCI_PM_CTRL, 2)))
		bars_update(fn->vm);
	if (command || (fn->msi && touches(offset, size, fn->msi, 24)) ||
	    (fn->msix_cap && touches(offset, size, fn->msix_cap, PCI_CAP_MSIX_SIZEOF)))
		irq_update(fn);
}
