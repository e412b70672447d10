// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the guest reaches the BARs. The guest may move a BAR at any time, to any address.
 * A BAR at an impossible address is out of reach until the guest moves the BAR again.
 * Nothing else happens.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define PIO_SIZE 0x10000ull

static int piece_add(struct bar *bar, const struct bypass_window *w, uint64_t from, uint64_t to)
{
	struct piece *p;

	if (from >= to)
		return 0;
	p = realloc(bar->pieces, (bar->n_pieces + 1) * sizeof(*p));
	if (!p)
		return bypass_fail(ENOMEM, "no memory for the windows of a BAR");
	bar->pieces = p;
	p[bar->n_pieces++] = (struct piece){
		.offset = from,
		.size = to - from,
		.hva = (uint8_t *)w->hva + (from - w->offset),
	};
	return 0;
}

/**
 * struct hole - pages of a BAR that must trap
 * @from: first byte, page aligned
 * @to: byte after the last
 */
struct hole {
	uint64_t from, to;
};

static struct hole hole_around(uint64_t offset, uint64_t bytes)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return (struct hole){offset & ~(page - 1), (offset + bytes + page - 1) & ~(page - 1)};
}

/*
 * Cut the pages of the MSI-X table and of the pending bits out of the windows. Cut no other
 * page: registers of the data path may lie in the same BAR, and must not trap.
 */
static int pieces_make(struct function *fn, unsigned int i)
{
	const struct bypass_bar *b = &fn->slice->bars[i];
	struct msix *x = &fn->msix;
	struct hole holes[2];
	unsigned int n = 0;
	int err = 0;

	if (x->count && x->table_bar == i)
		holes[n++] = hole_around(x->table, x->count * PCI_MSIX_ENTRY_SIZE);
	if (x->count && x->pba_bar == i)
		holes[n++] = hole_around(x->pba, (x->count + 63) / 64 * 8);
	if (n == 2 && holes[1].from < holes[0].from) {
		struct hole first = holes[1];

		holes[1] = holes[0];
		holes[0] = first;
	}
	for (unsigned int w = 0; w < b->n_windows && !err; w++) {
		const struct bypass_window *win = &b->windows[w];
		uint64_t from = win->offset, end = win->offset + win->size;

		for (unsigned int h = 0; h < n && !err; h++) {
			if (holes[h].to <= from || holes[h].from >= end)
				continue;
			err = piece_add(&fn->bars[i], win, from, holes[h].from);
			from = holes[h].to;
		}
		if (!err)
			err = piece_add(&fn->bars[i], win, from, end);
	}
	return err;
}

static int bar_check(const struct function *fn, unsigned int i)
{
	const struct bypass_bar *b = &fn->slice->bars[i];
	uint64_t page = sysconf(_SC_PAGESIZE), at = 0;
	const char *what = NULL;

	if (b->size & (b->size - 1) || b->size < (b->io ? 4 : 16))
		what = "its size is not a power of two";
	else if (b->is_64 && (i == BYPASS_BARS - 1 || b->io || fn->slice->bars[i + 1].size))
		what = "there is no room for its upper half";
	else if (b->size > (b->io ? 256 : b->is_64 ? 1ull << 62 : 1ull << 31))
		what = "it is too large";
	else if (b->io && b->n_windows)
		what = "I/O ports have no windows";
	for (unsigned int w = 0; w < b->n_windows && !what; w++) {
		const struct bypass_window *win = &b->windows[w];

		if (win->offset % page || win->size % page || !win->size ||
		    (uintptr_t)win->hva % page)
			what = "a window is not page aligned";
		else if (win->offset < at || win->size > b->size ||
			 win->offset > b->size - win->size)
			what = "a window overlaps another or leaves the BAR";
		at = win->offset + win->size;
	}
	for (unsigned int k = 0; k < b->n_kicks && !what; k++)
		if (b->kicks[k].offset >= b->size || b->kicks[k].size > 8)
			what = "a doorbell lies outside";
	return what ? bypass_fail(EINVAL, "%s has an impossible BAR %u: %s", fn->slice->name, i,
				  what)
		    : 0;
}

/* Does what the slice says of its BARs make sense? */
int bars_check(struct function *fn)
{
	int err = 0;

	for (unsigned int i = 0; i < BYPASS_BARS && !err; i++) {
		fn->bars[i].at = NOWHERE;
		if (fn->slice->bars[i].size)
			err = bar_check(fn, i);
	}
	return err;
}

/* Runs after config_init(), which finds the MSI-X table. */
int bars_cut(struct function *fn)
{
	int err = 0;

	for (unsigned int i = 0; i < BYPASS_BARS && !err; i++)
		if (fn->slice->bars[i].size)
			err = pieces_make(fn, i);
	return err;
}

/*
 * Take a memory slot for each piece at plug. When the guest enables a BAR, a missing slot
 * could only be remarked.
 */
int bars_slots(struct function *fn)
{
	for (unsigned int i = 0; i < BYPASS_BARS; i++) {
		struct bar *bar = &fn->bars[i];

		for (; bar->n_slots < bar->n_pieces; bar->n_slots++) {
			int err = glue_slot_take(&fn->vm->machine, &bar->pieces[bar->n_slots].slot);

			if (err)
				return err;
		}
	}
	return 0;
}

void bars_free(struct function *fn)
{
	for (unsigned int i = 0; i < BYPASS_BARS; i++) {
		struct bar *bar = &fn->bars[i];

		while (bar->n_slots)
			glue_slot_give(&fn->vm->machine, bar->pieces[--bar->n_slots].slot);
		free(bar->pieces);
	}
}

/* Does the function answer in this space? A bit of the command register. */
bool bars_decode(const struct function *fn, uint16_t space)
{
	if (!(register_get(fn, PCI_COMMAND, 2) & space))
		return false;
	return !fn->pm || !(register_get(fn, fn->pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
}

/* What the guest asks for: NOWHERE when the function does not decode. */
static uint64_t bar_wanted(const struct function *fn, unsigned int i)
{
	const struct bypass_bar *b = &fn->slice->bars[i];
	uint64_t at = register_get(fn, PCI_BASE_ADDRESS_0 + 4 * i, 4);

	if (!b->size || !bars_decode(fn, b->io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))
		return NOWHERE;
	if (b->is_64)
		at |= (uint64_t)register_get(fn, PCI_BASE_ADDRESS_0 + 4 * i + 4, 4) << 32;
	return at & ~(b->size - 1);
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

/* Why a BAR cannot be at @at, or NULL. */
static const char *bar_obstacle(struct function *fn, unsigned int i, uint64_t at)
{
	const struct bypass_bar *b = &fn->slice->bars[i];
	uint64_t end;

	if (at > UINT64_MAX - b->size || (b->io && at > PIO_SIZE - b->size))
		return "the address space ends before it";
	for (unsigned int f = 0; f < fn->vm->n_functions; f++) {
		struct function *other = fn->vm->functions[f];

		for (unsigned int j = 0; j < BYPASS_BARS; j++)
			if (other->bars[j].at != NOWHERE && other->slice->bars[j].io == b->io &&
			    overlaps(at, b->size, other->bars[j].at, other->slice->bars[j].size))
				return "another BAR lies there";
	}
	return b->io ? NULL : space_obstacle(fn->vm, at, b->size, &end);
}

static void doorbells_off(struct function *fn, unsigned int i, uint64_t at)
{
	const struct bypass_bar *b = &fn->slice->bars[i];
	struct bar *bar = &fn->bars[i];

	while (bar->n_doorbells) {
		const struct bypass_kick *k = &b->kicks[--bar->n_doorbells];

		glue_doorbell(&fn->vm->machine, at + k->offset, k->size, b->io, k->fd, false);
	}
}

/* A doorbell that KVM refuses still works: trap.c serves the store, at the price of an exit. */
static void doorbells_on(struct function *fn, unsigned int i, uint64_t at)
{
	const struct bypass_bar *b = &fn->slice->bars[i];
	struct bar *bar = &fn->bars[i];

	for (unsigned int n = 0; n < b->n_kicks; n++) {
		const struct bypass_kick *k = &b->kicks[n];

		if (glue_doorbell(&fn->vm->machine, at + k->offset, k->size, b->io, k->fd, true)) {
			remark(fn, "%u doorbells of BAR %u cost an exit: %s", b->n_kicks - n, i,
			       bypass_error());
			return;
		}
		bar->n_doorbells++;
	}
}

static void bar_unmap(struct function *fn, unsigned int i)
{
	struct bar *bar = &fn->bars[i];

	doorbells_off(fn, i, bar->at);
	for (unsigned int p = 0; p < bar->n_pieces; p++) {
		glue_slot_unmap(&fn->vm->machine, bar->pieces[p].slot);
		count(&fn->stats->window_bytes, -(int64_t)bar->pieces[p].size);
	}
	bar->at = NOWHERE;
}

static void bar_map(struct function *fn, unsigned int i, uint64_t at)
{
	const char *obstacle = bar_obstacle(fn, i, at);
	struct bar *bar = &fn->bars[i];
	unsigned int p;

	for (p = 0; p < bar->n_pieces && !obstacle; p++) {
		struct piece *piece = &bar->pieces[p];

		if (glue_slot_map(&fn->vm->machine, piece->slot, at + piece->offset, piece->size,
				  piece->hva)) {
			obstacle = bypass_error();
			break;
		}
	}
	if (obstacle) {
		remark(fn, "the guest puts BAR %u at %#llx, where it cannot be: %s", i,
		       (unsigned long long)at, obstacle);
		while (p)
			glue_slot_unmap(&fn->vm->machine, bar->pieces[--p].slot);
		return;
	}
	for (p = 0; p < bar->n_pieces; p++)
		count(&fn->stats->window_bytes, bar->pieces[p].size);
	bar->at = at;
	doorbells_on(fn, i, at);
}

/*
 * Map and unmap the BARs of all functions as their registers say. All functions: where one
 * BAR goes away, a BAR of another function may have waited for the address.
 */
void bars_update(struct bypass_vm *vm)
{
	for (unsigned int f = 0; f < vm->n_functions; f++)
		for (unsigned int i = 0; i < BYPASS_BARS; i++) {
			struct bar *bar = &vm->functions[f]->bars[i];

			if (bar->at != NOWHERE && bar->at != bar_wanted(vm->functions[f], i))
				bar_unmap(vm->functions[f], i);
		}
	for (unsigned int f = 0; f < vm->n_functions; f++)
		for (unsigned int i = 0; i < BYPASS_BARS; i++) {
			uint64_t at = bar_wanted(vm->functions[f], i);

			if (at != NOWHERE && vm->functions[f]->bars[i].at == NOWHERE)
				bar_map(vm->functions[f], i, at);
		}
}

/* Which BAR answers at an address; NULL: none. */
struct function *bar_find(struct bypass_vm *vm, uint64_t address, bool io, unsigned int *bar)
{
	for (unsigned int f = 0; f < vm->n_functions; f++) {
		struct function *fn = vm->functions[f];

		for (unsigned int i = 0; i < BYPASS_BARS; i++) {
			const struct bypass_bar *b = &fn->slice->bars[i];

			if (fn->bars[i].at == NOWHERE || b->io != io || address < fn->bars[i].at ||
			    address - fn->bars[i].at >= b->size)
				continue;
			*bar = i;
			return fn;
		}
	}
	return NULL;
}
