/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A modern virtio-pci device, driven from user space with no driver in between: its BARs by
 * sysfs, queues and buffers in one huge page, whose guest-physical address pagemap tells. For
 * root in a guest. It checks nothing of what its user writes.
 */
#ifndef VIRTIO_PCI_USER_H
#define VIRTIO_PCI_USER_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "user-pci.h"

#define RING	   64u /* entries of a queue */
#define MAX_QUEUES 16u
#define SHM_SEEN   (4u << 20) /* of the shared memory */

/* Where a queue's three rings lie in the arena: a page each. */
struct rings {
	uint32_t desc, avail, used;
};

struct virtio {
	const char *path; /* below /sys */
	int config_fd;
	uint8_t command[2];
	uint8_t access; /* where in config space the access capability is */
	uint8_t msix;	/* where MSI-X is */
	volatile struct virtio_pci_common_cfg *common;
	struct region isr, notify, config, shm, table;
	uint32_t notify_step;
	uint8_t *arena;
	uint64_t gpa; /* of the arena */
	uint64_t ram_end;
	unsigned int n_queues;
	struct rings rings[MAX_QUEUES];
};

/* One of virtio's capabilities, which say where its structures are. */
static inline void map_structure(struct virtio *v, const uint8_t *space, uint8_t at)
{
	struct virtio_pci_notify_cap notify;
	struct virtio_pci_cap cap;

	memcpy(&notify, space + at, sizeof(notify));
	cap = notify.cap;
	switch (cap.cfg_type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		v->common = (void *)map_bar(v->path, cap.bar, cap.offset, cap.length).at;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		v->notify = map_bar(v->path, cap.bar, cap.offset, cap.length);
		v->notify_step = notify.notify_off_multiplier;
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		v->isr = map_bar(v->path, cap.bar, cap.offset, cap.length);
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		v->config = map_bar(v->path, cap.bar, cap.offset, cap.length);
		break;
	case VIRTIO_PCI_CAP_SHARED_MEMORY_CFG:
		v->shm = map_bar(v->path, cap.bar, cap.offset, SHM_SEEN);
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		v->access = at;
		break;
	}
}

static inline void map_structures(struct virtio *v)
{
	uint8_t space[256] = {0};
	uint32_t table;

	if (pread(v->config_fd, space, sizeof(space), 0) < 64)
		fail("cannot read config space");
	for (uint8_t at = space[PCI_CAPABILITY_LIST]; at >= 64 && at < 240; at = space[at + 1]) {
		if (space[at] == PCI_CAP_ID_VNDR)
			map_structure(v, space, at);
		if (space[at] != PCI_CAP_ID_MSIX)
			continue;
		v->msix = at;
		memcpy(&table, space + at + PCI_MSIX_TABLE, sizeof(table));
		v->table = map_bar(v->path, table & PCI_MSIX_TABLE_BIR,
				   table & PCI_MSIX_TABLE_OFFSET,
				   ((space[at + PCI_MSIX_FLAGS] & 0x7f) + 1) * PCI_MSIX_ENTRY_SIZE);
	}
	if (!v->common || !v->notify.at || !v->isr.at || !v->config.at || !v->shm.at ||
	    !v->access || !v->table.at)
		fail("the device lacks a structure");
}

/* The device at @path, with its queues' rings in the first pages of an arena. */
static inline void virtio_open(struct virtio *v, const char *path)
{
	const uint8_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	*v = (struct virtio){.path = path, .command = {command, 0}};
	v->config_fd = open_in(path, "config");
	if (pwrite(v->config_fd, v->command, 2, PCI_COMMAND) != 2)
		fail("cannot enable the device");
	map_structures(v);
	v->arena = get_arena(&v->gpa);
	v->ram_end = find_ram_end();
	v->n_queues = v->common->num_queues < MAX_QUEUES ? v->common->num_queues : MAX_QUEUES;
	for (unsigned int i = 0; i < v->n_queues; i++)
		v->rings[i] = (struct rings){
			.desc = 3 * i * PAGE,
			.avail = (3 * i + 1) * PAGE,
			.used = (3 * i + 2) * PAGE,
		};
}

static inline struct vring_desc *virtio_desc(struct virtio *v, unsigned int queue)
{
	return (struct vring_desc *)(v->arena + v->rings[queue].desc);
}

static inline struct vring_avail *virtio_avail(struct virtio *v, unsigned int queue)
{
	return (struct vring_avail *)(v->arena + v->rings[queue].avail);
}

static inline struct vring_used *virtio_used(struct virtio *v, unsigned int queue)
{
	return (struct vring_used *)(v->arena + v->rings[queue].used);
}

static inline void virtio_reset(struct virtio *v)
{
	v->common->device_status = 0;
	for (int i = 0; v->common->device_status && i < 10000; i++)
		usleep(1000);
	if (v->common->device_status)
		fail("the device does not come out of its reset");
}

static inline uint64_t virtio_features(struct virtio *v)
{
	uint64_t features = 0;

	for (uint32_t half = 0; half < 2; half++) {
		v->common->device_feature_select = half;
		features |= (uint64_t)v->common->device_feature << 32 * half;
	}
	return features;
}

static inline void virtio_accept(struct virtio *v, uint64_t features)
{
	for (uint32_t half = 0; half < 2; half++) {
		v->common->guest_feature_select = half;
		v->common->guest_feature = features >> 32 * half;
	}
}

static inline void virtio_queue(struct virtio *v, unsigned int queue, uint16_t size, uint64_t desc,
				uint64_t avail, uint64_t used)
{
	v->common->queue_select = queue;
	v->common->queue_size = size;
	v->common->queue_desc_lo = desc;
	v->common->queue_desc_hi = desc >> 32;
	v->common->queue_avail_lo = avail;
	v->common->queue_avail_hi = avail >> 32;
	v->common->queue_used_lo = used;
	v->common->queue_used_hi = used >> 32;
	v->common->queue_enable = 1;
}

/* As its queue_notify_off says: the queue's number, with all devices that we drive. */
static inline void virtio_kick(struct virtio *v, unsigned int queue)
{
	*(volatile uint16_t *)(v->notify.at + queue * v->notify_step) = queue;
}

/* The chain that begins at @head. */
static inline void virtio_offer(struct virtio *v, unsigned int queue, uint16_t head)
{
	struct vring_avail *avail = virtio_avail(v, queue);

	avail->ring[avail->idx % RING] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

#endif
