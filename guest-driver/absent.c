// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A device that is not there any more: the function was pulled out, or the process that serves the
 * function is gone. All reads give ones, and stores go nowhere. The word of owner.c tells the latter
 * without a read of the device.
 */
#include <linux/device.h>

#include "internal.h"

/* No driver sets all bits of the device status. */
#define ALL_ONES 0xff

bool bypass_absent(struct bypass_dev *dev)
{
	return dev->vdev->config->get_status(dev->vdev) == ALL_ONES;
}

/* The host's thread that executes commands; 0: none does, or the host does not say. */
u32 bypass_owner(const struct bypass_dev *dev)
{
	return dev->owner ? le32_to_cpu(READ_ONCE(*dev->owner)) : 0;
}

bool bypass_owner_died(const struct bypass_dev *dev)
{
	return bypass_owner(dev) & BYPASS_RDMA_OWNER_DIED;
}

static u8 no_status(struct virtio_device *vdev)
{
	return 0;
}

static void no_set_status(struct virtio_device *vdev, u8 status)
{
}

static void no_reset(struct virtio_device *vdev)
{
}

/*
 * After a reset the virtio core waits until the status reads 0, which here is for ever. The absent
 * device gets a status of 0, for good: a device that is plugged anew is another one. The operations
 * live as long as the function, which is the virtio device's parent.
 */
void bypass_give_up_absent(struct bypass_dev *dev)
{
	struct virtio_device *vdev = dev->vdev;
	struct virtio_config_ops *ops;

	if (!bypass_absent(dev))
		return;
	ops = devm_kmemdup(vdev->dev.parent, vdev->config, sizeof(*ops), GFP_KERNEL);
	if (!ops)
		return;
	ops->get_status = no_status;
	ops->set_status = no_set_status;
	ops->reset = no_reset;
	vdev->config = ops;
}
