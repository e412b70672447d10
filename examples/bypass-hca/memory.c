// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* DMA: the memory of the guest that a function belongs to. */
#include <string.h>

#include <bypass/memory.h>

#include "hca.h"

uint8_t *dma_span(const struct hca *hca, uint64_t address, uint64_t *size)
{
	const struct bypass_memory_range *range;
	uint64_t left;

	if (!hca->mem || !hca->bus_master)
		return NULL;
	range = bypass_memory_find(hca->mem, address, 1);
	if (!range)
		return NULL;
	left = range->size - (address - range->gpa);
	if (*size > left)
		*size = left;
	return (uint8_t *)range->hva + (address - range->gpa);
}

bool dma_read(const struct hca *hca, uint64_t address, void *data, uint64_t size)
{
	uint8_t *to = data;

	while (size) {
		uint64_t n = size;
		const uint8_t *from = dma_span(hca, address, &n);

		if (!from)
			return false;
		memcpy(to, from, n);
		to += n;
		address += n;
		size -= n;
	}
	return true;
}

bool dma_write(const struct hca *hca, uint64_t address, const void *data, uint64_t size)
{
	const uint8_t *from = data;

	while (size) {
		uint64_t n = size;
		uint8_t *to = dma_span(hca, address, &n);

		if (!to)
			return false;
		memcpy(to, from, n);
		from += n;
		address += n;
		size -= n;
	}
	return true;
}
