// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A queue in guest memory, by the list of pages that the driver gives when it makes the queue. */
#include <stdlib.h>

#include "hca.h"
#include "layout.h"

/* A page offset counts 64ths of a page. */
enum status ring_open(struct ring *ring, const uint8_t *pages, uint32_t left, uint32_t log_page,
		      uint32_t page_offset, uint64_t size)
{
	uint64_t page = 4096ull << log_page, n;

	if (log_page > 19)
		return STATUS_BAD_PARAMETER;
	ring->page_shift = 12 + log_page;
	ring->offset = page_offset * (uint32_t)(page / 64);
	n = (ring->offset + size + page - 1) >> ring->page_shift;
	if (!n)
		return STATUS_OK;
	if (n > left / 8)
		return STATUS_BAD_INPUT_LENGTH;
	ring->pages = malloc(n * sizeof(*ring->pages));
	if (!ring->pages)
		return STATUS_LIMIT;
	ring->n_pages = n;
	for (uint32_t i = 0; i < n; i++)
		ring->pages[i] = get_be64(pages + 8 * i) & ~0xfffull;
	return STATUS_OK;
}

void ring_close(struct ring *ring)
{
	free(ring->pages);
	ring->pages = NULL;
	ring->n_pages = 0;
}

/* The address of @offset, and how many bytes of the page follow; false outside. */
static bool ring_address(const struct ring *ring, uint64_t offset, uint64_t *address,
			 uint32_t *left)
{
	uint64_t at = ring->offset + offset, page = at >> ring->page_shift;
	uint64_t inside = at & ((1ull << ring->page_shift) - 1);

	if (page >= ring->n_pages)
		return false;
	*address = ring->pages[page] + inside;
	*left = (1ull << ring->page_shift) - inside;
	return true;
}

bool ring_read(const struct hca *hca, const struct ring *ring, uint64_t offset, void *data,
	       uint32_t size)
{
	uint64_t address;
	uint32_t n;

	for (uint8_t *to = data; size; to += n, offset += n, size -= n) {
		if (!ring_address(ring, offset, &address, &n))
			return false;
		n = n < size ? n : size;
		if (!dma_read(hca, address, to, n))
			return false;
	}
	return true;
}

bool ring_write(const struct hca *hca, const struct ring *ring, uint64_t offset, const void *data,
		uint32_t size)
{
	uint64_t address;
	uint32_t n;

	for (const uint8_t *from = data; size; from += n, offset += n, size -= n) {
		if (!ring_address(ring, offset, &address, &n))
			return false;
		n = n < size ? n : size;
		if (!dma_write(hca, address, from, n))
			return false;
	}
	return true;
}
