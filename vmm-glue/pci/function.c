// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A slice's life as a PCI function of the guest, and what follows when the guest
 * writes its config space.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "internal.h"

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

/* Makes a function whose BARs are not mapped yet. */
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
		err = rom_check(fn);
	if (!err)
		err = bars_place(fn);
	if (!err)
		err = config_init(fn);
	if (!err)
		err = msix_alloc(fn);
	if (!err)
		err = bars_cut(fn);
	if (!err)
		err = bars_slots(fn);
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

/* Tell the slice's own command register what the guest may decide: bus mastering. */
void function_command(struct function *fn)
{
	uint16_t guest = register_get(fn, PCI_COMMAND, 2);
	uint16_t command = guest & PCI_COMMAND_MASTER;

	/*
	 * Decoding stays on at the device while the slice is plugged, whatever the guest
	 * writes: only the memory slots come and go. With decoding off the kernel revokes the
	 * mappings of the windows.
	 */
	for (unsigned int i = 0; i < BYPASS_BARS; i++)
		if (fn->slice->bars[i].size)
			command |= fn->slice->bars[i].io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	if (fn->slice->ops->config_write(fn->slice, PCI_COMMAND, &command, 2) < 0)
		remark(fn, "the command register cannot be written: %s", bypass_error());
}

/*
 * Back to the state after power-on, with the BARs where they were placed first. No access of
 * the guest reaches the device during its reset.
 */
int function_reset(struct function *fn)
{
	int err;

	irq_stop(fn);
	memcpy(fn->config, fn->initial, CONFIG_SIZE);
	msix_reset(fn);
	bars_update(fn->vm);
	err = fn->slice->ops->reset(fn->slice);
	if (err)
		remark(fn, "it cannot be reset: %s", bypass_error());
	function_command(fn);
	irq_update(fn);
	return err;
}

void function_config_read(struct function *fn, uint32_t offset, uint8_t *data, uint32_t size)
{
	if (fn->msi)
		msi_pending(fn);
	registers_read(fn, offset, data, size);
}

void function_config_write(struct function *fn, uint32_t offset, const uint8_t *data, uint32_t size)
{
	unsigned int changed = registers_write(fn, offset, data, size);

	if (changed & CHANGE_RESET)
		function_reset(fn);
	if (changed & CHANGE_MASTER)
		function_command(fn);
	if (changed & CHANGE_BARS)
		bars_update(fn->vm);
	if (changed & CHANGE_IRQ)
		irq_update(fn);
}
