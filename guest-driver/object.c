// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the host keeps for a process: made, known to events by its handle, destroyed.
 */
#include "internal.h"

/*
 * The host may give a handle away again while its last owner is still on the way out of
 * the table: the newer one takes its place.
 */
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
 * Return: 0, also when the device is gone: so is the object. Else as bypass_execute(), and
 * the object is as it was.
 */
int bypass_destroy(struct bypass_dev *dev, struct bypass_object *object, u32 number)
{
	int err = bypass_destroy_handle(dev, number, object->owner, object->handle);

	if (err)
		return err;
	if (object->table)
		xa_cmpxchg_irq(object->table, object->handle, object, NULL, GFP_KERNEL);
	bypass_mmaps_remove(&object->mmaps);
	return 0;
}
