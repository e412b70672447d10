/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guest memory map: which guest-physical addresses are RAM, where this RAM lies in this
 * process, and which file is behind it.
 */
#ifndef BYPASS_MEMORY_H
#define BYPASS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where 32-bit MMIO begins on a PC: RAM up to here lies below 4 GiB, the rest at 4 GiB. */
#define BYPASS_MEMORY_HOLE 0xc0000000ull
#define BYPASS_MEMORY_HIGH 0x100000000ull

/**
 * struct bypass_memory_range - one run of guest RAM
 * @gpa: guest-physical address of its first byte, page aligned
 * @size: bytes, a multiple of the page size, not 0
 * @hva: address of the same byte in this process
 * @fd: the memfd (or file) behind the RAM, mapped shared; -1 when there is none
 *      (such RAM serves function slices, but not context slices)
 * @offset: where in @fd the range begins
 */
struct bypass_memory_range {
	uint64_t gpa;
	uint64_t size;
	void *hva;
	int fd;
	uint64_t offset;
};

/**
 * struct bypass_iova_range - addresses that a device's DMA can use
 * @start: first address
 * @last: last address, inclusive
 */
struct bypass_iova_range {
	uint64_t start;
	uint64_t last;
};

/**
 * struct bypass_memory - a guest memory map; opaque
 *
 * A map has no lock: change it only while no other thread uses it.
 */
struct bypass_memory;

/**
 * bypass_memory_new() - an empty map
 *
 * Return: the map, to be given to bypass_memory_free(); NULL with errno set.
 */
struct bypass_memory *bypass_memory_new(void);

/**
 * bypass_memory_free() - free a map, and the RAM that bypass_memory_alloc() made
 * @mem: the map, or NULL; no slice and no VM may use it any more
 */
void bypass_memory_free(struct bypass_memory *mem);

/**
 * bypass_memory_alloc() - make RAM for a PC guest and add it to an empty map
 * @mem: an empty map, which becomes the owner of the RAM
 * @size: bytes, a multiple of 2 MiB
 * @hugepages: take the RAM from the kernel's pool of 2 MiB pages (hugetlb). Without this
 *             the RAM is ordinary memory, 2 MiB aligned, and advised for THP
 *
 * The RAM is one sealed memfd, mapped shared: one range from address 0, and a
 * second one from BYPASS_MEMORY_HIGH for what does not fit below
 * BYPASS_MEMORY_HOLE.
 *
 * Return: 0, -EINVAL (size), -EBUSY (the map is not empty), -ENOMEM (the text
 * says how many pages are missing in the pool, and how to get them).
 */
int bypass_memory_alloc(struct bypass_memory *mem, uint64_t size, bool hugepages);

/**
 * bypass_memory_alloc_within() - as bypass_memory_alloc(), around what the platform reserves
 * @mem: an empty map, which becomes the owner of the RAM
 * @size: bytes, a multiple of 2 MiB
 * @hugepages: as for bypass_memory_alloc()
 * @free: addresses that RAM may have, by rising address: bypass_iommu_ranges() of the guest
 * @n_free: their number; 0: all addresses
 *
 * A device's DMA uses the guest's addresses. So a guest with a function slice cannot have RAM
 * at addresses that the IOMMU keeps: the memory that firmware reserves for a device, the 12 GiB
 * below 1 TiB on AMD, or addresses beyond the IOMMU's reach. Each piece of RAM is a multiple of
 * 2 MiB.
 *
 * Return: as bypass_memory_alloc(); -ERANGE (not enough addresses: the text says how many, or
 * none at address 0, where a PC begins).
 */
int bypass_memory_alloc_within(struct bypass_memory *mem, uint64_t size, bool hugepages,
			       const struct bypass_iova_range *free, unsigned int n_free);

/**
 * bypass_ram_alloc() - RAM for a VMM that lays out its guest's address space itself
 * @size: bytes, a multiple of 2 MiB
 * @hugepages: as of bypass_memory_alloc()
 * @range: filled, with gpa and offset 0; to be given to bypass_ram_free()
 *
 * One sealed memfd, mapped shared at a 2 MiB boundary and advised for huge pages. A VMM with a
 * hole below 4 GiB adds it in two pieces: copies of @range with gpa, size, hva and offset
 * of each.
 *
 * Return: 0; -EINVAL; -ENOMEM, as bypass_memory_alloc().
 */
int bypass_ram_alloc(uint64_t size, bool hugepages, struct bypass_memory_range *range);

/**
 * bypass_ram_free() - give RAM back
 * @range: from bypass_ram_alloc(); one that is all zero is left alone
 */
void bypass_ram_free(struct bypass_memory_range *range);

/**
 * bypass_memory_add() - add RAM that the VMM made itself
 * @mem: the map
 * @range: what to add; copied. The VMM keeps the memory and the descriptor, and
 *         must keep both until the map is freed or the range removed
 *
 * Return: 0, -EINVAL (alignment, wrap-around), -EEXIST (overlaps a range; the
 * text names both), -ENOMEM.
 */
int bypass_memory_add(struct bypass_memory *mem, const struct bypass_memory_range *range);

/**
 * bypass_memory_remove() - take a range out again
 * @mem: the map
 * @gpa: its first address, as it was added
 *
 * Return: 0, or -ENOENT.
 */
int bypass_memory_remove(struct bypass_memory *mem, uint64_t gpa);

/**
 * bypass_memory_ranges() - all ranges, by rising address
 * @mem: the map
 * @count: set to their number
 *
 * Return: an array that belongs to the map, valid until the map changes.
 */
const struct bypass_memory_range *bypass_memory_ranges(const struct bypass_memory *mem,
						       unsigned int *count);

/**
 * bypass_memory_find() - the range that holds all of [gpa, gpa + size)
 * @mem: the map
 * @gpa: guest-physical address, any value: this function is the check of what a guest says
 * @size: bytes, not 0
 *
 * Return: the range, or NULL when any byte of it is not RAM or lies in another range.
 */
const struct bypass_memory_range *bypass_memory_find(const struct bypass_memory *mem, uint64_t gpa,
						     uint64_t size);

/**
 * bypass_memory_hva() - a guest-physical address in this process
 * @mem: the map
 * @gpa: guest-physical address, any value
 * @size: bytes that the caller will touch, not 0
 *
 * The guest can change what lies there at any time: copy first, then check the copy.
 *
 * Return: the address, or NULL as bypass_memory_find().
 */
void *bypass_memory_hva(const struct bypass_memory *mem, uint64_t gpa, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
