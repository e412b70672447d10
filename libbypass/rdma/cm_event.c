// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: events on their way to the guest. rdma_cm keeps them until the guest fetches them: what
 * may wait is limited by the ids, by the backlog of each listener, and by rdma_cm_ask().
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_cm.h>

#include <bypass/error.h>

#include "cm/ucma.h"
#include "internal.h"

static void from_conn(const struct rdma_ucm_conn_param *from, struct bypass_rdma_cm_conn *to)
{
	to->qpn = htole32(from->qp_num);
	to->qkey = htole32(from->qkey);
	to->srq = from->srq;
	to->responder_resources = from->responder_resources;
	to->initiator_depth = from->initiator_depth;
	to->flow_control = from->flow_control;
	to->retry_count = from->retry_count;
	to->rnr_retry_count = from->rnr_retry_count;
	to->private_data_len = from->private_data_len;
	memcpy(to->private_data, from->private_data, sizeof(to->private_data));
}

static void from_ud(struct rdma_slice *s, const struct rdma_ucm_ud_param *from,
		    struct bypass_rdma_cm_event *to)
{
	to->conn.qpn = htole32(from->qp_num);
	to->conn.qkey = htole32(from->qkey);
	to->conn.private_data_len = from->private_data_len;
	memcpy(to->conn.private_data, from->private_data, sizeof(to->conn.private_data));
	rdma_cm_from_av(s, &from->ah_attr, &to->ah);
}

/* A new id for a request. False: the guest has no room for one, and the peer is told so. */
static bool take_request(struct rdma_slice *s, const struct rdma_object *listener, uint32_t host,
			 struct bypass_rdma_cm_event *event)
{
	uint32_t handle;

	if (rdma_cm_take(s, listener->ucontext, listener->qp_type, &handle)) {
		rdma_remark(s, "%s: a peer's request is turned away (ids=)", bypass_error());
		return false;
	}
	s->cm_ids.objects[handle].host = host;
	s->cm_ids.objects[handle].port = listener->port;
	event->other = htole32(handle);
	return true;
}

/* Whose event it is: the id, and of a group's event the group. NULL: nobody's. */
static struct rdma_object *find_owner(struct rdma_slice *s, const struct rdma_ucm_event_resp *from,
				      struct bypass_rdma_cm_event *event)
{
	uint32_t handle = from->uid - 1;

	if (from->event == BYPASS_RDMA_CM_MULTICAST_JOIN ||
	    from->event == BYPASS_RDMA_CM_MULTICAST_ERROR) {
		if (!rdma_table_get(&s->cm_groups, handle))
			return NULL;
		event->other = htole32(handle);
		handle = s->cm_groups.objects[handle].entries;
	}
	event->id = htole32(handle);
	return rdma_table_get(&s->cm_ids, handle);
}

/* Bring an event into the guest's form. False: the event is not the guest's to see. */
static bool take_event(struct rdma_slice *s, const struct rdma_ucm_event_resp *from,
		       struct bypass_rdma_cm_event *event)
{
	bool request = from->event == BYPASS_RDMA_CM_CONNECT_REQUEST;
	struct rdma_object *id;

	*event = (struct bypass_rdma_cm_event){
		.type = htole32(from->event),
		.status = htole32(from->status),
		.other = htole32(BYPASS_RDMA_NONE),
		.conn.ece_vendor = htole32(from->ece.vendor_id),
		.conn.ece_attr_mod = htole32(from->ece.attr_mod),
	};
	id = find_owner(s, from, event);
	if (request && !(id && take_request(s, id, from->id, event))) {
		rdma_cm_destroy_host(s, from->id);
		return false;
	}
	if (!id)
		return false;
	if (from->event <= BYPASS_RDMA_CM_ROUTE_ERROR && id->entries)
		id->entries--;
	if (id->qp_type == RDMA_PS_UDP)
		from_ud(s, &from->param.ud, event);
	else
		from_conn(&from->param.conn, &event->conn);
	return true;
}

int rdma_cm_get_event(struct rdma_slice *s, struct rdma_command *c)
{
	struct rdma_ucm_event_resp out = {0};
	struct rdma_ucm_get_event in = {.response = (uintptr_t)&out};
	int err;

	do {
		err = ucma_call(s->hca.cm_fd, RDMA_USER_CM_CMD_GET_EVENT, &in, sizeof(in),
				sizeof(out));
		if (err == -EAGAIN)
			return bypass_fail(ENOENT, "no event waits");
		if (err)
			return bypass_fail(-err, "%s gives no event: %s", s->hca.name,
					   strerror(-err));
	} while (!take_event(s, &out, (void *)c->reply));
	return 0;
}
