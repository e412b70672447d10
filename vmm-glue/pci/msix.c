// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The emulated MSI-X table and pending bits. The device's own table belongs to the host's
 * kernel. KVM does not listen to the eventfd of a masked vector. The eventfd then keeps an
 * interrupt that came meanwhile: its count is the pending bit.
 */
#include <string.h>

#include "internal.h"

bool msix_message(const struct function *fn, unsigned int i, uint64_t *address, uint32_t *data)
{
	const uint8_t *entry = fn->msix.entries + i * PCI_MSIX_ENTRY_SIZE;
	uint16_t flags = register_get(fn, fn->msix_cap + PCI_MSIX_FLAGS, 2);
	uint32_t control;

	memcpy(address, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 8);
	memcpy(data, entry + PCI_MSIX_ENTRY_DATA, 4);
	memcpy(&control, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4);
	return !(flags & PCI_MSIX_FLAGS_MASKALL) && !(control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Returns the vector that the write touched. */
static int table_write(struct msix *x, uint64_t at, const uint8_t *data, uint32_t size)
{
	unsigned int vector = at / PCI_MSIX_ENTRY_SIZE;
	uint8_t *entry = x->entries + vector * PCI_MSIX_ENTRY_SIZE;

	memcpy(x->entries + at, data, size);
	entry[PCI_MSIX_ENTRY_LOWER_ADDR] &= ~3;
	entry[PCI_MSIX_ENTRY_VECTOR_CTRL] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	memset(entry + PCI_MSIX_ENTRY_VECTOR_CTRL + 1, 0, 3);
	return vector;
}

static void pba_read(const struct function *fn, uint64_t at, uint8_t *data, uint32_t size)
{
	memset(data, 0, size);
	if (fn->irq.mode != BYPASS_IRQ_MSIX)
		return;
	for (unsigned int bit = 0; bit < size * 8; bit++) {
		uint64_t vector = at * 8 + bit;

		if (vector < fn->irq.count && glue_vector_pending(&fn->irq.vectors[vector].glue))
			data[bit / 8] |= 1 << (bit % 8);
	}
}

/*
 * Serve an aligned access if it lies in the table or in the pending bits, which are 8-aligned.
 * @touched: the vector that it changed, or -1
 */
bool msix_access(struct function *fn, unsigned int bar, uint64_t offset, uint8_t *data,
		 uint32_t size, bool write, int *touched)
{
	struct msix *x = &fn->msix;

	*touched = -1;
	if (!x->count)
		return false;
	if (bar == x->table_bar && offset >= x->table &&
	    offset - x->table < x->count * PCI_MSIX_ENTRY_SIZE) {
		if (write)
			*touched = table_write(x, offset - x->table, data, size);
		else
			memcpy(data, x->entries + (offset - x->table), size);
		return true;
	}
	if (bar == x->pba_bar && offset >= x->pba && offset - x->pba < (x->count + 63) / 64 * 8) {
		if (!write)
			pba_read(fn, offset - x->pba, data, size);
		return true;
	}
	return false;
}

/* After reset all vectors are masked. */
void msix_reset(struct function *fn)
{
	for (unsigned int i = 0; i < fn->msix.count; i++) {
		uint8_t *entry = fn->msix.entries + i * PCI_MSIX_ENTRY_SIZE;

		memset(entry, 0, PCI_MSIX_ENTRY_SIZE);
		entry[PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
}
