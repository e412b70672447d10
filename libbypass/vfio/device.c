// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A VFIO device from open to close, and its reset.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

static int describe(struct bypass_vfio *device)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int err;

	if (ioctl(device->iommu_device.fd, VFIO_DEVICE_GET_INFO, &info))
		return bypass_fail(errno, "VFIO does not describe %s: %s", device->address,
				   strerror(errno));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return bypass_fail(ENODEV, "what VFIO has at %s is not a PCI function",
				   device->address);
	device->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	if (!device->can_reset)
		bypass_log(BYPASS_LOG_WARN,
			   "%s cannot be reset alone: the state that a former user left in the "
			   "device is still there",
			   device->address);
	err = regions_read(device);
	if (!err)
		err = irqs_read(device);
	return err ? err : vfio_events_open(device);
}

int bypass_vfio_open(struct bypass_iommu *iommu, const char *address, const char *token,
		     struct bypass_vfio **result)
{
	struct bypass_vfio *device;
	int err;

	err = bypass_function_check(address);
	if (err)
		return err;
	device = calloc(1, sizeof(*device));
	if (!device)
		return bypass_fail(ENOMEM, "no memory to open %s", address);
	device->iommu = iommu;
	device->irqs.on = IRQ_NONE;
	device->irqs.resample = -1;
	device->events = (struct vfio_events){.set = -1, .request = -1, .error = -1};
	bypass_address(address, device->iommu_device.address);
	device->address = device->iommu_device.address;

	err = iommu_device_open(iommu, token, &device->iommu_device);
	if (err)
		goto free;
	err = describe(device);
	if (err)
		goto close;
	*result = device;
	return 0;
close:
	irqs_free(device);
	regions_free(device);
	iommu_device_close(iommu, &device->iommu_device);
	vfio_events_close(device);
free:
	free(device);
	return err;
}

void bypass_vfio_close(struct bypass_vfio *device)
{
	if (!device)
		return;
	irqs_off(device);
	irqs_free(device);
	regions_free(device);
	iommu_device_close(device->iommu, &device->iommu_device);
	vfio_events_close(device);
	free(device);
}

const char *bypass_vfio_address(const struct bypass_vfio *device)
{
	return device->address;
}

int bypass_vfio_kvm_fd(const struct bypass_vfio *device)
{
	return device->iommu_device.kvm_fd;
}

int bypass_vfio_set_memory(struct bypass_vfio *device, const struct bypass_memory *mem)
{
	return iommu_device_set_memory(device->iommu, &device->iommu_device, mem);
}

int vfio_command(struct bypass_vfio *device, uint16_t clear, uint16_t set)
{
	uint8_t bytes[2];
	uint16_t value;
	int err;

	err = bypass_vfio_read(device, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, bytes, 2);
	if (err)
		return err;
	value = ((bytes[0] | bytes[1] << 8) & ~clear) | set;
	bytes[0] = value;
	bytes[1] = value >> 8;
	return bypass_vfio_write(device, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, bytes, 2);
}

int bypass_vfio_bus_master(struct bypass_vfio *device, bool on)
{
	return vfio_command(device, PCI_COMMAND_MASTER, on ? PCI_COMMAND_MASTER : 0);
}

int bypass_vfio_reset(struct bypass_vfio *device)
{
	int err;

	err = irqs_off(device);
	/*
	 * The kernel saves the command register before the reset and restores it
	 * after. Bus mastering must be off before: the kernel would restore it too.
	 */
	if (!err)
		err = vfio_command(device, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE,
				   PCI_COMMAND_MEMORY);
	if (err)
		return err;
	if (!device->can_reset)
		return iommu_device_hot_reset(device->iommu, &device->iommu_device);
	if (ioctl(device->iommu_device.fd, VFIO_DEVICE_RESET))
		return bypass_fail(errno, "%s does not reset: %s", device->address,
				   errno == EAGAIN ? "the kernel is busy with it; try again"
						   : strerror(errno));
	return 0;
}
