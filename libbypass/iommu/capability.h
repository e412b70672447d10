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
 * @first: the structure's fixed part, with argsz in the first four bytes
 * @size: bytes of @first
 *
 * Return: the structure with all its capabilities, to be given to free(); NULL with errno set.
 */
void *info_get(int fd, unsigned long request, const void *first, uint32_t size);

/**
 * info_capability() - find a capability in an info structure
 * @info: from info_get()
 * @offset: where the chain begins in @info; 0: there is no chain
 * @id: the capability to find
 * @size: bytes of the capability that the caller reads
 * @room: set to the number of bytes from the capability to the end of @info; or NULL
 *
 * The function reads nothing outside @info, whatever the chain says. A chain that does not
 * lead forward ends the search.
 *
 * Return: the capability, or NULL.
 */
const void *info_capability(const void *info, uint32_t offset, uint16_t id, size_t size,
			    size_t *room);

#endif
