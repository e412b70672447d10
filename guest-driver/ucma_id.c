// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ids: what a process makes connections with. An id gets its slice with the first command that needs
 * one: then the host makes an id too. Of several slices the one that has the address takes it.
 */
#include <linux/slab.h>

#include "ucma.h"

DEFINE_MUTEX(ucma_lock);
LIST_HEAD(ucma_slices);
DECLARE_RWSEM(ucma_slices_lock);
DEFINE_XARRAY_ALLOC(ucma_group_numbers); /* by the process's number */
static DEFINE_XARRAY_ALLOC(ids);	 /* likewise */

/* Return: an id that no process can name yet, or NULL. */
struct ucma_id *ucma_id_make(u32 ps, u64 uid)
{
	struct ucma_id *id = kzalloc(sizeof(*id), GFP_KERNEL);

	if (!id)
		return NULL;
	kref_init(&id->refs);
	mutex_init(&id->lock);
	INIT_LIST_HEAD(&id->list);
	INIT_LIST_HEAD(&id->groups);
	id->ps = ps;
	id->uid = uid;
	return id;
}

/* Gives the id a number, with which the process names it. With ucma_lock held. */
int ucma_id_publish(struct ucma_id *id, struct ucma_file *file)
{
	int err = xa_alloc(&ids, &id->number, id, xa_limit_31b, GFP_KERNEL);

	if (err)
		return err;
	id->file = file;
	list_add_tail(&id->list, &file->ids);
	return 0;
}

/* The id's number means nothing any more. With ucma_lock held. */
static void withdraw(struct ucma_id *id)
{
	if (!id->file)
		return;
	xa_erase(&ids, id->number);
	list_del_init(&id->list);
}

static struct ucma_id *find(struct ucma_file *file, u32 number)
{
	struct ucma_id *id = xa_load(&ids, number);

	if (!id)
		return ERR_PTR(-ENOENT);
	return id->file == file ? id : ERR_PTR(-EINVAL);
}

/* Return: the id with a reference more, or an error. */
struct ucma_id *ucma_id_get(struct ucma_file *file, u32 number)
{
	struct ucma_id *id;

	mutex_lock(&ucma_lock);
	id = find(file, number);
	if (!IS_ERR(id))
		kref_get(&id->refs);
	mutex_unlock(&ucma_lock);
	return id;
}

/* Return: the id, which the process cannot name any more, for ucma_id_destroy(); or an error. */
struct ucma_id *ucma_id_take(struct ucma_file *file, u32 number)
{
	struct ucma_id *id;

	mutex_lock(&ucma_lock);
	id = find(file, number);
	if (!IS_ERR(id))
		withdraw(id);
	mutex_unlock(&ucma_lock);
	return id;
}

static void free_id(struct kref *refs)
{
	kfree(container_of(refs, struct ucma_id, refs));
}

void ucma_id_put(struct ucma_id *id)
{
	kref_put(&id->refs, free_id);
}

static void destroy_on_host(struct ucma_slice *slice, u32 handle)
{
	const struct bypass_rdma_handle request = {.handle = cpu_to_le32(handle)};

	bypass_cm_execute(slice->ibdev, BYPASS_RDMA_CM_DESTROY_ID, &request, sizeof(request), NULL,
			  0);
}

/**
 * ucma_id_attach() - tie an id to an id of the host
 * @id: of no slice
 * @slice: its slice, whose @fetching is held
 * @handle: the host's id
 *
 * Return: 0; on failure the host's id has no owner.
 */
int ucma_id_attach(struct ucma_id *id, struct ucma_slice *slice, u32 handle)
{
	int err = xa_err(xa_store(&slice->ids, handle, id, GFP_KERNEL));

	if (err)
		return err;
	id->slice = slice;
	id->handle = handle;
	return 0;
}

/* The host may give the handle away at once: then another id has the place. */
static void detach(struct ucma_id *id)
{
	struct ucma_slice *slice = id->slice;

	if (!slice)
		return;
	destroy_on_host(slice, id->handle);
	xa_cmpxchg(&slice->ids, id->handle, id, NULL, GFP_KERNEL);
	id->slice = NULL;
}

/**
 * ucma_id_execute() - send a command to the host of an id
 * @id: whose lock is held
 * @command: enum bypass_rdma_cm_command
 * @request: its body, which begins with the host's handle; this function fills the handle in
 * @size: of @request
 * @response: receives the answer
 * @response_size: of @response
 *
 * Return: as bypass_cm_execute(); -EINVAL without a slice, -ENODEV when the slice is gone.
 */
int ucma_id_execute(struct ucma_id *id, u32 command, void *request, size_t size, void *response,
		    size_t response_size)
{
	__le32 handle = cpu_to_le32(id->handle);

	if (!id->slice)
		return id->gone ? -ENODEV : -EINVAL;
	memcpy(request, &handle, sizeof(handle));
	return bypass_cm_execute(id->slice->ibdev, command, request, size, response, response_size);
}

static int set_options(struct ucma_id *id)
{
	int err = 0;

	for (u32 i = 0; i < UCMA_OPTIONS && !err; i++) {
		struct bypass_rdma_cm_option request = {
			.option = cpu_to_le32(i),
			.value = cpu_to_le32(id->options[i]),
		};

		if (id->options_set & BIT(i))
			err = ucma_id_execute(id, BYPASS_RDMA_CM_SET_OPTION, &request,
					      sizeof(request), NULL, 0);
	}
	return err;
}

static int create_on(struct ucma_id *id, struct ucma_slice *slice)
{
	const struct bypass_rdma_cm_create_id request = {.ps = cpu_to_le32(id->ps)};
	struct bypass_rdma_handle response;
	u32 handle;
	int err;

	err = bypass_cm_execute(slice->ibdev, BYPASS_RDMA_CM_CREATE_ID, &request, sizeof(request),
				&response, sizeof(response));
	if (err)
		return err;
	handle = le32_to_cpu(response.handle);
	mutex_lock(&slice->fetching);
	err = ucma_id_attach(id, slice, handle);
	mutex_unlock(&slice->fetching);
	if (err) {
		destroy_on_host(slice, handle);
		return err;
	}
	err = set_options(id);
	if (err)
		detach(id);
	return err;
}

/**
 * ucma_id_choose() - send a command that names an address
 * @id: whose lock is held. Without a slice it gets the first one that takes the command; after a
 *	failure it has none again
 * @command: as for ucma_id_execute()
 * @request: likewise
 * @size: likewise
 *
 * Return: as ucma_id_execute().
 */
int ucma_id_choose(struct ucma_id *id, u32 command, void *request, size_t size)
{
	struct ucma_slice *slice;
	int err = -ENODEV;

	if (id->slice || id->gone)
		return ucma_id_execute(id, command, request, size, NULL, 0);
	down_read(&ucma_slices_lock);
	list_for_each_entry(slice, &ucma_slices, list)
	{
		err = create_on(id, slice);
		if (!err) {
			err = ucma_id_execute(id, command, request, size, NULL, 0);
			if (!err)
				break;
			detach(id);
		}
		if (err != -EADDRNOTAVAIL)
			break;
	}
	up_read(&ucma_slices_lock);
	return err;
}

/* The host has forgotten the group, or is about to. With the id's lock and ucma_lock held. */
void ucma_group_forget(struct ucma_group *group)
{
	struct ucma_slice *slice = group->id->slice;
	struct ucma_event *event, *next;

	list_for_each_entry_safe(event, next, &group->id->file->events, list)
	{
		if (event->group != group)
			continue;
		list_del(&event->list);
		kfree(event);
	}
	if (slice)
		xa_cmpxchg(&slice->groups, group->handle, group, NULL, GFP_KERNEL);
	xa_erase(&ucma_group_numbers, group->number);
	list_del(&group->list);
	kfree(group);
}

/* Takes the events of an id away from its process. With ucma_lock held. */
static void take_events(struct ucma_id *id, struct list_head *taken)
{
	struct ucma_event *event, *next;

	if (!id->file)
		return;
	list_for_each_entry_safe(event, next, &id->file->events, list)
	{
		if (event->id == id)
			list_move_tail(&event->list, taken);
	}
}

/* A peer's request that its listener has not seen. No process knows it. */
static void drop_request(struct ucma_id *id)
{
	mutex_lock(&id->lock);
	detach(id);
	mutex_unlock(&id->lock);
	/* With the lock, as others look for ids under it. */
	mutex_lock(&ucma_lock);
	ucma_id_put(id);
	mutex_unlock(&ucma_lock);
}

/**
 * ucma_id_destroy() - the end of an id
 * @id: which no process can name any more; the reference goes
 *
 * Return: number of events that the process has got.
 */
u32 ucma_id_destroy(struct ucma_id *id)
{
	struct ucma_group *group, *next_group;
	struct ucma_event *event, *next;
	LIST_HEAD(taken);
	u32 reported;

	mutex_lock(&id->lock);
	mutex_lock(&ucma_lock);
	list_for_each_entry_safe(group, next_group, &id->groups, list)
	{
		ucma_group_forget(group);
	}
	mutex_unlock(&ucma_lock);
	detach(id);
	id->gone = true;
	mutex_unlock(&id->lock);

	mutex_lock(&ucma_lock);
	take_events(id, &taken);
	reported = id->reported;
	mutex_unlock(&ucma_lock);
	list_for_each_entry_safe(event, next, &taken, list)
	{
		if (event->request)
			drop_request(event->request);
		kfree(event);
	}
	ucma_id_put(id);
	return reported;
}
