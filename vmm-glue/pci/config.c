// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What config space holds after power-on: the header and the BARs' registers, with
 * the bits that the guest can change and those that are the slice's.
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

static void header_init(struct function *fn, const uint8_t *host)
{
	uint16_t command = COMMAND_EMULATED | PCI_COMMAND_MASTER;
	uint8_t pin = host[PCI_INTERRUPT_PIN];

	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		if (fn->slice->bars[i].size)
			command |= fn->slice->bars[i].io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	memcpy(fn->config, host, PCI_STD_HEADER_SIZEOF);
	register_set(fn, PCI_COMMAND, 2, 0, command);
	register_set(fn, PCI_STATUS, 2, register_get(fn, PCI_STATUS, 2) & ~PCI_STATUS_CAP_LIST,
		     STATUS_PASSED & ~PCI_STATUS_INTERRUPT);
	memcpy(fn->pass + PCI_STATUS, &(uint16_t){STATUS_PASSED}, 2);
	register_set(fn, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	register_set(fn, PCI_LATENCY_TIMER, 1, 0, 0);
	register_set(fn, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_NORMAL, 0);
	register_set(fn, PCI_BIST, 1, 0, 0);
	register_set(fn, PCI_CARDBUS_CIS, 4, 0, 0);
	register_set(fn, PCI_ROM_ADDRESS, 4, 0, 0);
	register_set(fn, PCI_CAPABILITY_LIST, 4, 0, 0);
	register_set(fn, 0x38, 4, 0, 0); /* reserved */

	if (!fn->slice->vectors[BYPASS_IRQ_INTX] || fn->intx_gsi < 0)
		pin = 0;
	register_set(fn, PCI_INTERRUPT_PIN, 1, pin ? 1 : 0, 0);
	register_set(fn, PCI_INTERRUPT_LINE, 1, pin ? fn->intx_gsi : 0xff, 0xff);
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
		register_set(fn, at, 4, 0, 0);
		if (!bar->size)
			continue;
		if (bar->io)
			flags |= PCI_BASE_ADDRESS_SPACE_IO;
		if (bar->is_64)
			flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (bar->prefetchable)
			flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		register_set(fn, at, 4, (uint32_t)home | flags, mask);
		if (bar->is_64)
			register_set(fn, at + 4, 4, home >> 32, mask >> 32);
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
		rom_register_init(fn);
		memcpy(fn->initial, fn->config, CONFIG_SIZE);
	}
	free(host);
	return err;
}
