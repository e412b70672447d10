// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The HCA's clock: one page of the HCA with a counter, and one page of the kernel with how the counter
 * becomes time. The kernel lets every process of the host that opens the HCA read both, and lets none write.
 *
 * All windows of the region are the guest's to write, and a store into a page that the host has read-only
 * would end the VM. So these two pages lie at the region's end, where it has no window: a read of the clock
 * comes here, and a write has no effect. A transport that maps pages in another process shows no clock.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bypass/log.h>

#include "internal.h"

#define CLOCK_SIZE ((uint64_t)RDMA_CLOCK_PAGES * RDMA_PAGE)

uint64_t rdma_clock_size(const struct rdma_slice *s)
{
	return s->dialect->user_queues ? CLOCK_SIZE : 0;
}

/* All of them, or none. */
static int map_pages(struct rdma_slice *s, char *at)
{
	for (unsigned int i = 0; i < RDMA_CLOCK_PAGES; i++) {
		if (mmap(at + (uint64_t)i * RDMA_PAGE, RDMA_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			 s->hca.cmd_fd, s->dialect->user_queues->clock[i]) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

void rdma_clock_show(struct rdma_slice *s)
{
	/* Doorbell pages that are shown for life, or one at the least that comes and goes. */
	const uint64_t others = (uint64_t)(s->pages.n ? s->pages.n : 1) * RDMA_PAGE;
	char *at = (char *)s->shm.hva + s->shm.size - CLOCK_SIZE;
	int err;

	if (!rdma_clock_size(s) || s->shm.size < others + CLOCK_SIZE)
		return;
	err = map_pages(s, at);
	if (err) {
		bypass_log(BYPASS_LOG_INFO, "%s: guests cannot read its clock: %s", s->hca.name,
			   strerror(-err));
		mmap(at, CLOCK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		return;
	}
	s->shm.tail = CLOCK_SIZE;
	s->window = (struct bypass_window){
		.size = s->shm.size - CLOCK_SIZE, .hva = s->shm.hva, .fd = s->shm.fd};
}

bool rdma_clock_shown(const struct rdma_slice *s)
{
	return s->window.size && !(s->carrier && s->carrier->shm_map);
}

void rdma_clock_offer(struct rdma_slice *s, struct rdma_command *c)
{
	for (unsigned int i = 0; i < RDMA_CLOCK_PAGES; i++)
		c->mmaps[c->n_mmaps++] = (struct bypass_rdma_mmap){
			.offset = htole64(s->dialect->user_queues->clock[i]),
			.shm_offset = htole64(s->window.size + (uint64_t)i * RDMA_PAGE),
			.size = htole64(RDMA_PAGE),
			.flags = htole32(BYPASS_RDMA_MMAP_UC),
		};
}

/* The HCA's registers are read as the guest reads them, in one piece. */
void rdma_clock_read(struct rdma_slice *s, uint64_t offset, void *data, uint32_t size)
{
	const void *at = (const char *)s->shm.hva + offset;

	if (!s->window.size || offset < s->window.size || offset >= s->shm.size)
		return;
	switch (size) {
	case 8:
		*(uint64_t *)data = *(const volatile uint64_t *)at;
		break;
	case 4:
		*(uint32_t *)data = *(const volatile uint32_t *)at;
		break;
	case 2:
		*(uint16_t *)data = *(const volatile uint16_t *)at;
		break;
	default:
		*(uint8_t *)data = *(const volatile uint8_t *)at;
	}
}
