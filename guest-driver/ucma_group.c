// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Multicast groups that an id joins. The host joins for the id; queue pairs are attached to a group by verbs.
 */
#include <linux/slab.h>

#include "ucma.h"

/* With the id's lock held, and fetching: the host has joined the group. */
static int publish_group(struct ucma_id *id, struct ucma_group *group, u32 handle)
{
	int err;

	group->id = id;
	group->handle = handle;
	mutex_lock(&ucma_lock);
	err = xa_alloc(&ucma_group_numbers, &group->number, group, xa_limit_31b, GFP_KERNEL);
	if (!err) {
		err = xa_err(xa_store(&id->slice->groups, handle, group, GFP_KERNEL));
		if (err)
			xa_erase(&ucma_group_numbers, group->number);
		else
			list_add_tail(&group->list, &id->groups);
	}
	mutex_unlock(&ucma_lock);
	return err;
}

static void leave_on_host(struct ucma_id *id, u32 group)
{
	const struct bypass_rdma_handle request = {.handle = cpu_to_le32(group)};

	if (id->slice)
		bypass_cm_execute(id->slice->ibdev, BYPASS_RDMA_CM_LEAVE, &request, sizeof(request),
				  NULL, 0);
}

/*
 * With the id's lock held. The host's event can be there before its answer. No event is fetched until the
 * group is known: the event of an unknown group is dropped, and the process would wait for ever.
 */
static int join_on_host(struct ucma_id *id, struct bypass_rdma_cm_join *request,
			struct ucma_group *group)
{
	struct ucma_slice *slice = id->slice;
	struct bypass_rdma_handle joined;
	int err;

	if (!slice)
		return id->gone ? -ENODEV : -EINVAL;
	mutex_lock(&slice->fetching);
	err = ucma_id_execute(id, BYPASS_RDMA_CM_JOIN, request, sizeof(*request), &joined,
			      sizeof(joined));
	if (!err) {
		err = publish_group(id, group, le32_to_cpu(joined.handle));
		if (err)
			leave_on_host(id, le32_to_cpu(joined.handle));
	}
	mutex_unlock(&slice->fetching);
	return err;
}

/* The process may get the event before the answer: both have the same number. */
static int join(const struct ucma_caller *call, u32 number, u64 uid, u64 response, u32 flags,
		const void *addr, size_t size)
{
	struct bypass_rdma_cm_join request = {.flags = cpu_to_le32(flags)};
	struct ucma_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	struct rdma_ucm_create_id_resp resp;
	struct ucma_id *id;
	int err = ucma_pack_addr(&request.addr, addr, size);

	if (!group)
		return -ENOMEM;
	id = ucma_id_get(call->file, number);
	if (err || IS_ERR(id)) {
		kfree(group);
		if (!IS_ERR(id))
			ucma_id_put(id);
		return err ? err : PTR_ERR(id);
	}
	group->uid = uid;
	mutex_lock(&id->lock);
	err = join_on_host(id, &request, group);
	resp.id = group->number;
	if (err)
		kfree(group);
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	return err ? err : ucma_answer(call, response, &resp, sizeof(resp));
}

int ucma_join_ip(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_join_ip_mcast *cmd = in;

	return join(call, cmd->id, cmd->uid, cmd->response, RDMA_MC_JOIN_FLAG_FULLMEMBER,
		    &cmd->addr, sizeof(cmd->addr));
}

int ucma_join(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_join_mcast *cmd = in;

	if (cmd->addr_size > sizeof(cmd->addr))
		return -EINVAL;
	return join(call, cmd->id, cmd->uid, cmd->response, cmd->join_flags, &cmd->addr,
		    cmd->addr_size);
}

/* Finds the id of a group, with a reference more. */
static struct ucma_id *id_of_group(struct ucma_file *file, u32 number)
{
	struct ucma_group *group;
	struct ucma_id *id = ERR_PTR(-ENOENT);

	mutex_lock(&ucma_lock);
	group = xa_load(&ucma_group_numbers, number);
	if (group)
		id = group->id->file == file ? group->id : ERR_PTR(-EINVAL);
	if (!IS_ERR(id))
		kref_get(&id->refs);
	mutex_unlock(&ucma_lock);
	return id;
}

int ucma_leave(const struct ucma_caller *call, const void *in)
{
	const struct rdma_ucm_destroy_id *cmd = in;
	struct rdma_ucm_destroy_id_resp resp = {};
	struct ucma_id *id = id_of_group(call->file, cmd->id);
	struct ucma_group *group;
	u32 handle = BYPASS_RDMA_NONE;

	if (IS_ERR(id))
		return PTR_ERR(id);
	mutex_lock(&id->lock);
	mutex_lock(&ucma_lock);
	group = xa_load(&ucma_group_numbers, cmd->id);
	if (group && group->id == id && id->file == call->file) {
		handle = group->handle;
		resp.events_reported = group->reported;
		ucma_group_forget(group);
	}
	mutex_unlock(&ucma_lock);
	if (handle != BYPASS_RDMA_NONE)
		leave_on_host(id, handle);
	mutex_unlock(&id->lock);
	ucma_id_put(id);
	if (handle == BYPASS_RDMA_NONE)
		return -ENOENT;
	return ucma_answer(call, cmd->response, &resp, sizeof(resp));
}
