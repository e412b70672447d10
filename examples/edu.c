// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Drives QEMU's teaching device ("edu") through libbypass and nothing else:
 * registers, DMA both ways, MSI, INTx with unmasking by eventfd, and reset. Every
 * interrupt is counted: one too many or too few is an error.
 *
 *     bypass carve 0000:03:00.0 && edu 0000:03:00.0
 *
 * The registers are those of docs/specs/edu.rst in QEMU's sources.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/iommu.h>
#include <bypass/vfio.h>

#define EDU_ID		 0x00
#define EDU_INVERT	 0x04
#define EDU_FACTORIAL	 0x08
#define EDU_STATUS	 0x20
#define EDU_STATUS_BUSY	 0x01
#define EDU_IRQ_RAISE	 0x60
#define EDU_IRQ_ACK	 0x64
#define EDU_DMA_SOURCE	 0x80
#define EDU_DMA_TARGET	 0x88
#define EDU_DMA_COUNT	 0x90
#define EDU_DMA_COMMAND	 0x98
#define EDU_DMA_START	 0x01
#define EDU_DMA_FROM_EDU 0x02
#define EDU_DMA_IRQ	 0x04
#define EDU_DMA_RAISED	 0x100
#define EDU_BUFFER	 0x40000
#define EDU_BUFFER_SIZE	 4096u

#define IOVA	    0x100000 /* the device drives 28 address lines */
#define MEMORY_SIZE (2 * EDU_BUFFER_SIZE)
#define ROUNDS	    100
#define A_WHILE	    100	  /* ms in which nothing is to happen */
#define TOO_LONG    10000 /* ms in which it must have happened */

struct edu {
	struct bypass_iommu *iommu;
	struct bypass_vfio *device;
	volatile char *bar;
	uint64_t bar_size;
	uint8_t *memory;
	int irq_fd;
	int unmask_fd;
};

static uint32_t get(const struct edu *edu, unsigned int reg)
{
	return *(volatile uint32_t *)(edu->bar + reg);
}

static void put(const struct edu *edu, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(edu->bar + reg) = value;
}

static void put64(const struct edu *edu, unsigned int reg, uint64_t value)
{
	*(volatile uint64_t *)(edu->bar + reg) = value;
}

static int map_bar(struct edu *edu, const char *address)
{
	const struct bypass_region *bar;
	void *hva;
	int err;

	bar = bypass_vfio_region(edu->device, VFIO_PCI_BAR0_REGION_INDEX);
	if (!bar)
		return bypass_fail(ENODEV, "%s has no BAR 0", address);
	err = bypass_vfio_map(edu->device, VFIO_PCI_BAR0_REGION_INDEX, 0, bar->size, &hva);
	if (err)
		return err;
	edu->bar = hva;
	edu->bar_size = bar->size;
	if ((get(edu, EDU_ID) & 0xff) != 0xed)
		return bypass_fail(ENODEV, "%s is not an edu device", address);
	return 0;
}

static int edu_open(struct edu *edu, const char *address)
{
	int err;

	edu->irq_fd = eventfd(0, EFD_CLOEXEC);
	edu->unmask_fd = eventfd(0, EFD_CLOEXEC);
	edu->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (edu->irq_fd < 0 || edu->unmask_fd < 0 || edu->memory == MAP_FAILED)
		return bypass_fail(errno, "no eventfd or memory: %s", strerror(errno));
	err = bypass_iommu_new(&edu->iommu);
	if (!err)
		err = bypass_iommu_map(edu->iommu, IOVA, edu->memory, MEMORY_SIZE,
				       BYPASS_DMA_READ | BYPASS_DMA_WRITE);
	if (!err)
		err = bypass_vfio_open(edu->iommu, address, NULL, &edu->device);
	if (!err)
		err = map_bar(edu, address);
	if (!err)
		err = bypass_vfio_bus_master(edu->device, true);
	return err;
}

static void edu_close(struct edu *edu)
{
	if (edu->bar)
		munmap((void *)edu->bar, edu->bar_size);
	bypass_vfio_close(edu->device);
	bypass_iommu_free(edu->iommu);
	if (edu->memory != MAP_FAILED)
		munmap(edu->memory, MEMORY_SIZE);
	if (edu->irq_fd >= 0)
		close(edu->irq_fd);
	if (edu->unmask_fd >= 0)
		close(edu->unmask_fd);
}

/* How often the eventfd was signalled, after waiting up to @ms for the first time. */
static uint64_t signals(int fd, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint64_t count;

	if (poll(&wait, 1, ms) != 1 || read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

static int check_mmio(struct edu *edu)
{
	uint32_t trapped = 0;
	int err;

	for (uint32_t value = 1; value; value <<= 1) {
		put(edu, EDU_INVERT, value);
		/* The same register again, by way of the kernel. */
		err = bypass_vfio_read(edu->device, VFIO_PCI_BAR0_REGION_INDEX, EDU_INVERT,
				       &trapped, sizeof(trapped));
		if (err)
			return err;
		if (get(edu, EDU_INVERT) != ~value || trapped != ~value)
			return bypass_fail(EIO, "wrote 0x%x, read 0x%x, and 0x%x by the kernel",
					   value, get(edu, EDU_INVERT), trapped);
	}
	put(edu, EDU_FACTORIAL, 10);
	while (get(edu, EDU_STATUS) & EDU_STATUS_BUSY)
		;
	if (get(edu, EDU_FACTORIAL) != 3628800)
		return bypass_fail(EIO, "10! is not %u", get(edu, EDU_FACTORIAL));
	printf("mmio: BAR 0 at %p, 32 values inverted, 10! = 3628800\n", (void *)edu->bar);
	return 0;
}

static void dma(struct edu *edu, uint64_t source, uint64_t target, uint32_t command)
{
	put64(edu, EDU_DMA_SOURCE, source);
	put64(edu, EDU_DMA_TARGET, target);
	put64(edu, EDU_DMA_COUNT, EDU_BUFFER_SIZE);
	put64(edu, EDU_DMA_COMMAND, EDU_DMA_START | command);
	while (get(edu, EDU_DMA_COMMAND) & EDU_DMA_START)
		usleep(1000);
}

static int check_dma(struct edu *edu)
{
	uint8_t *out = edu->memory, *in = edu->memory + EDU_BUFFER_SIZE;

	for (unsigned int i = 0; i < EDU_BUFFER_SIZE; i++)
		out[i] = i * 7 + (i >> 8);
	dma(edu, IOVA, EDU_BUFFER, 0);
	dma(edu, EDU_BUFFER, IOVA + EDU_BUFFER_SIZE, EDU_DMA_FROM_EDU);
	if (memcmp(in, out, EDU_BUFFER_SIZE))
		return bypass_fail(EIO, "the device did not write back what it had read");
	printf("dma: %u bytes to the device and back\n", EDU_BUFFER_SIZE);
	return 0;
}

static int count(const char *type, unsigned int expected, uint64_t signalled, uint64_t raised)
{
	if (signalled != expected || raised != expected)
		return bypass_fail(EIO, "%s: %u expected, %llu signalled, %llu counted", type,
				   expected, (unsigned long long)signalled,
				   (unsigned long long)raised);
	printf("%s: %u raised, as many signalled, as many counted by the kernel\n", type, expected);
	return 0;
}

static int check_msi(struct edu *edu)
{
	uint64_t before = bypass_vfio_irq_raised(edu->device), got = 0;
	int err;

	err = bypass_vfio_irq_connect(edu->device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &edu->irq_fd);
	if (err)
		return err;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		put(edu, EDU_IRQ_RAISE, 1);
		got += signals(edu->irq_fd, TOO_LONG);
		put(edu, EDU_IRQ_ACK, 1);
	}
	dma(edu, IOVA, EDU_BUFFER, EDU_DMA_IRQ);
	got += signals(edu->irq_fd, TOO_LONG);
	put(edu, EDU_IRQ_ACK, EDU_DMA_RAISED);
	got += signals(edu->irq_fd, A_WHILE);
	err = count("msi", ROUNDS + 1, got, bypass_vfio_irq_raised(edu->device) - before);
	if (err)
		return err;
	return bypass_vfio_irq_connect(edu->device, VFIO_PCI_MSI_IRQ_INDEX, 0, 0, NULL);
}

static int check_intx(struct edu *edu)
{
	uint64_t before = bypass_vfio_irq_raised(edu->device), got = 0, one = 1;
	int err;

	err = bypass_vfio_irq_connect(edu->device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &edu->irq_fd);
	if (!err)
		err = bypass_vfio_irq_resample(edu->device, edu->unmask_fd);
	if (err)
		return err;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		put(edu, EDU_IRQ_RAISE, 1);
		got += signals(edu->irq_fd, TOO_LONG);
		/* The interrupt is masked now: while the line stays up, none comes. */
		if (i == 0)
			got += signals(edu->irq_fd, A_WHILE);
		put(edu, EDU_IRQ_ACK, 1);
		if (write(edu->unmask_fd, &one, sizeof(one)) != sizeof(one))
			return bypass_fail(errno, "cannot unmask: %s", strerror(errno));
	}
	err = count("intx", ROUNDS, got, bypass_vfio_irq_raised(edu->device) - before);
	if (err)
		return err;
	/* Unmasked while the line is up: INTx is signalled again at once. */
	put(edu, EDU_IRQ_RAISE, 1);
	got = signals(edu->irq_fd, TOO_LONG);
	err = bypass_vfio_irq_mask(edu->device, false);
	if (err)
		return err;
	got += signals(edu->irq_fd, TOO_LONG);
	put(edu, EDU_IRQ_ACK, 1);
	if (got != 2)
		return bypass_fail(EIO, "intx: level up, unmasked once, %llu signals",
				   (unsigned long long)got);
	return bypass_vfio_irq_connect(edu->device, VFIO_PCI_INTX_IRQ_INDEX, 0, 0, NULL);
}

static int check_reset(struct edu *edu)
{
	uint16_t command = 0;
	int err;

	err = bypass_vfio_irq_connect(edu->device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &edu->irq_fd);
	if (!err)
		err = bypass_vfio_reset(edu->device);
	if (!err)
		err = bypass_vfio_read(edu->device, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
				       &command, sizeof(command));
	if (err)
		return err;
	put(edu, EDU_IRQ_RAISE, 1);
	if (command & PCI_COMMAND_MASTER || signals(edu->irq_fd, A_WHILE))
		return bypass_fail(EIO, "reset: the device still does DMA or raises interrupts");
	put(edu, EDU_IRQ_ACK, 1);
	printf("reset: no DMA, no interrupts\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct edu edu = {.memory = MAP_FAILED};
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: edu ADDRESS\n");
		return 2;
	}
	err = edu_open(&edu, argv[1]);
	if (!err)
		err = check_mmio(&edu);
	if (!err)
		err = check_dma(&edu);
	if (!err)
		err = check_msi(&edu);
	if (!err)
		err = check_intx(&edu);
	if (!err)
		err = check_reset(&edu);
	if (err)
		fprintf(stderr, "edu: %s\n", bypass_error());
	edu_close(&edu);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
