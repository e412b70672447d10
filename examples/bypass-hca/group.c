// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Multicast groups: which QPs of a function get what is sent to a multicast GID. */
#include "hca.h"
#include "layout.h"

static struct member *find(struct hca *hca, const uint8_t *gid, uint32_t qpn)
{
	for (unsigned int i = 0; i < hca->n_members; i++)
		if (hca->members[i].qpn == qpn && !memcmp(hca->members[i].gid, gid, HCA_GROUP_GID))
			return &hca->members[i];
	return NULL;
}

bool group_has(const struct hca *hca, const uint8_t *gid, uint32_t qpn)
{
	return find((struct hca *)hca, gid, qpn);
}

enum status group_attach(struct hca *hca, const struct command *cmd)
{
	uint32_t qpn = field_get(cmd->in, CMD_NUMBER);
	const uint8_t *gid = cmd->in + CMD_CONTEXT;
	struct member *member;

	if (!table_get(&hca->qps, qpn))
		return STATUS_BAD_RESOURCE;
	if (find(hca, gid, qpn))
		return STATUS_OK;
	if (hca->n_members == HCA_GROUP_MEMBERS)
		return STATUS_LIMIT;
	member = &hca->members[hca->n_members++];
	memcpy(member->gid, gid, sizeof(member->gid));
	member->qpn = qpn;
	return STATUS_OK;
}

enum status group_detach(struct hca *hca, const struct command *cmd)
{
	struct member *member = find(hca, cmd->in + CMD_CONTEXT, field_get(cmd->in, CMD_NUMBER));

	if (!member)
		return STATUS_BAD_RESOURCE;
	*member = hca->members[--hca->n_members];
	return STATUS_OK;
}

void group_leave_all(struct hca *hca, uint32_t qpn)
{
	for (unsigned int i = hca->n_members; i-- > 0;)
		if (hca->members[i].qpn == qpn)
			hca->members[i] = hca->members[--hca->n_members];
}
