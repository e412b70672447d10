// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A context slice under a virtio transport that a VMM has already: the calls in their
 * order, and when the guest causes each. Here the "guest" is 16 MiB of our own memory.
 */
#include <endian.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include <bypass/error.h>
#include <bypass/memory.h>
#include <bypass/rdma.h>
#include <bypass/virtio.h>
#include <bypass_rdma_abi.h>

#define QUEUE_BYTES 0x4000 /* room for the three parts of a ring of 256 entries */

/* What the device asks of its transport. In a VMM: set the bit in the status, raise the
 * configuration interrupt. The shared memory is mapped by the VMM once, as one KVM slot. */
static void config_changed(void *transport)
{
	fprintf(stderr, "%s: configuration interrupt\n", (const char *)transport);
}

static const struct bypass_virtio_carrier carrier = {
	.config_changed = config_changed,
	.needs_reset = config_changed,
};

/* The guest has set DRIVER_OK: @kick is the queue's ioeventfd, @call its irqfd. */
static int start_queue(struct bypass_virtio_device *dev, unsigned int i)
{
	struct bypass_virtio_queue queue = {
		.size = dev->queue_size[i] < 256 ? dev->queue_size[i] : 256,
		.desc = i * QUEUE_BYTES,
		.avail = i * QUEUE_BYTES + 0x1000,
		.used = i * QUEUE_BYTES + 0x2000,
		.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};

	return dev->ops->queue_start(dev, i, &queue);
}

static int carry(struct bypass_virtio_device *dev, struct bypass_memory *mem)
{
	struct bypass_rdma_config config;
	int ret;

	/* Once: the VMM plugs the device, and tells where the guest's RAM is. */
	ret = dev->ops->attach(dev, &carrier, dev->name);
	if (!ret)
		ret = dev->ops->set_memory(dev, mem);
	if (ret)
		return ret;
	/* As the guest's driver goes on: it reads, accepts, starts its queues … */
	dev->ops->config_read(dev, 0, &config, sizeof(config));
	ret = dev->ops->accept(dev, dev->features);
	for (unsigned int i = 0; i < dev->n_queues && !ret; i++)
		ret = start_queue(dev, i);
	if (!ret)
		printf("%s: virtio device %u, %u queues, %llu MiB shared at %p, driver %u, "
		       "%u QPs\n",
		       dev->name, dev->id, dev->n_queues, (unsigned long long)dev->shm.size >> 20,
		       dev->shm.hva, le32toh(config.driver_id), le32toh(config.max_qp));
	/* … and resets the device, or is gone. All that it made on the HCA goes with it. */
	for (unsigned int i = 0; i < dev->n_queues; i++)
		dev->ops->queue_stop(dev, i);
	dev->ops->reset(dev);
	dev->ops->set_memory(dev, NULL);
	dev->ops->attach(dev, NULL, NULL);
	return ret;
}

int main(int argc, char **argv)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_rdma_options options;
	struct bypass_virtio_device *dev = NULL;
	int ret = argc == 2 && mem ? bypass_memory_alloc(mem, 16 << 20, false) : -1;

	if (argc != 2)
		fprintf(stderr, "usage: own-transport HCA[,OPTION…]\n");
	else if (ret || bypass_rdma_parse(argv[1], &options) || bypass_rdma_open(&options, &dev) ||
		 carry(dev, mem))
		fprintf(stderr, "own-transport: %s\n", bypass_error()), ret = 1;
	if (dev)
		dev->ops->close(dev);
	bypass_memory_free(mem);
	return argc != 2 ? 2 : ret;
}
