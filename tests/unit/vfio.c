// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A VFIO device and the function slice on it: regions, the calls that connect
 * interrupts, reset, the count of interrupts.
 */
#include "vfio_kernel.h"

#include <linux/pci_regs.h>
#include <poll.h>

#include <bypass/function.h>
#include <bypass/iommu.h>
#include <bypass/memory.h>
#include <bypass/slice.h>
#include <bypass/vfio.h>

#include "../../libbypass/vfio/internal.h"

#define PAGE   4096ull
#define INTX   VFIO_PCI_INTX_IRQ_INDEX
#define MSI    VFIO_PCI_MSI_IRQ_INDEX
#define MSIX   VFIO_PCI_MSIX_IRQ_INDEX
#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define BAR0   VFIO_PCI_BAR0_REGION_INDEX

#define CONNECT	   (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define TRIGGER	   (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)
#define UNMASK_BY  (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK)
#define UNMASK_NOW (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK)

static struct bypass_iommu *iommu;
static struct bypass_vfio *device;

static int setup(void **state)
{
	if (kernel_setup(state) || bypass_iommu_new(&iommu))
		return -1;
	return 0;
}

static int teardown(void **state)
{
	bypass_vfio_close(device);
	device = NULL;
	bypass_iommu_free(iommu);
	return kernel_teardown(state);
}

#define with_iommu(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void device_open(void)
{
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), 0);
}

/* The next call that set interrupts, seen from the last one that was looked at. */
static unsigned int seen;

static void assert_set(uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	const struct irq_set *set = &kernel.irq_sets[seen++];

	assert_in_range(seen, 1, kernel.n_irq_sets);
	assert_int_equal(set->flags, flags);
	assert_int_equal(set->index, index);
	assert_int_equal(set->start, start);
	assert_int_equal(set->count, count);
}

static void assert_fds(const int *fds, unsigned int count)
{
	assert_memory_equal(kernel.irq_sets[seen - 1].fds, fds, count * sizeof(*fds));
}

static void assert_no_more_sets(void)
{
	assert_int_equal(kernel.n_irq_sets, seen);
}

static void test_regions(void **state)
{
	const struct bypass_region *r;
	uint32_t value = 0x11223344, back = 0;
	void *hva;

	(void)state;
	device_open();
	r = bypass_vfio_region(device, BAR0);
	assert_true(r->size == 0x4000 && r->read && r->write && r->n_areas == 1);
	assert_true(r->areas[0].offset == 0 && r->areas[0].size == 0x4000);
	assert_null(bypass_vfio_region(device, 1));
	assert_null(bypass_vfio_region(device, VFIO_PCI_NUM_REGIONS));
	assert_null(bypass_vfio_region(device, UINT32_MAX));
	/* smaller than a page, not mappable */
	assert_int_equal(bypass_vfio_region(device, 2)->n_areas, 0);

	assert_int_equal(bypass_vfio_write(device, BAR0, 0x3ffc, &value, 4), 0);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0x2000, 0x2000, &hva), 0);
	assert_int_equal(*(uint32_t *)((char *)hva + 0x1ffc), value);
	/* congruent to the offset, modulo the size of the BAR */
	assert_int_equal((uintptr_t)hva % 0x4000, 0x2000);
	munmap(hva, 0x2000);
	assert_int_equal(bypass_vfio_read(device, BAR0, 0x3ffc, &back, 4), 0);
	assert_int_equal(back, value);

	assert_int_equal(bypass_vfio_read(device, BAR0, 0x3ffd, &back, 4), -EINVAL);
	assert_int_equal(bypass_vfio_read(device, BAR0, UINT64_MAX, &back, 4), -EINVAL);
	assert_int_equal(bypass_vfio_read(device, BAR0, 4, &back, UINT64_MAX), -EINVAL);
	assert_says("BAR 0 of " FUNCTION);
	assert_int_equal(bypass_vfio_write(device, 1, 0, &back, 1), -EINVAL);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0x800, PAGE, &hva), -EINVAL);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0, 0, &hva), -EINVAL);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0x4000, PAGE, &hva), -EINVAL);
	assert_int_equal(bypass_vfio_map(device, 2, 0, 0x20, &hva), -EINVAL);
	/* the device's file ends: as when the device has gone */
	assert_int_equal(ftruncate(device->iommu_device.fd, 0), 0);
	assert_int_equal(bypass_vfio_read(device, BAR0, 0, &back, 4), -EIO);
	assert_says("does not answer");
}

static void test_huge_region(void **state)
{
	void *hva;

	(void)state;
	kernel.regions[BAR0].size = 4ull << 30;
	kernel.regions[BAR0].offset = 1ull << 40;
	device_open();
	assert_int_equal(bypass_vfio_map(device, BAR0, 0, 4ull << 30, &hva), 0);
	assert_int_equal((uintptr_t)hva % (1ull << 30), 0);
	munmap(hva, 4ull << 30);
	assert_int_equal(bypass_vfio_map(device, BAR0, 3ull << 29, PAGE, &hva), 0);
	assert_int_equal((uintptr_t)hva % (1ull << 30), 1ull << 29);
	munmap(hva, PAGE);
}

static void test_sparse(void **state)
{
	const struct bypass_region *r;
	void *hva;

	(void)state;
	/* in the wrong order, one over the end, one crooked, and one that is not there */
	kernel.sparse[0] = (struct vfio_region_sparse_mmap_area){0x3000, 0x8000};
	kernel.sparse[1] = (struct vfio_region_sparse_mmap_area){0x1000, 0x1000};
	kernel.sparse[2] = (struct vfio_region_sparse_mmap_area){0x10, 0x1000};
	kernel.n_sparse = 3;
	kernel.reported_sparse = 1000;
	device_open();
	r = bypass_vfio_region(device, BAR0);
	assert_int_equal(r->n_areas, 2);
	assert_true(r->areas[0].offset == 0x1000 && r->areas[0].size == 0x1000);
	assert_true(r->areas[1].offset == 0x3000 && r->areas[1].size == 0x1000);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0, PAGE, &hva), -EINVAL);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0x1000, 0x2000, &hva), -EINVAL);
	assert_int_equal(bypass_vfio_map(device, BAR0, 0x3000, PAGE, &hva), 0);
	munmap(hva, PAGE);
}

static void test_msix_dynamic(void **state)
{
	const int fds[] = {10, 11, 12, 13}, off[] = {-1};
	int first[] = {-1, -1, 10, 11};

	(void)state;
	seen = 0;
	device_open();
	assert_int_equal(bypass_vfio_irq(device, MSIX).count, VECTORS);
	assert_true(bypass_vfio_irq(device, MSIX).resizable);
	assert_int_equal(bypass_vfio_irq(device, VFIO_PCI_ERR_IRQ_INDEX).count, 0);
	/* turning it on, with vectors in the middle: those before are there, but off */
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 2, 2, fds), 0);
	assert_set(CONNECT, MSIX, 0, 4);
	assert_fds(first, 4);
	/* adding: one call for them alone */
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 4, 4, fds), 0);
	assert_set(CONNECT, MSIX, 4, 4);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 3, 1, off), 0);
	assert_set(CONNECT, MSIX, 3, 1);
	assert_fds(off, 1);

	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 6, 3, fds), -EINVAL);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, UINT32_MAX, 2, fds), -EINVAL);
	assert_int_equal(bypass_vfio_irq_connect(device, 7, 0, 1, fds), -EINVAL);
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 0, 1, fds), -EBUSY);
	assert_says("MSI-X is on");
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 0, 0, NULL), 0);
	assert_no_more_sets();
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 0, NULL), 0);
	assert_set(TRIGGER, MSIX, 0, 0);
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 0, 1, fds), 0);
	assert_set(CONNECT, MSI, 0, 1);
	assert_no_more_sets();
}

static void test_restart(void **state)
{
	const int fds[] = {10, 11, 12, 13};
	int all[] = {10, -1, 12, 10, 11};

	(void)state;
	seen = 0;
	device_open();
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 0, 3, fds), 0);
	assert_set(CONNECT, MSI, 0, 3);
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 1, 1, (int[]){-1}), 0);
	assert_set(CONNECT, MSI, 1, 1);
	/* beyond what it was turned on with: off, on with all, and a signal for those before */
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 3, 2, fds), 0);
	assert_set(TRIGGER, MSI, 0, 0);
	assert_set(CONNECT, MSI, 0, 5);
	assert_fds(all, 5);
	assert_set(TRIGGER, MSI, 0, 1);
	assert_set(TRIGGER, MSI, 2, 1);
	/* within: no disturbance */
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 4, 1, fds), 0);
	assert_set(CONNECT, MSI, 4, 1);
	assert_no_more_sets();
}

static void test_restart_fails(void **state)
{
	const int fds[] = {10, 11, 12, 13};

	(void)state;
	seen = 0;
	device_open();
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 0, 2, fds), 0);
	assert_set(CONNECT, MSI, 0, 2);
	/* the host has only four: as before, with a signal for what was lost */
	kernel_fails(VFIO_DEVICE_SET_IRQS, -4, 1);
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 2, 3, fds), -ENOSPC);
	assert_says("only 4 of the 5 MSI vectors");
	assert_set(TRIGGER, MSI, 0, 0);
	assert_set(CONNECT, MSI, 0, 2);
	assert_fds(fds, 2);
	assert_set(TRIGGER, MSI, 0, 1);
	assert_set(TRIGGER, MSI, 1, 1);
	/* nothing gave way at all: still on */
	kernel_fails(VFIO_DEVICE_SET_IRQS, EIO, 0);
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 2, 1, fds), -EIO);
	assert_no_more_sets();
	assert_int_equal(bypass_vfio_irq_connect(device, MSI, 0, 0, NULL), 0);
	assert_set(TRIGGER, MSI, 0, 0);
}

static void test_connect_fails(void **state)
{
	const int fds[] = {10, 11, 12, 13};

	(void)state;
	seen = 0;
	device_open();
	kernel_fails(VFIO_DEVICE_SET_IRQS, ENOSPC, 0);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 4, fds), -ENOSPC);
	assert_says("other devices use them");
	/* it was not turned on */
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 0, NULL), 0);
	assert_no_more_sets();
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 1, fds), 0);
	kernel_fails(VFIO_DEVICE_SET_IRQS, EBADF, 0);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 4, fds), -EBADF);
	assert_int_equal(bypass_vfio_irq_trigger(device, MSIX, 0, 1), 0);
	kernel_fails(VFIO_DEVICE_SET_IRQS, EINVAL, 0);
	assert_int_equal(bypass_vfio_irq_trigger(device, MSIX, 0, 1), -EINVAL);
	kernel_fails(VFIO_DEVICE_SET_IRQS, EIO, 0);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 0, NULL), -EIO);
	assert_says("cannot turn MSI-X");
}

static void test_intx(void **state)
{
	const int fd = 10;

	(void)state;
	seen = 0;
	device_open();
	assert_true(bypass_vfio_irq(device, INTX).maskable);
	assert_true(bypass_vfio_irq(device, INTX).automasked);
	/* set before: put in force when INTx comes */
	assert_int_equal(bypass_vfio_irq_resample(device, 20), 0);
	assert_no_more_sets();
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 1, &fd), 0);
	assert_set(CONNECT, INTX, 0, 1);
	assert_set(UNMASK_BY, INTX, 0, 1);
	assert_fds((int[]){20}, 1);
	assert_int_equal(bypass_vfio_irq_resample(device, -1), 0);
	assert_set(UNMASK_BY, INTX, 0, 1);
	assert_int_equal(bypass_vfio_irq_mask(device, false), 0);
	assert_set(UNMASK_NOW, INTX, 0, 1);
	assert_int_equal(bypass_vfio_irq_resample(device, 21), 0);
	assert_set(UNMASK_BY, INTX, 0, 1);
	/* forgotten when it is turned off */
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 0, NULL), 0);
	assert_set(TRIGGER, INTX, 0, 0);
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 1, &fd), 0);
	assert_set(CONNECT, INTX, 0, 1);
	assert_no_more_sets();
	bypass_vfio_irq_connect(device, INTX, 0, 0, NULL);
	seen++;
	/* not in force: then INTx is not on either */
	assert_int_equal(bypass_vfio_irq_resample(device, 22), 0);
	kernel_fails(VFIO_DEVICE_SET_IRQS, EINVAL, 1);
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 1, &fd), -EINVAL);
	assert_set(CONNECT, INTX, 0, 1);
	assert_set(TRIGGER, INTX, 0, 0);
	assert_no_more_sets();
}

static uint16_t command_get(void)
{
	uint16_t value;

	assert_int_equal(bypass_vfio_read(device, CONFIG, PCI_COMMAND, &value, 2), 0);
	return value;
}

static void test_reset(void **state)
{
	const int fd = 10;

	(void)state;
	seen = 0;
	device_open();
	assert_int_equal(bypass_vfio_bus_master(device, true), 0);
	assert_int_equal(command_get(), PCI_COMMAND_MASTER);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 1, &fd), 0);
	assert_int_equal(bypass_vfio_reset(device), 0);
	assert_int_equal(kernel.resets, 1);
	/* no DMA and no interrupts any more when the reset comes */
	assert_int_equal(kernel.command_at_reset, PCI_COMMAND_MEMORY);
	assert_int_equal(kernel.irq_sets_at_reset, 2);
	kernel_fails(VFIO_DEVICE_RESET, EAGAIN, 0);
	assert_int_equal(bypass_vfio_reset(device), -EAGAIN);
	assert_says("try again");
}

static void test_no_reset(void **state)
{
	(void)state;
	kernel.device_flags = VFIO_DEVICE_FLAGS_PCI;
	device_open();
	assert_int_equal(bypass_vfio_bus_master(device, true), 0);
	assert_int_equal(bypass_vfio_reset(device), -EOPNOTSUPP);
	assert_int_equal(kernel.resets, 0);
	assert_int_equal(command_get(), PCI_COMMAND_MEMORY);
}

static void test_hot_reset(void **state)
{
	const struct vfio_pci_dependent_device bus[] = {
		{7, 0, 1, 0x80}, {7, 0, 1, 0x81}, {8, 0, 2, 0}};
	struct bypass_vfio *other;

	(void)state;
	kernel.device_flags = VFIO_DEVICE_FLAGS_PCI;
	memcpy(kernel.on_bus, bus, sizeof(bus));
	kernel.n_on_bus = 2;
	device_open();
	assert_int_equal(bypass_vfio_bus_master(device, true), 0);
	assert_int_equal(bypass_vfio_reset(device), 0);
	assert_int_equal(kernel.hot_resets, 1);
	assert_int_equal(kernel.hot_reset_groups, 1);
	assert_int_equal(command_get(), PCI_COMMAND_MEMORY);
	/* a function that somebody else may have */
	kernel.n_on_bus = 3;
	assert_int_equal(bypass_vfio_reset(device), -EPERM);
	assert_says(OTHER);
	assert_int_equal(bypass_vfio_open(iommu, OTHER, NULL, &other), 0);
	assert_int_equal(bypass_vfio_reset(device), 0);
	assert_int_equal(kernel.hot_resets, 2);
	assert_int_equal(kernel.hot_reset_groups, 2);
	bypass_vfio_close(other);
	kernel.n_on_bus = 1;
	kernel_fails(VFIO_DEVICE_PCI_HOT_RESET, EINVAL, 0);
	assert_int_equal(bypass_vfio_reset(device), -EPERM);
	assert_says("not bound to vfio-pci");
	kernel_fails(VFIO_DEVICE_PCI_HOT_RESET, ENOTTY, 0);
	assert_int_equal(bypass_vfio_reset(device), -EOPNOTSUPP);
	kernel_fails(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, EIO, 0);
	assert_int_equal(bypass_vfio_reset(device), -EIO);
}

static void test_not_pci(void **state)
{
	(void)state;
	kernel.device_flags = VFIO_DEVICE_FLAGS_PLATFORM;
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -ENODEV);
	assert_int_equal(bypass_vfio_open(iommu, "nonsense", NULL, &device), -EINVAL);
	assert_int_equal(bypass_vfio_open(iommu, "7f:00.0", NULL, &device), -ENODEV);
	put_link(device_path(FUNCTION, "driver"), in_tree("sys/bus/pci/drivers/igbvf"));
	assert_int_equal(bypass_vfio_open(iommu, FUNCTION, NULL, &device), -EBUSY);
	assert_says("igbvf");
	assert_says("bypass carve " FUNCTION);
	device = NULL;
}

static void count(unsigned int line, const char *counts)
{
	put_file(in_tree("sys/kernel/irq/%u/per_cpu_count", line), counts);
}

static void test_raised(void **state)
{
	const int fds[] = {10, 11};

	(void)state;
	put_file(device_path(FUNCTION, "irq"), "16\n");
	count(16, "100,3\n");
	count(40, "5,0,7\n");
	count(41, "1\n");
	count(42, "1000\n");
	device_open();
	assert_int_equal(bypass_vfio_irq_raised(device), 0);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 2, fds), 0);
	/* the lines are there from now on */
	put_file(device_path(FUNCTION, "msi_irqs/40"), "msix\n");
	put_file(device_path(FUNCTION, "msi_irqs/41"), "msix\n");
	assert_int_equal(bypass_vfio_irq_raised(device), 13);
	count(41, "2\n");
	assert_int_equal(bypass_vfio_irq_raised(device), 14);
	assert_int_equal(bypass_vfio_irq_connect(device, MSIX, 0, 0, NULL), 0);
	assert_int_equal(unlink(device_path(FUNCTION, "msi_irqs/40")), 0);
	assert_int_equal(unlink(device_path(FUNCTION, "msi_irqs/41")), 0);
	assert_int_equal(bypass_vfio_irq_raised(device), 14);
	/* what INTx's line had before is not ours */
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 1, fds), 0);
	assert_int_equal(bypass_vfio_irq_raised(device), 14);
	count(16, "101,5\n");
	assert_int_equal(bypass_vfio_irq_raised(device), 17);
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 0, NULL), 0);
	assert_int_equal(bypass_vfio_irq_raised(device), 17);
	/* a line that has no file any more */
	put_file(device_path(FUNCTION, "irq"), "99\n");
	assert_int_equal(bypass_vfio_irq_connect(device, INTX, 0, 1, fds), 0);
	assert_int_equal(bypass_vfio_irq_raised(device), 17);
}

/* BARs as their registers have them: BAR 0 64-bit prefetchable, BAR 2 I/O, BAR 3 32-bit. */
static void poke_bars(int fd)
{
	const uint32_t bars[6] = {0xc, 0, 1, 0};
	const uint8_t id[4] = {0x86, 0x80, 0xca, 0x10};

	kernel_poke(fd, CONFIG, PCI_BASE_ADDRESS_0, bars, sizeof(bars));
	kernel_poke(fd, CONFIG, 0, id, sizeof(id));
}

static void test_slice(void **state)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_slice *slice;
	uint32_t value = 0, *same;
	uint16_t command = PCI_COMMAND_MASTER;
	const int fd = 10;

	(void)state;
	kernel.prepare = poke_bars;
	assert_int_equal(bypass_function_open(iommu, "01:10.0", NULL, &slice), 0);
	assert_string_equal(slice->name, FUNCTION);
	assert_int_equal(slice->config_size, 4096);
	assert_int_equal(kernel_files[slice->kvm_fd], FILE_GROUP);
	assert_int_equal(slice->vectors[BYPASS_IRQ_INTX], 1);
	assert_int_equal(slice->vectors[BYPASS_IRQ_MSIX], VECTORS);
	assert_true(slice->bars[0].is_64 && slice->bars[0].prefetchable && !slice->bars[0].io);
	assert_int_equal(slice->bars[1].size, 0);
	assert_true(slice->bars[2].io && !slice->bars[2].n_windows);
	assert_int_equal(slice->bars[2].size, 0x20);
	assert_true(!slice->bars[3].is_64 && !slice->bars[3].prefetchable);
	assert_int_equal(slice->bars[3].n_windows, 1);
	assert_int_equal((uintptr_t)slice->bars[3].windows[0].hva % 0x8000, 0);
	assert_int_equal(kernel_files[slice->bars[3].windows[0].fd], FILE_DEVICE);
	same = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, slice->bars[3].windows[0].fd,
		    slice->bars[3].windows[0].fd_offset);
	*same = 0x1234567;
	assert_int_equal(*(uint32_t *)slice->bars[3].windows[0].hva, 0x1234567);
	munmap(same, 0x1000);

	assert_int_equal(slice->ops->config_read(slice, 0, &value, 4), 0);
	assert_int_equal(value, 0x10ca8086);
	value = 0xabcdef01;
	assert_int_equal(slice->ops->bar_write(slice, 3, 0x7ffc, &value, 4), 0);
	assert_int_equal(((uint32_t *)slice->bars[3].windows[0].hva)[0x7ffc / 4], value);
	((uint32_t *)slice->bars[0].windows[0].hva)[1] = 77;
	assert_int_equal(slice->ops->bar_read(slice, 0, 4, &value, 4), 0);
	assert_int_equal(value, 77);

	assert_int_equal(bypass_memory_alloc(mem, 2 << 20, false), 0);
	assert_int_equal(slice->ops->set_memory(slice, mem), 0);
	assert_int_equal(slice->ops->dma_bytes(slice), 2 << 20);
	assert_int_equal(slice->ops->config_write(slice, PCI_COMMAND, &command, 2), 0);
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 1, &fd), 0);
	assert_int_equal(slice->ops->interrupts(slice), 0);
	/* what it must not reach any more it must not try to reach: others still map it */
	assert_int_equal(slice->ops->set_memory(slice, NULL), 0);
	assert_int_equal(slice->ops->config_read(slice, PCI_COMMAND, &command, 2), 0);
	assert_int_equal(command & PCI_COMMAND_MASTER, 0);
	assert_int_equal(slice->ops->dma_bytes(slice), 0);
	assert_int_equal(kernel.n_mappings, 0);
	assert_int_equal(slice->ops->reset(slice), 0);
	assert_int_equal(kernel.resets, 1);
	bypass_slice_close(slice);
	bypass_slice_close(NULL);
	bypass_memory_free(mem);
}

/* A virtio function: its common configuration at 0x100 of BAR 3, unless it is of before virtio 1.0. */
static bool virtio_legacy;
static uint32_t virtio_features, virtio_selected;
static uint8_t virtio_bar;

static void poke_virtio(int fd)
{
	const uint8_t id[4] = {0xf4, 0x1a, 0x41, 0x10}, list = 0x40;
	const uint8_t other[16] = {0x09, 0x50, 16, 4, 3, [8] = 0x00, 0x20};
	const uint8_t common[16] = {0x09, 0x40, 16, 1, virtio_bar, [8] = 0x00, 0x01};

	kernel_poke(fd, CONFIG, 0, id, sizeof(id));
	if (virtio_legacy)
		return;
	kernel_poke(fd, CONFIG, PCI_CAPABILITY_LIST, &list, 1);
	kernel_poke(fd, CONFIG, 0x40, other, sizeof(other));
	kernel_poke(fd, CONFIG, 0x50, common, sizeof(common));
	kernel_poke(fd, virtio_bar, 0x100, &virtio_selected, 4);
	kernel_poke(fd, virtio_bar, 0x104, &virtio_features, 4);
}

/* A virtio function whose DMA may pass the IOMMU by would give a guest the host's memory. */
static void test_virtio(void **state)
{
	struct bypass_slice *slice;
	uint32_t selected;

	(void)state;
	kernel.prepare = poke_virtio;
	virtio_bar = 3;
	virtio_features = 1; /* VIRTIO_F_VERSION_1 alone */
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), -EPERM);
	assert_non_null(strstr(bypass_error(), FUNCTION " is no device for a guest"));
	assert_non_null(strstr(bypass_error(), "VIRTIO_F_ACCESS_PLATFORM"));
	assert_non_null(strstr(bypass_error(), "iommu_platform=on"));
	assert_int_equal(kernel.devices, 0);
	virtio_legacy = true;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), -EPERM);
	virtio_legacy = false;
	/* Nobody answers: that is no feature. */
	virtio_features = UINT32_MAX;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), -EPERM);
	/* There is no BAR 7. (VFIO's region 7 is config space.) */
	virtio_features = 3;
	virtio_bar = CONFIG;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), -EPERM);
	virtio_bar = 3;
	virtio_selected = 7;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	/* the register is as it was found */
	assert_int_equal(slice->ops->bar_read(slice, 3, 0x100, &selected, 4), 0);
	assert_int_equal(selected, 7);
	bypass_slice_close(slice);
}

/* A VF has no ROM. A file's bytes are copied, and ones are behind them. */
static void test_rom(void **state)
{
	const char *path = in_tree("rom");
	struct bypass_slice *slice;
	char bytes[3001];

	(void)state;
	memset(bytes, 'r', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	assert_int_equal(bypass_function_rom(slice, NULL), -ENXIO);
	assert_non_null(strstr(bypass_error(), FUNCTION " has no ROM"));
	assert_int_equal(bypass_function_rom(slice, path), -ENOENT);
	put_file(path, "");
	assert_int_equal(bypass_function_rom(slice, path), -EINVAL);
	assert_int_equal(slice->rom_size, 0);
	put_file(path, bytes);
	assert_int_equal(bypass_function_rom(slice, path), 0);
	assert_int_equal(slice->rom_size, 4096);
	assert_memory_equal(slice->rom, bytes, 3000);
	assert_int_equal(((const uint8_t *)slice->rom)[3000], 0xff);
	assert_int_equal(((const uint8_t *)slice->rom)[4095], 0xff);
	assert_int_equal(truncate(path, (16 << 20) + 1), 0);
	assert_int_equal(bypass_function_rom(slice, path), -EFBIG);
	assert_int_equal(slice->rom_size, 4096);
	bypass_slice_close(slice);
}

static void poke_rom(int fd)
{
	kernel_poke(fd, VFIO_PCI_ROM_REGION_INDEX, 0, "\x55\xaa\x01", 3);
	kernel_poke(fd, VFIO_PCI_ROM_REGION_INDEX, 2999, "r", 1);
}

/* A device's own ROM: its bytes, or the reason why a guest does not get them. */
static void test_own_rom(void **state)
{
	struct vfio_region_info *region = &kernel.regions[VFIO_PCI_ROM_REGION_INDEX];
	struct bypass_slice *slice;

	(void)state;
	region->size = 3000;
	region->flags = VFIO_REGION_INFO_FLAG_READ;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	assert_int_equal(bypass_function_rom(slice, NULL), -ENXIO);
	assert_non_null(strstr(bypass_error(), "does not begin with 55 aa"));
	bypass_slice_close(slice);

	kernel.prepare = poke_rom;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	assert_int_equal(bypass_function_rom(slice, NULL), 0);
	assert_int_equal(slice->rom_size, 4096);
	assert_memory_equal(slice->rom, "\x55\xaa\x01", 3);
	assert_int_equal(((const uint8_t *)slice->rom)[2999], 'r');
	assert_int_equal(((const uint8_t *)slice->rom)[3000], 0xff);
	bypass_slice_close(slice);

	region->size = 32 << 20;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	assert_int_equal(bypass_function_rom(slice, NULL), -EFBIG);
	assert_non_null(strstr(bypass_error(), "has 33554432 bytes"));
	assert_int_equal(slice->rom_size, 0);
	bypass_slice_close(slice);
}

static bool readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 0) == 1;
}

/* What the host does to a device under a guest is told, each time that it is done. */
static void test_events(void **state)
{
	struct bypass_slice *slice;
	struct bypass_event event;

	(void)state;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	assert_false(readable(slice->event_fd));
	assert_int_equal(slice->ops->event(slice, &event), 0);
	for (int again = 0; again < 2; again++) {
		eventfd_write(kernel.event_fds[VFIO_PCI_REQ_IRQ_INDEX], 1);
		assert_true(readable(slice->event_fd));
		assert_int_equal(slice->ops->event(slice, &event), 1);
		assert_int_equal(event.kind, BYPASS_EVENT_UNPLUG);
		assert_non_null(strstr(event.text, FUNCTION));
		assert_int_equal(slice->ops->event(slice, &event), 0);
		assert_false(readable(slice->event_fd));
	}
	eventfd_write(kernel.event_fds[VFIO_PCI_REQ_IRQ_INDEX], 1);
	eventfd_write(kernel.event_fds[VFIO_PCI_ERR_IRQ_INDEX], 1);
	assert_int_equal(slice->ops->event(slice, &event), 1);
	assert_int_equal(event.kind, BYPASS_EVENT_DEAD);
	assert_int_equal(slice->ops->event(slice, &event), 1);
	assert_int_equal(event.kind, BYPASS_EVENT_UNPLUG);
	assert_int_equal(slice->ops->event(slice, &event), 0);
	bypass_slice_close(slice);

	/* plain PCI on an old kernel: it tells nothing, and works */
	kernel.irqs[VFIO_PCI_REQ_IRQ_INDEX].count = kernel.irqs[VFIO_PCI_ERR_IRQ_INDEX].count = 0;
	assert_int_equal(bypass_function_open(iommu, FUNCTION, NULL, &slice), 0);
	assert_int_equal(slice->ops->event(slice, &event), 0);
	bypass_slice_close(slice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_iommu(test_regions),	with_iommu(test_huge_region),
		with_iommu(test_sparse),	with_iommu(test_msix_dynamic),
		with_iommu(test_restart),	with_iommu(test_restart_fails),
		with_iommu(test_connect_fails), with_iommu(test_intx),
		with_iommu(test_reset),		with_iommu(test_no_reset),
		with_iommu(test_hot_reset),	with_iommu(test_not_pci),
		with_iommu(test_raised),	with_iommu(test_slice),
		with_iommu(test_virtio),	with_iommu(test_rom),
		with_iommu(test_own_rom),	with_iommu(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
