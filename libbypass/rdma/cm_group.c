// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: multicast groups that an id joins. Queue pairs are attached to a group by verbs.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rdma/rdma_user_cm.h>

#include <bypass/error.h>

#include "internal.h"

/* Send-only membership has no command for the older form of addresses. */
static int join(struct rdma_slice *s, uint32_t host, uint32_t group, uint32_t flags,
		const struct sockaddr_in6 *addr, uint32_t *host_group)
{
	struct rdma_ucm_create_id_resp out;
	struct rdma_ucm_join_mcast in = {
		.response = (uintptr_t)&out,
		.uid = group + 1,
		.id = host,
		.addr_size = addr->sin6_family == AF_INET ? sizeof(struct sockaddr_in)
							  : sizeof(*addr),
		.join_flags = flags,
	};
	int err;

	memcpy(&in.addr, addr, in.addr_size);
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_JOIN_MCAST, &in, sizeof(in), sizeof(out),
			   "join a multicast group");
	*host_group = out.id;
	return err;
}

int rdma_cm_join(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_cm_join *body = c->body;
	struct bypass_rdma_handle *reply = (void *)c->reply;
	const struct rdma_object *id;
	struct sockaddr_in6 addr;
	uint32_t group, host;
	int err;

	id = rdma_cm_find(s, le32toh(body->id), &err);
	if (!err && id->qp_type != RDMA_PS_UDP)
		err = bypass_fail(EINVAL, "only ids of RDMA_PS_UDP join multicast groups");
	if (!err && !id->port)
		err = bypass_fail(EINVAL, "the id is not bound to an address");
	if (!err && le32toh(body->flags) > RDMA_MC_JOIN_FLAG_SENDONLY_FULLMEMBER)
		err = bypass_fail(EINVAL, "flags %#x of a multicast group", le32toh(body->flags));
	if (!err)
		err = rdma_cm_group_address(&body->addr, &addr);
	if (!err)
		err = rdma_table_take(&s->cm_groups, c->ucontext, &group);
	if (err)
		return err;
	err = join(s, id->host, group, le32toh(body->flags), &addr, &host);
	if (err) {
		rdma_table_put(&s->cm_groups, group);
		return err;
	}
	rdma_count(&s->stats.objects, 1);
	s->cm_groups.objects[group].host = host;
	s->cm_groups.objects[group].entries = le32toh(body->id);
	reply->handle = htole32(group);
	return 0;
}

int rdma_cm_leave(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	struct rdma_ucm_destroy_id_resp out;
	struct rdma_ucm_destroy_id in = {.response = (uintptr_t)&out};
	const struct rdma_object *group = rdma_table_get(&s->cm_groups, le32toh(body->handle));
	int err;

	if (!group)
		return -EBADF;
	in.id = group->host;
	err = rdma_cm_call(s, RDMA_USER_CM_CMD_LEAVE_MCAST, &in, sizeof(in), sizeof(out),
			   "leave a multicast group");
	if (err)
		return err;
	rdma_table_put(&s->cm_groups, le32toh(body->handle));
	rdma_count(&s->stats.objects, -1);
	return 0;
}
