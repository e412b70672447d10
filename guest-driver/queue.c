// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queues in the memory of the process, for an HCA that reads and writes that memory itself. The
 * memory of a queue and the page of the doorbell record stay pinned for as long as the host has the
 * queue.
 */
#include "internal.h"

/**
 * bypass_queue_known() - does the module know where the host's driver has queues?
 * @dev: the slice, whose features are negotiated
 */
bool bypass_queue_known(const struct bypass_dev *dev)
{
	return !virtio_has_feature(dev->vdev, BYPASS_RDMA_F_QUEUE_MEMORY) ||
	       le32_to_cpu(dev->config.driver_id) == RDMA_DRIVER_MLX5;
}

static int pin_record(struct bypass_dev *dev, const struct bypass_user_queue *user,
		      struct bypass_queue *queue)
{
	const size_t size = 2 * sizeof(u32);
	struct bypass_pin *pin;

	if (!user->has_record)
		return 0;
	if (!IS_ALIGNED(user->record, size))
		return -EINVAL;
	pin = bypass_pin(dev, user->record, size, user->record, IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR(pin))
		return PTR_ERR(pin);
	queue->record = pin;
	queue->memory.record = pin->last->gpa;
	bypass_pin_described(pin); /* one page has no list */
	return 0;
}

/* The page is the process's own, and stays for as long as the host has the queue. */
static int find_page(const struct bypass_user_queue *user, struct bypass_queue *queue,
		     struct bypass_command *command)
{
	struct bypass_mmap_entry *entry;

	if (!user->page)
		return 0;
	queue->page = rdma_user_mmap_entry_get_pgoff(&command->ucontext->ibuc, user->page);
	if (!queue->page)
		return -EINVAL;
	entry = container_of(queue->page, struct bypass_mmap_entry, rdma_entry);
	if (entry->context == BYPASS_RDMA_NONE)
		return -EINVAL;
	command->page = entry;
	return 0;
}

static int pin_buffer(struct bypass_dev *dev, const struct bypass_user_queue *user,
		      struct bypass_queue *queue, struct bypass_command *command)
{
	struct bypass_pin *pin;

	queue->memory.size = cpu_to_le64(user->size);
	if (!user->size)
		return 0;
	pin = bypass_pin(dev, user->buffer, user->size, user->buffer, IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR(pin))
		return PTR_ERR(pin);
	queue->buffer = pin;
	queue->memory.run_pages = cpu_to_le32(pin->count);
	queue->memory.last_runs = cpu_to_le32(pin->runs);
	bypass_pin_describe(pin, command);
	return 0;
}

/**
 * bypass_queue_pin() - pin the memory of the queue that a command creates or resizes
 * @dev: the slice
 * @queue: all zeroes; receives the pins
 * @command: the command, to which the description of the memory is added
 *
 * Return: 0, also where the host's driver has the queues itself; or a negative errno. Then
 * nothing is pinned.
 */
int bypass_queue_pin(struct bypass_dev *dev, struct bypass_queue *queue,
		     struct bypass_command *command)
{
	struct bypass_user_queue user = {};
	int err;

	if (!virtio_has_feature(dev->vdev, BYPASS_RDMA_F_QUEUE_MEMORY))
		return 0;
	err = bypass_mlx5_find(command, &user);
	if (err <= 0)
		return err;
	err = find_page(&user, queue, command);
	if (!err)
		err = pin_record(dev, &user, queue);
	if (!err)
		err = pin_buffer(dev, &user, queue, command);
	if (err)
		bypass_queue_unpin(dev, queue);
	else
		command->queue = &queue->memory;
	return err;
}

/* The host has read the list of runs. */
void bypass_queue_described(struct bypass_queue *queue)
{
	if (queue->buffer)
		bypass_pin_described(queue->buffer);
}

/* The host has given up the queue, or never had it. */
void bypass_queue_unpin(struct bypass_dev *dev, struct bypass_queue *queue)
{
	if (queue->buffer)
		bypass_unpin(dev, queue->buffer);
	if (queue->record)
		bypass_unpin(dev, queue->record);
	if (queue->page)
		rdma_user_mmap_entry_put(queue->page);
	queue->buffer = queue->record = NULL;
	queue->page = NULL;
}

/**
 * bypass_queue_replace() - a resize has replaced the queue; the doorbell record stays
 * @dev: the slice
 * @queue: of the object
 * @newer: of the resize
 */
void bypass_queue_replace(struct bypass_dev *dev, struct bypass_queue *queue,
			  struct bypass_queue *newer)
{
	bypass_queue_described(newer);
	swap(queue->buffer, newer->buffer);
	bypass_queue_unpin(dev, newer);
}
