// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An RDMA context slice in the shape that most VMMs want it in.
 */
#include <bypass/rdma.h>
#include <bypass/virtio-pci.h>

int bypass_rdma_slice_open(const char *text, struct bypass_slice **slice)
{
	struct bypass_rdma_options options;
	struct bypass_virtio_device *dev;
	int err = bypass_rdma_parse(text, &options);

	if (!err)
		err = bypass_rdma_open(&options, &dev);
	if (err)
		return err;
	err = bypass_virtio_pci_new(dev, slice);
	if (err)
		bypass_virtio_close(dev);
	return err;
}
