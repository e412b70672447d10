// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Accesses to BARs that left the kernel: the MSI-X table, traps of the slice, and
 * doorbells that KVM did not serve.
 */
#include <string.h>
#include <sys/eventfd.h>

#include <bypass/error.h>

#include "internal.h"

static bool kick(const struct bypass_bar *b, uint64_t offset, uint32_t size)
{
	for (unsigned int i = 0; i < b->n_kicks; i++) {
		const struct bypass_kick *k = &b->kicks[i];

		if (k->offset != offset || (k->size && k->size != size))
			continue;
		eventfd_write(k->fd, 1);
		return true;
	}
	return false;
}

/* An aligned access of 1, 2, 4 or 8 bytes inside the BAR. */
static void access_aligned(struct function *fn, unsigned int bar, uint64_t offset, uint8_t *data,
			   uint32_t size, bool write)
{
	struct bypass_slice *slice = fn->slice;
	uint8_t copy[8];
	int err, vector;

	if (msix_access(fn, bar, offset, data, size, write, &vector)) {
		if (vector >= 0 && fn->irq.mode == BYPASS_IRQ_MSIX)
			irq_vector_update(fn, vector, vector + 1);
		return;
	}
	if (!write) {
		err = slice->ops->bar_read(slice, bar, offset, copy, size);
		if (err)
			memset(copy, 0xff, size);
		memcpy(data, copy, size);
	} else {
		if (kick(&slice->bars[bar], offset, size))
			return;
		memcpy(copy, data, size);
		err = slice->ops->bar_write(slice, bar, offset, copy, size);
	}
	if (err)
		remark(fn, "BAR %u cannot be %s at %#llx: %s", bar, write ? "written" : "read",
		       (unsigned long long)offset, bypass_error());
}

/* Any access that a guest can produce: one that crosses a boundary is taken apart. */
void bar_access(struct function *fn, unsigned int bar, uint64_t offset, uint8_t *data,
		uint32_t size, bool write)
{
	uint64_t end = fn->slice->bars[bar].size;

	for (uint32_t n; size; offset += n, data += n, size -= n) {
		for (n = 8; n > size || offset % n;)
			n /= 2;
		if (offset < end)
			access_aligned(fn, bar, offset, data, n, write);
		else if (!write)
			memset(data, 0xff, n);
	}
}
