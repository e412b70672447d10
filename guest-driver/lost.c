// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A device whose host is gone: commands end, and the device is probed once more, should
 * its host be back. The device's own memory is freed in between.
 */
#include <linux/slab.h>

#include "internal.h"

/**
 * struct bypass_revival - probes a lost device anew
 * @work: does so
 * @device: the virtio device
 * @silent: the host does not answer: the device is only taken away
 */
struct bypass_revival {
	struct work_struct work;
	struct device *device;
	bool silent;
};

static struct workqueue_struct *revivals;

void bypass_revival_free(struct bypass_revival *revival)
{
	if (!revival)
		return;
	put_device(revival->device);
	kfree(revival);
}

static void revive(struct work_struct *work)
{
	struct bypass_revival *revival = container_of(work, struct bypass_revival, work);

	/* QEMU ends itself when a driver reads the configuration and the service has died. */
	if (revival->silent)
		device_release_driver(revival->device);
	else if (device_reprobe(revival->device))
		dev_dbg(revival->device, "not probed again\n");
	if (!READ_ONCE(revival->device->driver))
		dev_err(revival->device,
			"gone for good: bind the driver again when its host is back\n");
	bypass_revival_free(revival);
}

/* Return: what probes @vdev anew once, or NULL. */
struct bypass_revival *bypass_revival_make(struct virtio_device *vdev)
{
	struct bypass_revival *revival = kzalloc(sizeof(*revival), GFP_KERNEL);

	if (revival) {
		INIT_WORK(&revival->work, revive);
		revival->device = get_device(&vdev->dev);
	}
	return revival;
}

/* Exactly one of those who come here finds the revival. */
static void queue_revival(struct bypass_dev *dev)
{
	struct bypass_revival *revival = xchg(&dev->revival, NULL);

	if (!revival)
		return;
	revival->silent = dev->silent;
	queue_work(revivals, &revival->work);
}

/* The device is registered: a loss from now on, or one that has been, leads to @revival. */
void bypass_revival_arm(struct bypass_dev *dev, struct bypass_revival *revival)
{
	/* Pairs with the order in lose(): either side sees what the other has written. */
	smp_store_mb(dev->revival, revival);
	if (READ_ONCE(dev->gone))
		queue_revival(dev);
}

/* The device goes by itself: a loss leads to nothing more. */
void bypass_revival_disarm(struct bypass_dev *dev)
{
	bypass_revival_free(xchg(&dev->revival, NULL));
}

static void lose(struct bypass_dev *dev, const char *why, bool silent)
{
	if (test_and_set_bit(0, &dev->lost_once))
		return;
	dev_err(&dev->vdev->dev, "lost: %s\n", why);
	dev->silent = silent;
	WRITE_ONCE(dev->gone, true);
	wake_up_all(&dev->control_room);
	queue_revival(dev);
}

/**
 * bypass_lost() - the host's HCA is gone
 * @dev: the slice; from here on commands fail at once
 * @why: for the administrator; logged once
 *
 * Processes lose what they hold as on hot-unplug, and the device is probed again, should
 * its host be back. Callable from any context.
 */
void bypass_lost(struct bypass_dev *dev, const char *why)
{
	lose(dev, why, false);
}

/**
 * bypass_silent() - the host does not answer
 * @dev: the slice; from here on commands fail at once
 * @why: for the administrator; logged once
 *
 * As bypass_lost(), but the device is not probed again: the administrator binds the driver
 * when the host is back.
 */
void bypass_silent(struct bypass_dev *dev, const char *why)
{
	lose(dev, why, true);
}

int bypass_revivals_start(void)
{
	revivals = alloc_workqueue("bypass_rdma", WQ_UNBOUND, 0);
	return revivals ? 0 : -ENOMEM;
}

void bypass_revivals_stop(void)
{
	destroy_workqueue(revivals);
}
