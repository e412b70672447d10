// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A slice's life as a PCI function of the guest.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

/* A hostile guest can be odd a million times a second; that is said a few times. */
#define REMARKS_MAX 16

void function_remark(struct function *fn, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	if (fn->remarks >= REMARKS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bypass_log(BYPASS_LOG_WARN, "%s (%02x.%x): %s%s", fn->slice->name, fn->devfn >> 3,
		   fn->devfn & 7, text,
		   ++fn->remarks == REMARKS_MAX ? " (no more remarks until the guest resets)" : "");
}

static int msix_alloc(struct function *fn)
{
	if (!fn->msix.count)
		return 0;
	fn->msix.entries = calloc(fn->msix.count, PCI_MSIX_ENTRY_SIZE);
	if (!fn->msix.entries)
		return bypass_fail(ENOMEM, "no memory for %u MSI-X vectors", fn->msix.count);
	msix_reset(fn);
	return 0;
}

/* What does not depend on where the BARs are; they are not mapped yet. */
int function_new(struct bypass_vm *vm, struct bypass_slice *slice, uint8_t devfn, int intx_gsi,
		 struct function **result)
{
	struct function *fn = calloc(1, sizeof(*fn));
	int err;

	if (!fn)
		return bypass_fail(ENOMEM, "no memory to plug %s", slice->name);
	fn->vm = vm;
	fn->slice = slice;
	fn->devfn = devfn;
	fn->intx_gsi = intx_gsi;
	fn->stats = &fn->own_stats;
	fn->irq = (struct interrupts){.mode = BYPASS_IRQS, .trigger = -1, .resample = -1};

	err = bars_check(fn);
	if (!err)
		err = bars_place(fn);
	if (!err)
		err = config_init(fn);
	if (!err)
		err = msix_alloc(fn);
	if (!err)
		err = bars_cut(fn);
	if (err) {
		function_free(fn);
		return err;
	}
	*result = fn;
	return 0;
}

void function_free(struct function *fn)
{
	bars_free(fn);
	free(fn->msix.entries);
	free(fn);
}

/* As after power-on, BARs at home. Nothing of the guest's reaches the device while it resets. */
int function_reset(struct function *fn)
{
	int err;

	irq_stop(fn);
	memcpy(fn->config, fn->initial, CONFIG_SIZE);
	msix_reset(fn);
	bars_update(fn->vm);
	err = fn->slice->ops->reset(fn->slice);
	if (err)
		function_remark(fn, "it cannot be reset: %s", bypass_error());
	config_command(fn);
	irq_update(fn);
	return err;
}
