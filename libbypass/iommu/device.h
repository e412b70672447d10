/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a VFIO device comes to live in a DMA address space: what vfio/ asks of iommu/.
 */
#ifndef BYPASS_IOMMU_DEVICE_H
#define BYPASS_IOMMU_DEVICE_H

#include <stdbool.h>

#include <bypass/iommu.h>

/**
 * struct iommu_device - a device's place in an address space
 * @fd: the VFIO device
 * @kvm_fd: what KVM should know of: the group, or the device itself
 * @group: the back end's own
 * @sees_ram: iommu_device_set_memory() was last called with a map
 */
struct iommu_device {
	int fd;
	int kvm_fd;
	void *group;
	bool sees_ram;
};

/**
 * iommu_device_open() - open a device inside an address space
 * @iommu: the address space; what was mapped before is applied when the first device joins
 * @address: PCI address in the kernel's spelling; bound to a VFIO driver
 * @token: VF token, or NULL
 * @device: filled
 *
 * Return: 0 or a negative errno, explained.
 */
int iommu_device_open(struct bypass_iommu *iommu, const char *address, const char *token,
		      struct iommu_device *device);

/**
 * iommu_device_close() - and leave it; no mapping of the device's regions may be left
 * @iommu: the address space
 * @device: as it was filled
 */
void iommu_device_close(struct bypass_iommu *iommu, struct iommu_device *device);

/**
 * iommu_device_set_memory() - bypass_iommu_set_memory() for one of the devices that share @iommu
 * @iommu: the address space
 * @device: in it
 * @mem: the guest's map. NULL: this device needs none any more; the RAM goes
 *	when no other device needs it
 *
 * Return: as bypass_iommu_set_memory().
 */
int iommu_device_set_memory(struct bypass_iommu *iommu, struct iommu_device *device,
			    const struct bypass_memory *mem);

/**
 * iommu_device_hot_reset() - reset a device with all others on its bus
 * @iommu: the address space
 * @device: in it
 * @address: its PCI address
 *
 * Done only when whatever is reset with it belongs to this address space.
 *
 * Return: 0; -EPERM (another device would be reset: named); -EOPNOTSUPP (nothing
 * can reset this device), or what the kernel said.
 */
int iommu_device_hot_reset(struct bypass_iommu *iommu, const struct iommu_device *device,
			   const char *address);

#endif
