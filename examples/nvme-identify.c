// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An NVMe driver in one page. The program brings up the admin queue of a controller (a VF,
 * or a whole function) through libbypass. Then it sends an Identify command, waits for the
 * MSI-X interrupt, and prints the answer.
 *
 *     bypass carve 0000:02:00.0 --vfs 1 && nvme-identify 0000:02:00.1
 *
 * Source: NVM Express Base Specification 2.0: 3.1.3 (registers), 3.3.3 (queue
 * entries), 5.17 (Identify).
 */
#include <endian.h>
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
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

#define NVME_CC			 0x14
#define NVME_CC_ENABLE		 (1 | 6 << 16 | 4 << 20) /* entries of 64 and of 16 bytes */
#define NVME_CSTS		 0x1c
#define NVME_CSTS_READY		 1
#define NVME_AQA		 0x24
#define NVME_ASQ		 0x28
#define NVME_ACQ		 0x30
#define NVME_SQ0_DOORBELL	 0x1000
#define NVME_IDENTIFY		 0x06
#define NVME_IDENTIFY_CONTROLLER 1

#define PAGE	4096
#define ENTRIES 16
#define IOVA	0x10000
#define SECONDS 10

/* What the controller and we share: a page each for commands, completions, data. */
struct shared {
	uint32_t commands[PAGE / 64][16];
	volatile uint32_t completions[PAGE / 16][4];
	char data[PAGE];
};

struct nvme {
	struct bypass_iommu *iommu;
	struct bypass_vfio *device;
	volatile char *registers;
	uint64_t size;
	struct shared *shared;
	int irq_fd;
};

static uint32_t get(const struct nvme *nvme, unsigned int reg)
{
	return le32toh(*(volatile uint32_t *)(nvme->registers + reg));
}

static void put(const struct nvme *nvme, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(nvme->registers + reg) = htole32(value);
}

static int wait_ready(const struct nvme *nvme, uint32_t ready)
{
	for (int ms = 0; ms < SECONDS * 1000; ms++) {
		if ((get(nvme, NVME_CSTS) & NVME_CSTS_READY) == ready)
			return 0;
		usleep(1000);
	}
	return bypass_fail(ETIMEDOUT, "the controller does not become %s: is this VF online?",
			   ready ? "ready" : "idle");
}

/* The memory is mapped first: the device can reach it from the beginning. */
static int nvme_open(struct nvme *nvme, const char *address)
{
	void *hva;
	int err;

	nvme->irq_fd = eventfd(0, EFD_CLOEXEC);
	nvme->shared = mmap(NULL, sizeof(*nvme->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (nvme->irq_fd < 0 || nvme->shared == MAP_FAILED)
		return bypass_fail(errno, "no eventfd or memory: %s", strerror(errno));
	err = bypass_iommu_new(&nvme->iommu);
	if (!err)
		err = bypass_iommu_map(nvme->iommu, IOVA, nvme->shared, sizeof(*nvme->shared),
				       BYPASS_DMA_READ | BYPASS_DMA_WRITE);
	if (!err)
		err = bypass_vfio_open(nvme->iommu, address, NULL, &nvme->device);
	if (err)
		return err;
	if (!bypass_vfio_region(nvme->device, VFIO_PCI_BAR0_REGION_INDEX))
		return bypass_fail(ENODEV, "%s is no NVMe controller", address);
	nvme->size = bypass_vfio_region(nvme->device, VFIO_PCI_BAR0_REGION_INDEX)->size;
	err = bypass_vfio_map(nvme->device, VFIO_PCI_BAR0_REGION_INDEX, 0, nvme->size, &hva);
	if (err)
		return err;
	nvme->registers = hva;
	return bypass_vfio_irq_connect(nvme->device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &nvme->irq_fd);
}

static void nvme_close(struct nvme *nvme)
{
	if (nvme->registers)
		munmap((void *)nvme->registers, nvme->size);
	bypass_vfio_close(nvme->device);
	bypass_iommu_free(nvme->iommu);
	if (nvme->shared != MAP_FAILED)
		munmap(nvme->shared, sizeof(*nvme->shared));
	if (nvme->irq_fd >= 0)
		close(nvme->irq_fd);
}

static void put_address(const struct nvme *nvme, unsigned int reg, uint64_t iova)
{
	put(nvme, reg, iova);
	put(nvme, reg + 4, iova >> 32);
}

static int nvme_start(const struct nvme *nvme)
{
	int err;

	err = bypass_vfio_bus_master(nvme->device, true);
	if (err)
		return err;
	put(nvme, NVME_CC, 0);
	err = wait_ready(nvme, 0);
	if (err)
		return err;
	put(nvme, NVME_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	put_address(nvme, NVME_ASQ, IOVA + offsetof(struct shared, commands));
	put_address(nvme, NVME_ACQ, IOVA + offsetof(struct shared, completions));
	put(nvme, NVME_CC, NVME_CC_ENABLE);
	return wait_ready(nvme, NVME_CSTS_READY);
}

static int nvme_identify(const struct nvme *nvme)
{
	struct pollfd wait = {.fd = nvme->irq_fd, .events = POLLIN};
	uint32_t *command = nvme->shared->commands[0], done;
	uint64_t iova = IOVA + offsetof(struct shared, data);

	command[0] = htole32(NVME_IDENTIFY);
	command[6] = htole32(iova);
	command[7] = htole32(iova >> 32);
	command[10] = htole32(NVME_IDENTIFY_CONTROLLER);
	/* The command is in memory before the doorbell says so. */
	atomic_thread_fence(memory_order_release);
	put(nvme, NVME_SQ0_DOORBELL, 1);
	if (poll(&wait, 1, SECONDS * 1000) != 1)
		return bypass_fail(ETIMEDOUT, "no interrupt in %d s", SECONDS);
	done = le32toh(nvme->shared->completions[0][3]);
	atomic_thread_fence(memory_order_acquire);
	/* bit 16 is the phase, those above are the status */
	if (!(done & 1 << 16) || done >> 17)
		return bypass_fail(EIO, "Identify failed with status 0x%x", done >> 17);
	return 0;
}

int main(int argc, char **argv)
{
	struct nvme nvme = {.irq_fd = -1, .shared = MAP_FAILED};
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: nvme-identify ADDRESS\n");
		return 2;
	}
	err = nvme_open(&nvme, argv[1]);
	if (!err)
		err = nvme_start(&nvme);
	if (!err)
		err = nvme_identify(&nvme);
	if (err)
		fprintf(stderr, "nvme-identify: %s\n", bypass_error());
	else /* bytes 4 to 23: serial number; 24 to 63: model */
		printf("serial %.20s model %.40s interrupts %llu\n", nvme.shared->data + 4,
		       nvme.shared->data + 24,
		       (unsigned long long)bypass_vfio_irq_raised(nvme.device));
	nvme_close(&nvme);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
