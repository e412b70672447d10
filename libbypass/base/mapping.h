/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mmap at an address that suits huge pages. For all folders of the library.
 */
#ifndef BYPASS_BASE_MAPPING_H
#define BYPASS_BASE_MAPPING_H

#include <stdint.h>
#include <sys/types.h>

/**
 * mapping_aligned() - map a file, shared, so that @align bytes at a time can be one page
 * @fd: the file
 * @offset: in it, page aligned
 * @size: bytes, a multiple of the page size
 * @prot: as for mmap(2)
 * @align: a power of two, at least the page size
 * @phase: the address is made equal to this modulo @align
 * @hva: set to the address; undone with munmap(2) of @size bytes
 *
 * Return: 0 or a negative errno of mmap(2), not yet explained.
 */
int mapping_aligned(int fd, off_t offset, uint64_t size, int prot, uint64_t align, uint64_t phase,
		    void **hva);

#endif
