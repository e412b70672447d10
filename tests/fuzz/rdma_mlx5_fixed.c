// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * As rdma_mlx5, for a carrier that maps windows once: the doorbell pages are laid out when the slice is
 * opened, in a context of their own, and stay where they are whatever the guest does.
 */
#include "rdma_control.h"

#include "../mock_mlx5.h" /* headers of the C library come before those of the kernel */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The HCA has as many pages as before, and what is stored to a window is in the page that a VMM has mapped. */
static void check_pages(const struct rdma_slice *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MOCK_OBJECTS; i++)
		n += mock.kind[i] == MOCK_PAGE;
	if (n != s->pages.n || mock_mlx5.n != n)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		const struct bypass_window *w = &s->pages.windows[i];
		uint32_t ring = 0;

		++*(uint32_t *)w->hva;
		if (pread(mock.page_fd, &ring, sizeof(ring), w->fd_offset) != sizeof(ring) ||
		    ring != *(uint32_t *)w->hva)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mock.driver = &mock_mlx5_driver;
	check_pages(fuzz_control("mock0,all-ram,qps=8,cqs=8,mrs=8,pds=8,mws=8,srqs=8,"
				 "ahs=8,xrcds=4,ucontexts=4,mcasts=8,ids=8,pinned=256K",
				 true, data, size));
	return 0;
}
