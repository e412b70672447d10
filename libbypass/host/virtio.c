// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Virtio functions whose DMA may pass the IOMMU by, as the host's driver has found them.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "virtio.h"

#define VIRTIO_VENDOR	    0x1af4
#define VIRTIO_FIRST_DEVICE 0x1000
#define VIRTIO_LAST_DEVICE  0x107f

bool virtio_function(unsigned int vendor, unsigned int device)
{
	return vendor == VIRTIO_VENDOR && device >= VIRTIO_FIRST_DEVICE &&
	       device <= VIRTIO_LAST_DEVICE;
}

/* The features that the driver and the device agreed on, as a line of 0 and 1, from bit 0 on. */
static bool read_features(const char *address, char *features, size_t size)
{
	char path[256], name[300];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", host_paths.sys, address);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/features", entry->d_name);
		found = !strncmp(entry->d_name, "virtio", 6) &&
			!host_read(address, name, features, size) &&
			strlen(features) > VIRTIO_F_ACCESS_PLATFORM;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The driver accepts the feature wherever it is offered. */
enum virtio_dma virtio_dma(const char *address)
{
	unsigned int vendor, device;
	char features[128];

	if (host_read_uint(address, "vendor", &vendor) ||
	    host_read_uint(address, "device", &device) || !virtio_function(vendor, device))
		return VIRTIO_DMA_NOT_VIRTIO;
	if (!read_features(address, features, sizeof(features)))
		return VIRTIO_DMA_UNKNOWN;
	return features[VIRTIO_F_ACCESS_PLATFORM] == '1' ? VIRTIO_DMA_CONFINED : VIRTIO_DMA_FREE;
}
