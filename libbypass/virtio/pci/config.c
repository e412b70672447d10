// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * PCI config space of a virtio device. Capabilities say where the structures lie (virtio 1.2,
 * section 4.1.4). One more capability reaches the structures without the BAR.
 */
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "internal.h"

#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_DEVICE 0x1040
#define CLASS_OTHER   0x00ff0000

/* The next free place in config space, and where its address is to be written. */
struct chain {
	uint8_t at;
	uint8_t link;
};

static void put(struct virtio_pci *v, uint32_t at, uint32_t size, uint32_t value)
{
	memcpy(v->config + at, &value, size);
}

/* Returns where it is; bytes 2 and on are the caller's. */
static uint8_t capability(struct virtio_pci *v, struct chain *chain, uint8_t id, uint8_t length)
{
	uint8_t at = chain->at;

	put(v, at, 1, id);
	put(v, chain->link, 1, at);
	chain->link = at + PCI_CAP_LIST_NEXT;
	chain->at = (at + length + 3) & ~3;
	return at;
}

static uint8_t structure(struct virtio_pci *v, struct chain *chain, uint8_t type, uint8_t bar,
			 uint32_t offset, uint64_t size, uint8_t length)
{
	uint8_t at = capability(v, chain, PCI_CAP_ID_VNDR, length);

	put(v, at + VIRTIO_PCI_CAP_LEN, 1, length);
	put(v, at + VIRTIO_PCI_CAP_CFG_TYPE, 1, type);
	put(v, at + VIRTIO_PCI_CAP_BAR, 1, bar);
	put(v, at + VIRTIO_PCI_CAP_OFFSET, 4, offset);
	put(v, at + VIRTIO_PCI_CAP_LENGTH, 4, size);
	return at;
}

static void msix_capability(struct virtio_pci *v, struct chain *chain)
{
	uint8_t at = capability(v, chain, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	put(v, at + PCI_MSIX_FLAGS, 2, v->n_vectors - 1);
	put(v, at + PCI_MSIX_TABLE, 4, MSIX_BAR);
	put(v, at + PCI_MSIX_PBA, 4, MSIX_BAR | v->slice.bars[MSIX_BAR].size / 2);
}

void virtio_config_init(struct virtio_pci *v)
{
	struct chain chain = {.at = PCI_STD_HEADER_SIZEOF, .link = PCI_CAPABILITY_LIST};
	uint8_t plain = sizeof(struct virtio_pci_cap), at;

	put(v, PCI_VENDOR_ID, 2, VIRTIO_VENDOR);
	put(v, PCI_DEVICE_ID, 2, VIRTIO_DEVICE + v->dev->id);
	put(v, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put(v, PCI_CLASS_REVISION, 4, CLASS_OTHER | 1);
	put(v, PCI_SUBSYSTEM_VENDOR_ID, 2, VIRTIO_VENDOR);
	put(v, PCI_SUBSYSTEM_ID, 2, VIRTIO_DEVICE + v->dev->id);

	structure(v, &chain, VIRTIO_PCI_CAP_COMMON_CFG, 0, COMMON_OFFSET, COMMON_SIZE, plain);
	structure(v, &chain, VIRTIO_PCI_CAP_ISR_CFG, 0, ISR_OFFSET, 1, plain);
	if (v->dev->config_size)
		structure(v, &chain, VIRTIO_PCI_CAP_DEVICE_CFG, 0, DEVICE_OFFSET,
			  v->dev->config_size, plain);
	at = structure(v, &chain, VIRTIO_PCI_CAP_NOTIFY_CFG, 0, NOTIFY_OFFSET,
		       v->dev->n_queues * NOTIFY_STEP, plain + 4);
	put(v, at + plain, 4, NOTIFY_STEP);
	if (v->window.size) {
		/* A struct virtio_pci_cap64, whose upper halves follow the lower ones. */
		at = structure(v, &chain, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, SHM_BAR, 0,
			       v->window.size, plain + 8);
		put(v, at + plain + 4, 4, v->window.size >> 32);
	}
	v->access = structure(v, &chain, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, plain + 4);
	msix_capability(v, &chain);
}

/* Where the access capability points; false when that is no place in BAR 0. */
static bool access_place(const struct virtio_pci *v, uint32_t *offset, uint32_t *size)
{
	memcpy(offset, v->config + v->access + VIRTIO_PCI_CAP_OFFSET, 4);
	memcpy(size, v->config + v->access + VIRTIO_PCI_CAP_LENGTH, 4);
	return !v->config[v->access + VIRTIO_PCI_CAP_BAR] &&
	       (*size == 1 || *size == 2 || *size == 4) && *offset % *size == 0 &&
	       *offset <= BAR0_SIZE - *size;
}

static uint32_t access_data(const struct virtio_pci *v)
{
	return v->access + sizeof(struct virtio_pci_cap);
}

int virtio_config_read(struct bypass_slice *slice, uint32_t offset, void *data, uint32_t size)
{
	struct virtio_pci *v = (struct virtio_pci *)slice;
	uint32_t at, n;

	/* Every aligned read inside of the data field begins the access anew. */
	if (offset >= access_data(v) && offset < access_data(v) + 4 && access_place(v, &at, &n))
		virtio_bar_read(slice, 0, at, v->config + access_data(v), n);
	memcpy(data, v->config + offset, size);
	return 0;
}

/*
 * A device without bus mastering does no DMA, so the device is stopped. The device does not go on
 * when bus mastering returns: by then another kernel may own the memory (kexec).
 */
void virtio_command_set(struct virtio_pci *v, uint16_t command)
{
	bool before;

	put(v, PCI_COMMAND, 2, command & (PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY));
	pthread_mutex_lock(&v->lock);
	before = v->bus_master;
	v->bus_master = command & PCI_COMMAND_MASTER;
	pthread_mutex_unlock(&v->lock);
	if (before && !(command & PCI_COMMAND_MASTER))
		common_stop(v);
}

/* A write of any width that touches the command register */
static void command_write(struct virtio_pci *v, uint32_t offset, const uint8_t *data, uint32_t size)
{
	uint8_t command[2];

	memcpy(command, v->config + PCI_COMMAND, sizeof(command));
	for (uint32_t i = 0; i < sizeof(command); i++)
		if (PCI_COMMAND + i >= offset && PCI_COMMAND + i < offset + size)
			command[i] = data[PCI_COMMAND + i - offset];
	virtio_command_set(v, command[1] << 8 | command[0]);
}

int virtio_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
			uint32_t size)
{
	struct virtio_pci *v = (struct virtio_pci *)slice;
	uint32_t bar = v->access + VIRTIO_PCI_CAP_BAR, at, n;

	if (offset / 4 == PCI_COMMAND / 4) {
		command_write(v, offset, data, size);
		return 0;
	}
	/* Beside that register the driver may write only the place and the data of the access. */
	for (uint32_t i = 0; i < size; i++) {
		uint32_t byte = offset + i;

		if (byte == bar ||
		    (byte >= v->access + VIRTIO_PCI_CAP_OFFSET + 0u && byte < access_data(v) + 4))
			v->config[byte] = ((const uint8_t *)data)[i];
	}
	if (offset >= access_data(v) && offset < access_data(v) + 4 && access_place(v, &at, &n))
		virtio_bar_write(slice, 0, at, v->config + access_data(v), n);
	return 0;
}
