// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What all virtio devices have in common: that they end.
 */
#include <bypass/virtio.h>

void bypass_virtio_close(struct bypass_virtio_device *dev)
{
	if (dev)
		dev->ops->close(dev);
}
