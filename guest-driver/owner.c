// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The word that says whether somebody serves the device: its owner is a thread of the host, and the
 * host's kernel marks the word when the thread's process is killed. To look at the word costs neither
 * an exit nor a wake-up of the host.
 */
#include <linux/gfp.h>

#include "internal.h"

/* Tells the host where the word is. The host writes there, so that the page has nothing else. */
int bypass_owner_setup(struct bypass_dev *dev)
{
	struct bypass_rdma_set_owner request;
	struct bypass_command command = {
		.number = BYPASS_RDMA_SET_OWNER,
		.request = &request,
		.request_size = sizeof(request),
	};

	if (!virtio_has_feature(dev->vdev, BYPASS_RDMA_F_OWNER))
		return 0;
	dev->owner = (__le32 *)get_zeroed_page(GFP_KERNEL);
	if (!dev->owner)
		return -ENOMEM;
	request.gpa = cpu_to_le64(virt_to_phys(dev->owner));
	return bypass_execute(dev, &command);
}

/* Only once the device has been reset. */
void bypass_owner_free(struct bypass_dev *dev)
{
	free_page((unsigned long)dev->owner);
}
