// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Multicast groups of queue pairs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

static struct rdma_mcast **find_mcast(struct rdma_object *qp, const uint8_t *gid)
{
	struct rdma_mcast **link = &qp->mcasts;

	while (*link && memcmp((*link)->gid, gid, sizeof((*link)->gid)))
		link = &(*link)->next;
	return link;
}

/* Of InfiniBand or IPv6, or an IPv4 address of RoCE as IPv6 has it. */
static bool is_multicast(const uint8_t *gid)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return gid[0] == 0xff || (!memcmp(gid, mapped, sizeof(mapped)) && gid[12] >> 4 == 14);
}

/*
 * A group has one LID. The kernel takes the same GID with another for one more attachment, of
 * which a driver that has no LIDs knows nothing: the queue pair could not be destroyed any more.
 */
int rdma_attach_mcast(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_mcast *body = c->body;
	struct rdma_object *qp = rdma_table_get(&s->tables[RDMA_QP], le32toh(body->qp));
	struct ib_uverbs_attach_mcast in = {.mlid = le32toh(body->lid)};
	struct rdma_mcast *mcast;
	int err;

	if (!qp)
		return -EBADF;
	if (qp->qp_type != IB_UVERBS_QPT_UD || !is_multicast(body->gid))
		return bypass_fail(EINVAL, "only a UD queue pair can be attached, to a multicast "
					   "GID alone");
	if (le32toh(body->lid) > UINT16_MAX)
		return bypass_fail(EINVAL, "LID %#x is none: a LID has 16 bits",
				   le32toh(body->lid));
	mcast = *find_mcast(qp, body->gid);
	if (mcast && mcast->lid != in.mlid)
		return bypass_fail(EINVAL, "the queue pair is attached to that group by LID %#x",
				   mcast->lid);
	if (mcast)
		return 0;
	if (s->mcasts == s->options.quota.mcasts)
		return bypass_fail(EDQUOT,
				   "the guest holds all %u multicast attachments of its quota",
				   s->mcasts);
	mcast = malloc(sizeof(*mcast));
	if (!mcast)
		return bypass_fail(ENOMEM, "no memory for a multicast attachment");
	in.qp_handle = qp->host;
	memcpy(in.gid, body->gid, sizeof(in.gid));
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_ATTACH_MCAST, &in, sizeof(in), NULL, 0, NULL);
	if (err) {
		free(mcast);
		return bypass_fail(-err, "%s cannot attach a queue pair to a multicast group: %s",
				   s->hca.name, strerror(-err));
	}
	mcast->lid = in.mlid;
	memcpy(mcast->gid, in.gid, sizeof(mcast->gid));
	mcast->next = qp->mcasts;
	qp->mcasts = mcast;
	s->mcasts++;
	return 0;
}

static int detach(struct rdma_slice *s, struct rdma_object *qp, const uint8_t *gid, uint16_t lid)
{
	struct ib_uverbs_detach_mcast in = {.qp_handle = qp->host, .mlid = lid};
	struct rdma_mcast **link = find_mcast(qp, gid), *mcast = *link;
	int err;

	if (!mcast || mcast->lid != lid)
		return bypass_fail(EINVAL, "the queue pair is not attached to that group");
	memcpy(in.gid, gid, sizeof(in.gid));
	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_DETACH_MCAST, &in, sizeof(in), NULL, 0, NULL);
	if (err)
		return bypass_fail(-err, "%s cannot detach a queue pair from a multicast group: %s",
				   s->hca.name, strerror(-err));
	*link = mcast->next;
	free(mcast);
	s->mcasts--;
	return 0;
}

int rdma_detach_mcast(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_mcast *body = c->body;
	struct rdma_object *qp = rdma_table_get(&s->tables[RDMA_QP], le32toh(body->qp));

	if (!qp)
		return -EBADF;
	if (le32toh(body->lid) > UINT16_MAX)
		return bypass_fail(EINVAL, "LID %#x is none: a LID has 16 bits",
				   le32toh(body->lid));
	return detach(s, qp, body->gid, le32toh(body->lid));
}

void rdma_mcasts_detach(struct rdma_slice *s, struct rdma_object *qp)
{
	struct rdma_mcast *next;

	for (struct rdma_mcast *m = qp->mcasts; m; m = next) {
		next = m->next;
		detach(s, qp, m->gid, m->lid);
	}
}

void rdma_mcasts_forget(struct rdma_slice *s, struct rdma_object *qp)
{
	struct rdma_mcast *next;

	for (struct rdma_mcast *m = qp->mcasts; m; m = next) {
		next = m->next;
		free(m);
		s->mcasts--;
	}
	qp->mcasts = NULL;
}
