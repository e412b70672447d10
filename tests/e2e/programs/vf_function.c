// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vf_function VF: the parts of VFIO that an SR-IOV network VF of igb has and edu
 * has not: function-level reset, MSI-X in a BAR of its own, more than one vector.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/iommu.h>
#include <bypass/vfio.h>

#include "expect.h"

#define VECTORS 3
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX

/* The VF's first receive queue, and the bit that a reset clears (82576 datasheet, RXDCTL). */
#define RXDCTL	      0x2828
#define RXDCTL_ENABLE 0x02000000

static uint64_t signals(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* Vector @i, and no other, is signalled. */
static bool only(const int *fds, unsigned int i)
{
	for (unsigned int j = 0; j < VECTORS; j++)
		if (signals(fds[j]) != (i == j))
			return false;
	return true;
}

static void check_vectors(struct bypass_vfio *vf)
{
	const int off[VECTORS] = {-1, -1, -1};
	int fds[VECTORS];

	for (unsigned int i = 0; i < VECTORS; i++)
		expect((fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
	expect(bypass_vfio_irq(vf, MSIX).count == VECTORS);

	/* One, and then more: what was connected stays so. */
	expect(!bypass_vfio_irq_connect(vf, MSIX, 0, 1, fds));
	expect(!bypass_vfio_irq_trigger(vf, MSIX, 0, 1) && only(fds, 0));
	expect(!bypass_vfio_irq_connect(vf, MSIX, 1, 2, fds + 1));
	if (!bypass_vfio_irq(vf, MSIX).resizable)
		signals(fds[0]);
	for (unsigned int i = 0; i < VECTORS; i++)
		expect(!bypass_vfio_irq_trigger(vf, MSIX, i, 1) && only(fds, i));
	expect(!bypass_vfio_irq_connect(vf, MSIX, 1, 1, off));
	expect(!bypass_vfio_irq_trigger(vf, MSIX, 0, VECTORS));
	expect(signals(fds[0]) == 1 && !signals(fds[1]) && signals(fds[2]) == 1);

	expect_error(bypass_vfio_irq_connect(vf, MSIX, 2, 2, fds), EINVAL, "has 3 vectors");
	expect_error(bypass_vfio_irq_connect(vf, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, fds), EINVAL,
		     "has 0 vectors of INTx");
	expect_error(bypass_vfio_irq_mask(vf, true), EINVAL, "it is not on");
	expect_error(bypass_vfio_irq_connect(vf, MSIX, 0, 1, (int[]){1000}), EBADF, "connect");

	/* Off, and on again with the last vector only. */
	expect(!bypass_vfio_irq_connect(vf, MSIX, 0, 0, NULL));
	expect(!bypass_vfio_irq_connect(vf, MSIX, 2, 1, fds + 2));
	expect(!bypass_vfio_irq_trigger(vf, MSIX, 0, VECTORS) && only(fds, 2));
	expect(bypass_vfio_irq_raised(vf) == 0);
	expect(!bypass_vfio_reset(vf));
	expect(bypass_vfio_irq_trigger(vf, MSIX, 2, 1) < 0 && !signals(fds[2]));
}

static void check_reset(struct bypass_vfio *vf)
{
	const struct bypass_region *bar = bypass_vfio_region(vf, VFIO_PCI_BAR0_REGION_INDEX);
	volatile uint32_t *registers;
	uint16_t command;
	void *hva;

	expect(bar && bar->n_areas == 1 && bar->areas[0].size == bar->size);
	expect(!bypass_vfio_map(vf, VFIO_PCI_BAR0_REGION_INDEX, 0, bar->size, &hva));
	expect((uintptr_t)hva % bar->size == 0);
	registers = hva;
	expect(!bypass_vfio_bus_master(vf, true));
	registers[RXDCTL / 4] = RXDCTL_ENABLE;
	expect(registers[RXDCTL / 4] & RXDCTL_ENABLE);
	expect(!bypass_vfio_reset(vf));
	expect(!(registers[RXDCTL / 4] & RXDCTL_ENABLE));
	expect(!bypass_vfio_read(vf, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &command, 2));
	expect(!(command & PCI_COMMAND_MASTER));
	munmap(hva, bar->size);
}

static void check_regions(struct bypass_vfio *vf)
{
	const struct bypass_region *config = bypass_vfio_region(vf, VFIO_PCI_CONFIG_REGION_INDEX);
	const unsigned int bar0 = VFIO_PCI_BAR0_REGION_INDEX;
	uint64_t size = bypass_vfio_region(vf, bar0)->size, value;
	void *hva;

	expect(config && config->size == 4096 && !config->n_areas);
	expect(!bypass_vfio_region(vf, VFIO_PCI_BAR1_REGION_INDEX));
	expect(!bypass_vfio_region(vf, VFIO_PCI_NUM_REGIONS));
	expect_error(bypass_vfio_read(vf, bar0, size, &value, 4), EINVAL, "BAR 0");
	expect_error(bypass_vfio_read(vf, bar0, UINT64_MAX, &value, 4), EINVAL, "BAR 0");
	expect_error(bypass_vfio_write(vf, bar0, size - 2, &value, 4), EINVAL, "BAR 0");
	expect_error(bypass_vfio_map(vf, bar0, 0, 2 * size, &hva), EINVAL, "BAR 0");
	expect_error(bypass_vfio_map(vf, bar0, 0, 100, &hva), EINVAL, "mapped");
	expect_error(bypass_vfio_map(vf, VFIO_PCI_CONFIG_REGION_INDEX, 0, 4096, &hva), EINVAL,
		     "config space");
}

int main(int argc, char **argv)
{
	struct bypass_iommu *iommu;
	struct bypass_vfio *vf;

	expect(argc == 2);
	expect(!bypass_iommu_new(&iommu));
	expect(!bypass_vfio_open(iommu, argv[1], NULL, &vf));
	check_regions(vf);
	check_vectors(vf);
	check_reset(vf);
	bypass_vfio_close(vf);
	bypass_iommu_free(iommu);
	return 0;
}
