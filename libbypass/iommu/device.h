/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a VFIO device joins a DMA address space: what vfio/ asks of iommu/.
 */
#ifndef BYPASS_IOMMU_DEVICE_H
#define BYPASS_IOMMU_DEVICE_H

#include <stdbool.h>

#include <bypass/iommu.h>
#include <bypass/pci.h>

/**
 * struct iommu_device - a device that joined an address space
 * @address: its PCI address in the kernel's spelling; set by the caller
 * @fd: the VFIO device
 * @kvm_fd: what KVM should know of: the group, or the device itself
 * @group: the back end's own
 * @next: in the address space's list
 * @sees_ram: iommu_device_set_memory() was last called with a map
 */
struct iommu_device {
	char address[BYPASS_ADDRESS_SIZE];
	int fd;
	int kvm_fd;
	void *group;
	struct iommu_device *next;
	bool sees_ram;
};

/**
 * iommu_device_open() - open a device inside an address space
 * @iommu: the address space; its mappings go to the kernel when the first device joins
 * @token: VF token, or NULL
 * @device: its address is set, and it is bound to a VFIO driver; the rest is filled. Stays
 *	in place until iommu_device_close()
 *
 * Return: 0; -EBUSY (open already, here or in another process) or another negative errno,
 * explained.
 */
int iommu_device_open(struct bypass_iommu *iommu, const char *token, struct iommu_device *device);

/**
 * iommu_device_close() - close a device and leave; nothing of its regions is mapped any more
 * @iommu: the address space
 * @device: from iommu_device_open()
 */
void iommu_device_close(struct bypass_iommu *iommu, struct iommu_device *device);

/**
 * iommu_device_set_memory() - bypass_iommu_set_memory() for one of the devices in @iommu
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
 *
 * Done only when whatever is reset with it belongs to this address space.
 *
 * Return: 0; -EPERM (another device would be reset: named); -EOPNOTSUPP (nothing
 * can reset this device), or what the kernel said.
 */
int iommu_device_hot_reset(struct bypass_iommu *iommu, const struct iommu_device *device);

#endif
