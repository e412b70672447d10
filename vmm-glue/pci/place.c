// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Places BARs before the guest runs, so that a guest without firmware can use them. The
 * largest BAR is placed first, each BAR at a multiple of its size.
 */
#include <errno.h>

#include <bypass/error.h>

#include "internal.h"

/* The end of a BAR or ROM of any function whose home overlaps [@at, @at + @size), or 0 */
static uint64_t home_conflict(struct bypass_vm *vm, struct function *extra, uint64_t at,
			      uint64_t size, bool io)
{
	for (unsigned int f = 0; f <= vm->n_functions; f++) {
		struct function *fn = f < vm->n_functions ? vm->functions[f] : extra;

		for (unsigned int i = 0; i < BYPASS_BARS; i++) {
			const struct bypass_bar *b = &fn->slice->bars[i];
			uint64_t home = fn->bars[i].home;

			if (b->size && home && b->io == io && at < home + b->size &&
			    home < at + size)
				return home + b->size;
		}
		if (!io && fn->rom_home && at < fn->rom_home + fn->slice->rom_size &&
		    fn->rom_home < at + size)
			return fn->rom_home + fn->slice->rom_size;
	}
	return 0;
}

/* 0: no room */
static uint64_t place(struct function *fn, const struct bypass_span *span, uint64_t size, bool io)
{
	uint64_t at = span->base, end = span->base + span->size, next;

	for (;;) {
		/* A BAR at 0 would look unplaced. */
		at = (at + size - 1) & ~(size - 1);
		if (!at)
			at = size;
		if (at < span->base || at > end || end - at < size)
			return 0;
		next = home_conflict(fn->vm, fn, at, size, io);
		if (!next && (io || !space_obstacle(fn->vm, at, size, &next)))
			return at;
		at = next;
	}
}

static int bar_place(struct function *fn, unsigned int i)
{
	const struct bypass_vm_config *c = &fn->vm->config;
	const struct bypass_bar *b = &fn->slice->bars[i];
	struct bar *bar = &fn->bars[i];

	if (b->io) {
		bar->home = place(fn, &c->pio, b->size, true);
		return 0; /* its driver can do without: most do */
	}
	if (b->is_64)
		bar->home = place(fn, &c->mmio64, b->size, false);
	if (!bar->home)
		bar->home = place(fn, &c->mmio32, b->size, false);
	if (!bar->home)
		return bypass_fail(ENOSPC,
				   "no room for BAR %u (%#llx bytes) of %s in the guest's MMIO "
				   "space: let the VMM give vmm-glue a larger %s",
				   i, (unsigned long long)b->size, fn->slice->name,
				   b->is_64 ? "mmio64 or mmio32" : "mmio32");
	return 0;
}

int bars_place(struct function *fn)
{
	const struct bypass_vm_config *c = &fn->vm->config;
	bool done[BYPASS_BARS] = {false};
	int err = 0;

	if (!c->mmio32.size && !c->mmio64.size && !c->pio.size)
		return 0;
	for (unsigned int n = 0; n < BYPASS_BARS && !err; n++) {
		int largest = -1;

		for (int i = 0; i < BYPASS_BARS; i++)
			if (!done[i] && fn->slice->bars[i].size &&
			    (largest < 0 ||
			     fn->slice->bars[i].size > fn->slice->bars[largest].size))
				largest = i;
		if (largest < 0)
			break;
		done[largest] = true;
		err = bar_place(fn, largest);
	}
	/* A guest can do without a ROM: where there is no room, the ROM has no home. */
	if (!err && fn->slice->rom_size)
		fn->rom_home = place(fn, &c->mmio32, fn->slice->rom_size, false);
	return err;
}
