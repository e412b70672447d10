// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the module of connections (bypass_rdma_cm) needs of a slice: commands, and to hear that events
 * wait with the host.
 */
#include <linux/module.h>

#include "cm.h"
#include "internal.h"

/**
 * bypass_cm_offered() - does the host make connections for this device?
 * @ibdev: any verbs device
 *
 * Return: true for a slice whose host has connection management.
 */
bool bypass_cm_offered(struct ib_device *ibdev)
{
	return ibdev->ops.alloc_pd == bypass_alloc_pd &&
	       virtio_has_feature(to_dev(ibdev)->vdev, BYPASS_RDMA_F_CM);
}
EXPORT_SYMBOL_GPL(bypass_cm_offered);

/**
 * bypass_cm_execute() - send a command about connections to the host
 * @ibdev: for which bypass_cm_offered() was true
 * @number: enum bypass_rdma_cm_command
 * @request: body, @request_size bytes
 * @request_size: see @request
 * @response: set to the answer on success, @response_size bytes
 * @response_size: see @response
 *
 * Return: as bypass_execute().
 */
int bypass_cm_execute(struct ib_device *ibdev, u32 number, const void *request, size_t request_size,
		      void *response, size_t response_size)
{
	const struct bypass_command command = {
		.number = number,
		.request = request,
		.request_size = request_size,
		.response = response,
		.response_size = response_size,
	};

	return bypass_execute(to_dev(ibdev), &command);
}
EXPORT_SYMBOL_GPL(bypass_cm_execute);

/**
 * bypass_cm_watch() - say who hears that events wait with the host
 * @ibdev: as for bypass_cm_execute()
 * @notify: called where sleeping is allowed; NULL: nobody any more. When bypass_cm_watch() returns,
 *	the function before it has returned too
 * @context: for @notify
 */
void bypass_cm_watch(struct ib_device *ibdev, void (*notify)(void *context), void *context)
{
	struct bypass_dev *dev = to_dev(ibdev);

	mutex_lock(&dev->cm_lock);
	dev->cm_notify = notify;
	dev->cm_context = context;
	mutex_unlock(&dev->cm_lock);
}
EXPORT_SYMBOL_GPL(bypass_cm_watch);

/* Events wait with the host. */
void bypass_cm_event(struct bypass_dev *dev)
{
	mutex_lock(&dev->cm_lock);
	if (dev->cm_notify)
		dev->cm_notify(dev->cm_context);
	mutex_unlock(&dev->cm_lock);
}
