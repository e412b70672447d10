/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chains of capabilities at the end of VFIO's info structures. For iommu and vfio.
 */
#ifndef BYPASS_IOMMU_CAPABILITY_H
#define BYPASS_IOMMU_CAPABILITY_H

#include <stddef.h>
#include <stdint.h>

/**
 * info_get() - ask for an info structure of any length
 * @fd: what to ask
 * @request: its ioctl
 * @first: the structure's fixed part as it goes in, argsz in its first four bytes
 * @size: bytes of it
 *
 * Return: the structure with all its capabilities, to be given to free(); NULL with errno set.
 */
void *info_get(int fd, unsigned long request, const void *first, uint32_t size);

/**
 * info_capability() - find a capability in an info structure
 * @info: from info_get()
 * @offset: where the chain begins in it; 0: there is none
 * @id: which to find
 * @size: bytes that the caller needs of it, at the least
 * @room: set to the bytes there are from its beginning to the end of @info; or NULL
 *
 * Nothing outside @info is read, whatever the chain says, and a chain that does
 * not lead forward ends the search.
 *
 * Return: the capability, or NULL.
 */
const void *info_capability(const void *info, uint32_t offset, uint16_t id, size_t size,
			    size_t *room);

#endif
