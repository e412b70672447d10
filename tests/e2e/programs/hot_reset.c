// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * hot_reset EDU VIRTIO: two functions on one conventional bus, of which neither
 * can be reset alone: they are reset together, when both are ours.
 */
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <bypass/iommu.h>
#include <bypass/vfio.h>

#include "expect.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

/* QEMU has virtio's common configuration at the beginning of BAR 4; in it, device_status. */
#define COMMON VFIO_PCI_BAR4_REGION_INDEX
#define STATUS 0x14

int main(int argc, char **argv)
{
	struct bypass_vfio *edu, *virtio;
	struct bypass_iommu *iommu;
	uint8_t status = 1; /* ACKNOWLEDGE */
	uint16_t command;

	expect(argc == 3);
	expect(!bypass_iommu_new(&iommu));
	expect(!bypass_vfio_open(iommu, argv[1], NULL, &edu));
	expect(!bypass_vfio_open(iommu, argv[2], NULL, &virtio));
	expect(!bypass_vfio_bus_master(edu, true));
	expect(!bypass_vfio_write(virtio, COMMON, STATUS, &status, 1));
	expect(!bypass_vfio_read(virtio, COMMON, STATUS, &status, 1) && status == 1);
	expect(!bypass_vfio_reset(edu));
	expect(!bypass_vfio_read(edu, CONFIG, PCI_COMMAND, &command, 2));
	expect(!(command & PCI_COMMAND_MASTER));
	expect(!bypass_vfio_read(virtio, COMMON, STATUS, &status, 1) && status == 0);
	bypass_vfio_close(virtio);
	bypass_vfio_close(edu);
	bypass_iommu_free(iommu);
	return 0;
}
