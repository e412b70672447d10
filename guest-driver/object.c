// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the host keeps for a process: objects are created, found by events through their
 * handles, changed, and destroyed; and what the process mapped of them goes back.
 */
#include <linux/slab.h>

#include "internal.h"

/* Should the host give a handle away twice, the newer object hears of events. */
static int publish(struct bypass_object *object)
{
	struct bypass_table *table = object->table;

	if (!table)
		return 0;
	if (object->handle >= table->limit)
		return -EPROTO;
	return xa_err(xa_store_irq(&table->objects, object->handle, object, GFP_KERNEL));
}

/**
 * bypass_create() - have the host make an object for the process that asks
 * @dev: the slice
 * @object: receives what the object is. All zeroes, but for its table, its pin, and where to keep
 *	the provider's answer: the caller sets these; on failure the pin is released
 * @kind: how to make and destroy it
 * @request: body of the command
 * @response: set to the answer's body on success
 * @udata: the process and its provider's blobs
 *
 * Return: 0 or as bypass_execute(); then there is no object.
 */
int bypass_create(struct bypass_dev *dev, struct bypass_object *object,
		  const struct bypass_kind *kind, const void *request, void *response,
		  struct ib_udata *udata)
{
	struct bypass_command command = {
		.number = kind->create,
		.undo = kind->destroy,
		.ucontext = bypass_caller(udata),
		.request = request,
		.request_size = kind->request_size,
		.response = response,
		.response_size = kind->response_size,
		.udata = udata,
		.answer = object->answer,
		.answer_size = object->answer_size,
		.mmaps = &object->mmaps,
	};
	__le32 handle;
	int err;

	mutex_init(&object->lock);
	object->kind = kind;
	object->owner = command.ucontext;
	if (object->pin)
		bypass_pin_describe(object->pin, &command);
	err = bypass_queue_pin(dev, &object->queue, &command);
	if (!err)
		err = bypass_execute(dev, &command);
	if (err) {
		bypass_queue_unpin(dev, &object->queue);
		if (object->pin)
			bypass_unpin(dev, object->pin);
		return err;
	}
	bypass_queue_described(&object->queue);
	if (object->pin)
		bypass_pin_described(object->pin);
	memcpy(&handle, response, sizeof(handle));
	object->handle = le32_to_cpu(handle);
	err = publish(object);
	if (err)
		bypass_destroy(dev, object);
	return err;
}

/**
 * bypass_destroy() - undo bypass_create()
 * @dev: the slice
 * @object: hears of no more events, its process may map no more of it, and its pin is
 *	released
 *
 * Return: 0, also when the device is gone: so is the object. Else as bypass_execute(); the
 * core may then free the object all the same, when its process ends.
 */
int bypass_destroy(struct bypass_dev *dev, struct bypass_object *object)
{
	int err;

	if (object->table)
		xa_cmpxchg_irq(&object->table->objects, object->handle, object, NULL, GFP_KERNEL);
	err = bypass_destroy_handle(dev, object->kind->destroy, object->owner, object->handle);
	if (err)
		return err;
	bypass_mmaps_remove(&object->mmaps);
	bypass_queue_unpin(dev, &object->queue);
	if (object->pin)
		bypass_unpin(dev, object->pin);
	return 0;
}

/**
 * bypass_change() - have the host change an object and perhaps what is mapped of it
 * @dev: the slice
 * @object: which
 * @command: what to execute; bypass_change() fills in @ucontext and @mmaps
 *
 * Return: as bypass_execute().
 */
int bypass_change(struct bypass_dev *dev, struct bypass_object *object,
		  struct bypass_command *command)
{
	struct bypass_mmaps mmaps = {};
	struct bypass_queue queue = {};
	int err;

	command->ucontext = object->owner;
	command->mmaps = &mmaps;
	/* The core lets two threads resize one queue at a time. */
	mutex_lock(&object->lock);
	err = bypass_queue_pin(dev, &queue, command);
	if (!err)
		err = bypass_execute(dev, command);
	if (err)
		bypass_queue_unpin(dev, &queue);
	else if (command->queue)
		bypass_queue_replace(dev, &object->queue, &queue);
	bypass_mmaps_replace(&object->mmaps, &mmaps);
	mutex_unlock(&object->lock);
	return err;
}

static void release(struct work_struct *work)
{
	struct bypass_mmap_entry *entry = container_of(work, struct bypass_mmap_entry, release);
	struct bypass_rdma_release_mmap request = {
		.shm_offset = cpu_to_le64(entry->shm_offset),
		.size = cpu_to_le64(entry->size),
	};
	struct bypass_command command = {
		.number = BYPASS_RDMA_RELEASE_MMAP,
		.ucontext = entry->ucontext,
		.request = &request,
		.request_size = sizeof(request),
	};

	/* A page that came with a context of its own goes with the context. */
	if (entry->context == BYPASS_RDMA_NONE)
		bypass_execute(entry->dev, &command);
	else
		bypass_destroy_handle(entry->dev, BYPASS_RDMA_DEALLOC_UCONTEXT, NULL,
				      entry->context);
	kfree(entry);
}

/* Neither object nor mapping is left. The caller may hold a lock of the address space. */
void bypass_mmap_free(struct rdma_user_mmap_entry *rdma_entry)
{
	struct bypass_mmap_entry *entry =
		container_of(rdma_entry, struct bypass_mmap_entry, rdma_entry);

	INIT_WORK(&entry->release, release);
	queue_work(entry->dev->releases, &entry->release);
}
