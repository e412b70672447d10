/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does the DMA of a virtio function go through the IOMMU? Without VIRTIO_F_ACCESS_PLATFORM the device
 * takes addresses as physical ones (virtio 1.2, 6.1). For host and vfio.
 */
#ifndef BYPASS_HOST_VIRTIO_H
#define BYPASS_HOST_VIRTIO_H

#include <stdbool.h>

#define VIRTIO_F_ACCESS_PLATFORM 33

#define VIRTIO_DMA_PROBLEM                                                                         \
	"it does not offer VIRTIO_F_ACCESS_PLATFORM, so its DMA may pass the IOMMU by: a guest "   \
	"that has it could reach all memory of the host"
#define VIRTIO_DMA_FIX "where a VMM makes the device: its option for that (QEMU: iommu_platform=on)"

enum virtio_dma {
	VIRTIO_DMA_NOT_VIRTIO,
	VIRTIO_DMA_UNKNOWN, /* no virtio driver of the host has the function */
	VIRTIO_DMA_CONFINED,
	VIRTIO_DMA_FREE, /* may pass the IOMMU by */
};

/* Is a function with these IDs a virtio one? */
bool virtio_function(unsigned int vendor, unsigned int device);
/* By what the host's driver and the function agreed on. */
enum virtio_dma virtio_dma(const char *address);

#endif
