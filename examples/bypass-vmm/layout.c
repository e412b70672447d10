// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where 64-bit BARs go: above all RAM, as far as the guest's CPU can address.
 */
#include <errno.h>

#include <bypass/error.h>

#include "internal.h"

#define GIB	   (1ull << 30)
#define MMIO64_MIN (64 * GIB) /* room for a guest that moves BARs */

static uint64_t align_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

/* A BAR lies at a multiple of its size: the gap before a BAR can be as large as the BAR. */
static uint64_t needed(const struct slices *slices, uint64_t *largest)
{
	const struct bypass_bar *bar;
	uint64_t size = 0;

	*largest = GIB;
	for (unsigned int i = 0; i < slices->n; i++) {
		for (unsigned int b = 0; b < BYPASS_BARS; b++) {
			bar = &slices->slice[i]->bars[b];
			if (!bar->is_64)
				continue;
			size += 2 * bar->size;
			if (bar->size > *largest)
				*largest = bar->size;
		}
	}
	return align_up(size, GIB);
}

/**
 * layout_mmio64() - set the machine's span for 64-bit BARs
 * @vmm: the machine, with its slices open and its memory laid out
 * @wanted: bytes; 0: what the slices need
 *
 * Return: 0, or -ERANGE with bypass_error() when @wanted does not fit.
 */
int layout_mmio64(struct vmm *vmm, uint64_t wanted)
{
	unsigned int n, bits = cpuid_address_bits(vmm);
	const struct bypass_memory_range *last = bypass_memory_ranges(vmm->memory, &n) + n - 1;
	uint64_t limit = 1ull << bits, base = last->gpa + last->size, largest, size, room;

	size = needed(&vmm->slices, &largest);
	if (size < MMIO64_MIN)
		size = MMIO64_MIN;
	if (wanted)
		size = wanted;
	if (base < BYPASS_MEMORY_HIGH)
		base = BYPASS_MEMORY_HIGH;
	base = align_up(base, largest);
	room = base < limit ? limit - base : 0;
	if (wanted > room)
		return bypass_fail(ERANGE,
				   "--mmio64 asks for %llu GiB, and above the guest's RAM are "
				   "%llu: "
				   "its CPU addresses %u bits",
				   (unsigned long long)(wanted / GIB),
				   (unsigned long long)(room / GIB), bits);
	vmm->mmio64 = (struct bypass_span){.base = base, .size = size < room ? size : room};
	return 0;
}
