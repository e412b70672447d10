// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the host keeps for a process: made, known to events by its handle, destroyed.
 */
#include "internal.h"

/* Should the host give a handle away twice, the newer object is the one that hears of it. */
static int publish(struct bypass_object *object, u32 limit)
{
	if (object->handle >= limit)
		return -EPROTO;
	return xa_err(xa_store_irq(object->table, object->handle, object, GFP_KERNEL));
}

/**
 * bypass_create() - have the host make an object for the process that asks
 * @dev: the slice
 * @object: receives what it is; all zeroes, but for the table in which events look for it
 * @limit: handles in that table are below this
 * @command: what to execute, with @udata and @undo; the answer begins with the handle.
 *	Its @ucontext and @mmaps are filled in
 *
 * Return: 0 or as bypass_execute(); then there is no object.
 */
int bypass_create(struct bypass_dev *dev, struct bypass_object *object, u32 limit,
		  struct bypass_command *command)
{
	__le32 handle;
	int err;

	mutex_init(&object->lock);
	command->ucontext = bypass_caller(command->udata);
	command->mmaps = &object->mmaps;
	err = bypass_execute(dev, command);
	if (err)
		return err;
	memcpy(&handle, command->response, sizeof(handle));
	object->owner = command->ucontext;
	object->handle = le32_to_cpu(handle);
	err = object->table ? publish(object, limit) : 0;
	if (err)
		bypass_destroy(dev, object, command->undo);
	return err;
}

/**
 * bypass_destroy() - undo bypass_create()
 * @dev: the slice
 * @object: nothing is told to it any more, and its process may map no more of it
 * @number: the command that destroys its kind
 *
 * Return: 0, also when the device is gone: so is the object. Else as bypass_execute(); the
 * core may then free it all the same, when its process ends.
 */
int bypass_destroy(struct bypass_dev *dev, struct bypass_object *object, u32 number)
{
	int err;

	if (object->table)
		xa_cmpxchg_irq(object->table, object->handle, object, NULL, GFP_KERNEL);
	err = bypass_destroy_handle(dev, number, object->owner, object->handle);
	if (err)
		return err;
	bypass_mmaps_remove(&object->mmaps);
	return 0;
}

/**
 * bypass_change() - have the host change an object and perhaps what is mapped of it
 * @dev: the slice
 * @object: which
 * @command: what to execute; its @ucontext and @mmaps are filled in
 *
 * Return: as bypass_execute().
 */
int bypass_change(struct bypass_dev *dev, struct bypass_object *object,
		  struct bypass_command *command)
{
	struct bypass_mmaps mmaps = {};
	int err;

	command->ucontext = object->owner;
	command->mmaps = &mmaps;
	/* The core lets two threads resize one queue at a time. */
	mutex_lock(&object->lock);
	err = bypass_execute(dev, command);
	bypass_mmaps_replace(&object->mmaps, &mmaps);
	mutex_unlock(&object->lock);
	return err;
}
