// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Serves the accesses to BARs that exit to user space: the MSI-X table, the slice's traps,
 * and doorbells that KVM refused.
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

/* Serves any access that a guest can produce. A misaligned access becomes several aligned ones. */
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
