// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mmap at an address that suits huge pages: reserve more than is needed, map
 * inside, give the rest back.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "mapping.h"

int mapping_aligned(int fd, off_t offset, uint64_t size, int prot, uint64_t align, uint64_t phase,
		    void **hva)
{
	uint64_t reserved = size + align, head;
	char *area, *at;
	int err;

	if (reserved < size)
		return -ENOMEM;
	area = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return -errno;
	head = (phase - (uintptr_t)area) & (align - 1);
	at = area + head;
	if (mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED) {
		err = -errno;
		munmap(area, reserved);
		return err;
	}
	if (head)
		munmap(area, head);
	munmap(at + size, reserved - head - size);
	*hva = at;
	return 0;
}
