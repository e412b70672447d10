// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A function as a VMM sees it: config space, and BAR 0 with the initialization segment, the MSI-X table
 * (which the VMM keeps) and the UAR pages.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "hca.h"
#include "layout.h"

#define VENDOR	   0x15b3
#define DEVICE	   0x1018 /* a virtual function of a ConnectX-5 */
#define CAP_EXP	   0x60
#define CAP_MSIX   0x9c
#define MSIX_TABLE 0x2000
#define MSIX_PBA   0x3000

/* The initialization segment: struct mlx5_init_seg of linux/mlx5/device.h. All words big-endian. */
#define INIT_FIRMWARE	0x00 /* minor, major */
#define INIT_INTERFACE	0x04 /* subminor, version of the command interface */
#define INIT_QUEUE_HIGH 0x10
#define INIT_QUEUE_LOW	0x14 /* and log2 of the number and of the size of entries */
#define INIT_COMMANDS	0x18 /* doorbell: a bit mask of entries */
#define INIT_TIMER_HIGH 0x1000
#define INIT_TIMER_LOW	0x1004
#define INIT_HEALTH	0x1010	 /* a counter that moves while the device is alive */
#define HEALTH_PERIOD	10000000 /* ns */
#define QUEUE_SIZES	(5 << 4 | 6)
#define QUEUE_MODE	0x700 /* other than 0: commands of a NIC mode, not meant here */
#define STATE_DISABLED	0x100 /* what the driver looks for, every few seconds */

static struct hca *to_hca(struct bypass_slice *slice)
{
	return (struct hca *)slice;
}

static void put16(uint8_t *config, unsigned int offset, uint16_t value)
{
	value = htole16(value);
	memcpy(config + offset, &value, sizeof(value));
}

static void put32(uint8_t *config, unsigned int offset, uint32_t value)
{
	value = htole32(value);
	memcpy(config + offset, &value, sizeof(value));
}

static void config_power_on(uint8_t *config)
{
	memset(config, 0, 256);
	put16(config, PCI_VENDOR_ID, VENDOR);
	put16(config, PCI_DEVICE_ID, DEVICE);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(config, PCI_CLASS_DEVICE, 0x0207); /* InfiniBand */
	put32(config, PCI_BASE_ADDRESS_0,
	      PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	put16(config, PCI_SUBSYSTEM_VENDOR_ID, VENDOR);
	put16(config, PCI_SUBSYSTEM_ID, 1);
	config[PCI_CAPABILITY_LIST] = CAP_EXP;
	config[CAP_EXP] = PCI_CAP_ID_EXP;
	config[CAP_EXP + 1] = CAP_MSIX;
	put16(config, CAP_EXP + PCI_EXP_FLAGS, 2);
	put32(config, CAP_EXP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER | 2);
	put32(config, CAP_EXP + PCI_EXP_LNKCAP, 0x83);
	put16(config, CAP_EXP + PCI_EXP_LNKSTA, 0x83);
	config[CAP_MSIX] = PCI_CAP_ID_MSIX;
	put16(config, CAP_MSIX + PCI_MSIX_FLAGS, HCA_VECTORS - 1);
	put32(config, CAP_MSIX + PCI_MSIX_TABLE, MSIX_TABLE);
	put32(config, CAP_MSIX + PCI_MSIX_PBA, MSIX_PBA);
}

static void power_on(struct hca *hca)
{
	hca_objects_clear(hca);
	hca->commands = 0;
	hca->failed = false;
	hca->bus_master = false;
	config_power_on(hca->config);
}

/*
 * A function that loses bus mastering forgets its objects and says that it has failed. What the driver made must
 * not be used when bus mastering returns: by then another kernel may own the memory (kexec).
 */
static void command_changed(struct hca *hca)
{
	bool before = hca->bus_master;

	hca->bus_master = hca->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
	if (before && !hca->bus_master)
		hca_fail(hca);
}

static int hca_config_read(struct bypass_slice *slice, uint32_t offset, void *data, uint32_t size)
{
	memcpy(data, to_hca(slice)->config + offset, size);
	return 0;
}

/* The command register, MSI-X control and device control keep what is written. */
static int hca_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
			    uint32_t size)
{
	struct hca *hca = to_hca(slice);
	const uint8_t *bytes = data;

	for (uint32_t i = offset; i < offset + size; i++) {
		uint8_t byte = bytes[i - offset];

		if (i == CAP_EXP + PCI_EXP_DEVCTL + 1 && byte & PCI_EXP_DEVCTL_BCR_FLR >> 8) {
			power_on(hca);
			return 0;
		}
		if (i == PCI_COMMAND || i == PCI_COMMAND + 1 || i == CAP_EXP + PCI_EXP_DEVCTL ||
		    i == CAP_EXP + PCI_EXP_DEVCTL + 1)
			hca->config[i] = byte;
		if (i == CAP_MSIX + PCI_MSIX_FLAGS + 1)
			hca->config[i] = byte &
					 (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	}
	command_changed(hca);
	return 0;
}

static uint32_t register_read(const struct hca *hca, uint64_t offset)
{
	switch (offset) {
	case INIT_FIRMWARE:
		return 35 << 16 | 16;
	case INIT_INTERFACE:
		return 5 << 16 | 1000;
	case INIT_QUEUE_HIGH:
		return hca->commands >> 32;
	case INIT_QUEUE_LOW:
		return QUEUE_SIZES | (hca->failed ? STATE_DISABLED : 0);
	case INIT_TIMER_HIGH:
		return now_ns() >> 32;
	case INIT_TIMER_LOW:
		return now_ns();
	case INIT_HEALTH:
		return now_ns() / HEALTH_PERIOD & 0xffffff;
	}
	return 0;
}

static int hca_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset, void *data,
			uint32_t size)
{
	uint8_t *bytes = data;

	(void)bar;
	for (uint32_t i = 0; i < size; i++) {
		uint64_t at = offset + i;
		uint32_t value = at < HCA_FIRST_UAR * HCA_PAGE
					 ? register_read(to_hca(slice), at & ~3ull)
					 : 0;

		bytes[i] = value >> (24 - 8 * (at & 3));
	}
	return 0;
}

static void register_write(struct hca *hca, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case INIT_QUEUE_HIGH:
		hca->commands = (hca->commands & UINT32_MAX) | (uint64_t)value << 32;
		break;
	case INIT_QUEUE_LOW:
		if (value & QUEUE_MODE)
			break;
		hca->commands = (hca->commands & ~(uint64_t)UINT32_MAX) | (value & ~(HCA_PAGE - 1));
		hca->failed = false;
		break;
	case INIT_COMMANDS:
		if (!hca->failed)
			commands_run(hca, value);
		break;
	}
}

static int hca_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			 const void *data, uint32_t size)
{
	struct hca *hca = to_hca(slice);

	(void)bar;
	if (offset >= HCA_FIRST_UAR * HCA_PAGE)
		doorbell_write(hca, offset, data, size);
	else if (size == 4)
		register_write(hca, offset, get_be32(data));
	return 0;
}

static int hca_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
		       unsigned int count, const int *fds)
{
	struct hca *hca = to_hca(slice);

	if (irq != BYPASS_IRQ_MSIX || start > HCA_VECTORS || count > HCA_VECTORS - start)
		return bypass_fail(EINVAL,
				   "%s: vectors %u to %u of type %u cannot be connected: it has "
				   "%u MSI-X vectors",
				   slice->name, start, start + count, irq, HCA_VECTORS);
	for (unsigned int i = 0; i < HCA_VECTORS && !count; i++)
		hca->fds[i] = -1;
	for (unsigned int i = 0; i < count; i++)
		hca->fds[start + i] = fds[i];
	return 0;
}

static int hca_resample(struct bypass_slice *slice, int fd)
{
	if (fd < 0)
		return 0;
	return bypass_fail(EINVAL, "%s: has no INTx to resample", slice->name);
}

static int hca_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	to_hca(slice)->mem = mem;
	return 0;
}

static int hca_reset(struct bypass_slice *slice)
{
	struct hca *hca = to_hca(slice);

	power_on(hca);
	return hca_vectors(slice, BYPASS_IRQ_MSIX, 0, 0, NULL);
}

static uint64_t hca_interrupts(struct bypass_slice *slice)
{
	return to_hca(slice)->interrupts;
}

static uint64_t hca_dma_bytes(struct bypass_slice *slice)
{
	const struct hca *hca = to_hca(slice);
	const struct bypass_memory_range *ranges;
	unsigned int count = 0;
	uint64_t bytes = 0;

	ranges = hca->mem ? bypass_memory_ranges(hca->mem, &count) : NULL;
	for (unsigned int i = 0; i < count; i++)
		bytes += ranges[i].size;
	return bytes;
}

static void hca_close(struct bypass_slice *slice)
{
	struct hca *hca = to_hca(slice);

	hca_objects_close(hca);
	uar_close(hca);
	hca->subnet->functions[hca->lid - 1] = NULL;
	free(hca);
}

static const struct bypass_slice_ops hca_ops = {
	.config_read = hca_config_read,
	.config_write = hca_config_write,
	.bar_read = hca_bar_read,
	.bar_write = hca_bar_write,
	.vectors = hca_vectors,
	.resample = hca_resample,
	.set_memory = hca_set_memory,
	.reset = hca_reset,
	.interrupts = hca_interrupts,
	.dma_bytes = hca_dma_bytes,
	.close = hca_close,
};

static void describe(struct hca *hca)
{
	struct bypass_slice *slice = &hca->slice;

	snprintf(slice->name, sizeof(slice->name), "hca%u", hca->lid - 1);
	slice->ops = &hca_ops;
	slice->config_size = sizeof(hca->config);
	slice->bars[0] = (struct bypass_bar){
		.size = HCA_BAR_SIZE,
		.is_64 = true,
		.prefetchable = true,
	};
	slice->vectors[BYPASS_IRQ_MSIX] = HCA_VECTORS;
	slice->kvm_fd = slice->event_fd = -1;
	for (unsigned int i = 0; i < HCA_VECTORS; i++)
		hca->fds[i] = -1;
}

int hca_open(struct subnet *subnet, struct bypass_slice **slice)
{
	unsigned int free_place = 0;
	struct hca *hca;
	int ret;

	while (free_place < HCA_FUNCTIONS && subnet->functions[free_place])
		free_place++;
	if (free_place == HCA_FUNCTIONS)
		return bypass_fail(ENOSPC, "a subnet has room for %u functions", HCA_FUNCTIONS);
	hca = calloc(1, sizeof(*hca));
	if (!hca)
		return bypass_fail(ENOMEM, "no memory for a function");
	if (!subnet->limits.qps)
		subnet->limits = limits_default;
	hca->subnet = subnet;
	hca->lid = free_place + 1;
	describe(hca);
	subnet->functions[free_place] = hca;
	ret = uar_open(hca);
	if (!ret)
		ret = hca_objects_open(hca);
	if (ret) {
		hca_close(&hca->slice);
		return ret;
	}
	power_on(hca);
	*slice = &hca->slice;
	return 0;
}
