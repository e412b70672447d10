// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the device asks of its transport, from threads of its own.
 */
#include <sys/eventfd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "internal.h"

/* Under the lock: the eventfd cannot be closed meanwhile. */
static void config_notify(struct virtio_pci *v)
{
	v->isr |= VIRTIO_PCI_ISR_CONFIG;
	v->generation++;
	if (v->bus_master && v->config_vector != NO_VECTOR && v->fds[v->config_vector] >= 0)
		eventfd_write(v->fds[v->config_vector], 1);
}

static void carrier_config_changed(void *transport)
{
	struct virtio_pci *v = transport;

	pthread_mutex_lock(&v->lock);
	config_notify(v);
	pthread_mutex_unlock(&v->lock);
}

void carrier_needs_reset(void *transport)
{
	struct virtio_pci *v = transport;

	pthread_mutex_lock(&v->lock);
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		config_notify(v);
	pthread_mutex_unlock(&v->lock);
}

/* No shm_map: the shared memory is the guest's BAR. */
const struct bypass_virtio_carrier virtio_pci_carrier = {
	.config_changed = carrier_config_changed,
	.needs_reset = carrier_needs_reset,
};
