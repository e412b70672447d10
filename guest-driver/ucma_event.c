// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events, from the host to the process whose id they are about. An event of an id that the process has
 * not accepted yet is dropped, as rdma_cm drops it: the process does not know the id.
 */
#include <linux/slab.h>

#include "ucma.h"

static void unpack_conn(struct rdma_ucm_conn_param *to, const struct bypass_rdma_cm_conn *from)
{
	to->qp_num = le32_to_cpu(from->qpn);
	to->qkey = le32_to_cpu(from->qkey);
	to->srq = from->srq;
	to->responder_resources = from->responder_resources;
	to->initiator_depth = from->initiator_depth;
	to->flow_control = from->flow_control;
	to->retry_count = from->retry_count;
	to->rnr_retry_count = from->rnr_retry_count;
	to->private_data_len = from->private_data_len;
	memcpy(to->private_data, from->private_data, sizeof(to->private_data));
}

/* Return: the address vector as verbs' ABI has it. */
void ucma_unpack_ah(struct ib_uverbs_ah_attr *to, const struct bypass_rdma_ah_attr *from)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->grh.dgid, from->dgid, sizeof(to->grh.dgid));
	to->grh.flow_label = le32_to_cpu(from->flow_label);
	to->grh.sgid_index = from->sgid_index;
	to->grh.hop_limit = from->hop_limit;
	to->grh.traffic_class = from->traffic_class;
	to->dlid = le16_to_cpu(from->dlid);
	to->sl = from->sl;
	to->src_path_bits = from->src_path_bits;
	to->static_rate = from->static_rate;
	to->is_global = from->is_global;
	to->port_num = from->port;
}

static void unpack_ud(struct rdma_ucm_ud_param *to, const struct bypass_rdma_cm_event *from)
{
	to->qp_num = le32_to_cpu(from->conn.qpn);
	to->qkey = le32_to_cpu(from->conn.qkey);
	ucma_unpack_ah(&to->ah_attr, &from->ah);
	to->private_data_len = from->conn.private_data_len;
	memcpy(to->private_data, from->conn.private_data, sizeof(to->private_data));
}

static void unpack(struct rdma_ucm_event_resp *to, const struct bypass_rdma_cm_event *from, u32 ps)
{
	to->event = le32_to_cpu(from->type);
	to->status = le32_to_cpu(from->status);
	to->ece.vendor_id = le32_to_cpu(from->conn.ece_vendor);
	to->ece.attr_mod = le32_to_cpu(from->conn.ece_attr_mod);
	if (ps == RDMA_PS_UDP)
		unpack_ud(&to->param.ud, from);
	else
		unpack_conn(&to->param.conn, &from->conn);
}

/* Whose event it is, and what the process knows the id by. With ucma_lock held. */
static bool address(struct ucma_slice *slice, const struct bypass_rdma_cm_event *from,
		    struct ucma_event *event)
{
	u32 type = le32_to_cpu(from->type);

	event->id = xa_load(&slice->ids, le32_to_cpu(from->id));
	if (!event->id || !event->id->file)
		return false;
	event->resp.uid = event->id->uid;
	event->resp.id = event->id->number;
	if (type == BYPASS_RDMA_CM_MULTICAST_JOIN || type == BYPASS_RDMA_CM_MULTICAST_ERROR) {
		event->group = xa_load(&slice->groups, le32_to_cpu(from->other));
		if (!event->group || event->group->id != event->id)
			return false;
		event->resp.uid = event->group->uid;
		event->resp.id = event->group->number;
	}
	return event->resp.uid || event->request;
}

static bool queue(struct ucma_slice *slice, const struct bypass_rdma_cm_event *from,
		  struct ucma_event *event)
{
	bool wanted;

	mutex_lock(&ucma_lock);
	wanted = address(slice, from, event);
	if (wanted && event->request) {
		event->request->ps = event->id->ps;
		wanted = !ucma_id_attach(event->request, slice, le32_to_cpu(from->other));
	}
	if (wanted) {
		unpack(&event->resp, from, event->id->ps);
		list_add_tail(&event->list, &event->id->file->events);
		wake_up_interruptible(&event->id->file->wait);
	}
	mutex_unlock(&ucma_lock);
	return wanted;
}

/* Hands an event on. False: nobody wants the event. */
static bool dispatch(struct ucma_slice *slice, const struct bypass_rdma_cm_event *from)
{
	struct ucma_event *event = kzalloc(sizeof(*event), GFP_KERNEL);

	if (!event)
		return false;
	if (le32_to_cpu(from->type) == BYPASS_RDMA_CM_CONNECT_REQUEST) {
		event->request = ucma_id_make(0, 0);
		if (!event->request)
			goto free;
	}
	if (queue(slice, from, event))
		return true;
	if (event->request)
		ucma_id_put(event->request);
free:
	kfree(event);
	return false;
}

/* Of a request that nobody wants the host knows an id: the peer hears of a rejection. */
static void refuse(struct ucma_slice *slice, const struct bypass_rdma_cm_event *from)
{
	const struct bypass_rdma_handle request = {.handle = from->other};

	if (le32_to_cpu(from->type) == BYPASS_RDMA_CM_CONNECT_REQUEST)
		bypass_cm_execute(slice->ibdev, BYPASS_RDMA_CM_DESTROY_ID, &request,
				  sizeof(request), NULL, 0);
}

/* Fetches all events that wait with the host. */
void ucma_fetch(struct work_struct *work)
{
	struct ucma_slice *slice = container_of(work, struct ucma_slice, fetch);
	struct bypass_rdma_cm_event *event = kmalloc(sizeof(*event), GFP_KERNEL);
	int err = event ? 0 : -ENOMEM;

	while (!err) {
		mutex_lock(&slice->fetching);
		err = bypass_cm_execute(slice->ibdev, BYPASS_RDMA_CM_GET_EVENT, NULL, 0, event,
					sizeof(*event));
		if (!err && !dispatch(slice, event))
			refuse(slice, event);
		mutex_unlock(&slice->fetching);
	}
	kfree(event);
}

static void tell_removal(struct ucma_id *id)
{
	struct ucma_event *event = kzalloc(sizeof(*event), GFP_KERNEL);

	if (!event)
		return;
	mutex_lock(&ucma_lock);
	event->id = id;
	event->resp.event = BYPASS_RDMA_CM_DEVICE_REMOVAL;
	event->resp.uid = id->uid;
	event->resp.id = id->number;
	if (id->file && id->uid) {
		list_add_tail(&event->list, &id->file->events);
		wake_up_interruptible(&id->file->wait);
		event = NULL;
	}
	mutex_unlock(&ucma_lock);
	kfree(event);
}

static struct ucma_id *first_id(struct ucma_slice *slice)
{
	unsigned long handle = 0;
	struct ucma_id *id;

	mutex_lock(&ucma_lock);
	id = xa_find(&slice->ids, &handle, ULONG_MAX, XA_PRESENT);
	if (id)
		kref_get(&id->refs);
	mutex_unlock(&ucma_lock);
	return id;
}

/* The slice goes: its ids stay with their processes, which hear that the device was removed. */
void ucma_slice_lost(struct ucma_slice *slice)
{
	struct ucma_id *id;

	while ((id = first_id(slice))) {
		mutex_lock(&id->lock);
		xa_cmpxchg(&slice->ids, id->handle, id, NULL, GFP_KERNEL);
		if (id->slice == slice) {
			id->slice = NULL;
			id->gone = true;
			tell_removal(id);
		}
		mutex_unlock(&id->lock);
		ucma_id_put(id);
	}
}
