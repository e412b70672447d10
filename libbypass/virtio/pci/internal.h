/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * virtio over PCI: where the structures lie, and what the driver has set up.
 */
#ifndef BYPASS_VIRTIO_PCI_INTERNAL_H
#define BYPASS_VIRTIO_PCI_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <bypass/slice.h>
#include <bypass/virtio.h>

#include "../../base/log_limit.h"

/* BAR 0, all of it traps but for the notifications. */
#define COMMON_OFFSET 0x0000u
#define COMMON_SIZE   0x0038u
#define ISR_OFFSET    0x1000u
#define DEVICE_OFFSET 0x2000u
#define DEVICE_SIZE   0x1000u
#define NOTIFY_OFFSET 0x3000u
#define NOTIFY_STEP   4u
#define BAR0_SIZE     0x4000u

/* BAR 1: the MSI-X table, which vmm-glue/pci serves; its second half has the pending bits. */
#define MSIX_BAR 1
#define SHM_BAR	 2

#define QUEUES_MAX  1024
#define NO_VECTOR   0xffff
#define CONFIG_SIZE 256

/**
 * struct queue - a virtqueue as the driver sets it up
 * @size: entries
 * @vector: MSI-X vector, or NO_VECTOR
 * @enabled: the driver said so
 * @started: the device serves it
 * @desc: guest-physical address of the descriptor table
 * @driver: of the available ring
 * @device: of the used ring
 * @kick: eventfd that KVM signals when the driver notifies
 */
struct queue {
	uint16_t size;
	uint16_t vector;
	bool enabled;
	bool started;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	int kick;
};

/**
 * struct virtio_pci - the transport
 * @slice: what it looks like
 * @dev: what it carries
 * @config: PCI config space
 * @access: offset there of the capability that reaches the BAR by config space
 * @kicks: the notifications, for @slice
 * @window: for @slice
 * @features: offered
 * @driver_features: what the driver took
 * @device_select: which 32 of @features are read
 * @driver_select: which 32 of @driver_features are written
 * @queue_select: which queue the driver looks at; any value
 * @queues: they
 * @n_vectors: MSI-X vectors
 * @ram: bytes of guest memory that the device knows
 * @remarks: warnings of queues that failed
 * @lock: protects what follows, which the device's own threads touch too; never held
 *	while the device is called
 * @bus_master: the command register allows DMA, which interrupts are too
 * @status: device status
 * @generation: of the device's configuration
 * @isr: ISR status
 * @config_vector: MSI-X vector for configuration changes, or NO_VECTOR
 * @fds: eventfd of each vector; -1: not connected
 */
struct virtio_pci {
	struct bypass_slice slice;
	struct bypass_virtio_device *dev;
	uint8_t config[CONFIG_SIZE];
	uint8_t access;
	struct bypass_kick *kicks;
	struct bypass_window window;
	uint64_t features;
	uint64_t driver_features;
	uint32_t device_select;
	uint32_t driver_select;
	uint16_t queue_select;
	struct queue *queues;
	unsigned int n_vectors;
	uint64_t ram;
	struct log_limit remarks;
	pthread_mutex_t lock;
	bool bus_master;
	uint8_t status;
	uint8_t generation;
	uint8_t isr;
	uint16_t config_vector;
	int *fds;
};

/* config.c */
void virtio_config_init(struct virtio_pci *v);
int virtio_config_read(struct bypass_slice *slice, uint32_t offset, void *data, uint32_t size);
int virtio_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
			uint32_t size);

void virtio_command_set(struct virtio_pci *v, uint16_t command);

/* common.c */
void common_read(struct virtio_pci *v, uint32_t offset, void *data, uint32_t size);
void common_write(struct virtio_pci *v, uint32_t offset, const void *data, uint32_t size);
void common_reset(struct virtio_pci *v);
void common_stop(struct virtio_pci *v);
void queues_call(struct virtio_pci *v, unsigned int first, unsigned int end);

/* carrier.c */
extern const struct bypass_virtio_carrier virtio_pci_carrier;
void carrier_needs_reset(void *transport);

/* bar.c */
int virtio_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset, void *data,
		    uint32_t size);
int virtio_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
		     const void *data, uint32_t size);

#endif
