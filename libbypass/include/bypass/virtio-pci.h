/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The virtio-pci transport: a virtio device in the shape of a slice, for a VMM that
 * has no virtio of its own. It is then plugged like any slice.
 */
#ifndef BYPASS_VIRTIO_PCI_H
#define BYPASS_VIRTIO_PCI_H

#include <bypass/slice.h>
#include <bypass/virtio.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * bypass_virtio_pci_new() - carry a virtio device over PCI (virtio 1.2, section 4.1)
 * @dev: the device; taken over by the slice on success, and closed with it
 * @slice: set to the slice; to be given to bypass_slice_close()
 *
 * A modern (non-transitional) device of vendor 0x1af4 and ID 0x1040 plus @dev's.
 * Notifications of the driver are eventfds of KVM, those of the device MSI-X
 * vectors: one for each queue and one for the configuration. There is no INTx. The
 * device's shared memory, if any, is shared memory region 0 and a BAR of its own.
 *
 * Return: 0; -EINVAL (the device has more queues, a larger configuration or another
 * shared memory region than can be carried; the text says which); -ENOMEM; -EMFILE; or what
 * @dev's attach said.
 */
int bypass_virtio_pci_new(struct bypass_virtio_device *dev, struct bypass_slice **slice);

/**
 * bypass_virtio_pci_device() - the virtio device behind a slice
 * @slice: any slice
 *
 * Return: the device, which goes with the slice; NULL when @slice is not of bypass_virtio_pci_new().
 */
struct bypass_virtio_device *bypass_virtio_pci_device(struct bypass_slice *slice);

#ifdef __cplusplus
}
#endif
#endif
