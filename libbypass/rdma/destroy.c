// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The end of objects: one by one as the guest asks, or all that a process, a module or a
 * guest has left behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "internal.h"

/* How each kind ends. Those with events say how many they had, which only libibverbs needs. */
static const struct {
	uint32_t command; /* of the guest */
	uint32_t uverbs;
	bool counts_events;
} ends[RDMA_KINDS] = {
	[RDMA_PD] = {BYPASS_RDMA_DEALLOC_PD, IB_USER_VERBS_CMD_DEALLOC_PD, false},
	[RDMA_MR] = {BYPASS_RDMA_DEREG_MR, IB_USER_VERBS_CMD_DEREG_MR, false},
	[RDMA_MW] = {BYPASS_RDMA_DEALLOC_MW, IB_USER_VERBS_CMD_DEALLOC_MW, false},
	[RDMA_CQ] = {BYPASS_RDMA_DESTROY_CQ, IB_USER_VERBS_CMD_DESTROY_CQ, true},
	[RDMA_SRQ] = {BYPASS_RDMA_DESTROY_SRQ, IB_USER_VERBS_CMD_DESTROY_SRQ, true},
	[RDMA_QP] = {BYPASS_RDMA_DESTROY_QP, IB_USER_VERBS_CMD_DESTROY_QP, true},
	[RDMA_AH] = {BYPASS_RDMA_DESTROY_AH, IB_USER_VERBS_CMD_DESTROY_AH, false},
};

/* None is destroyed before what uses it; a memory window that is bound uses its queue pair. */
static const enum rdma_kind order[] = {RDMA_AH, RDMA_MW, RDMA_QP, RDMA_SRQ,
				       RDMA_CQ, RDMA_MR, RDMA_PD};

static int destroy_on_host(struct rdma_slice *s, enum rdma_kind kind, uint32_t host)
{
	struct ib_uverbs_destroy_qp with_events = {.qp_handle = host};
	uint32_t events[2];
	int err;

	_Static_assert(sizeof(struct ib_uverbs_destroy_cq) == sizeof(with_events) &&
			       sizeof(struct ib_uverbs_destroy_srq) == sizeof(with_events),
		       "the destroy commands of CQ, SRQ and QP are alike");
	if (!ends[kind].counts_events)
		return rdma_uverbs(&s->hca, ends[kind].uverbs, &host, sizeof(host), NULL, 0, NULL);
	/* Else the doorbell thread may be using it, for which uverbs would say EBUSY. */
	pthread_mutex_lock(&s->host_lock);
	err = rdma_uverbs(&s->hca, ends[kind].uverbs, &with_events, sizeof(with_events), events,
			  sizeof(events), NULL);
	pthread_mutex_unlock(&s->host_lock);
	return err;
}

/* The tables' side: the object is gone on the host. */
static void forget(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	struct rdma_object *object = &s->tables[kind].objects[handle];
	struct rdma_mcast *next;

	for (struct rdma_mcast *m = object->mcasts; m; m = next) {
		next = m->next;
		free(m);
		s->mcasts--;
	}
	if (kind == RDMA_QP)
		atomic_store(&s->qp_hosts[handle], 0);
	if (kind == RDMA_CQ)
		atomic_store(&s->cq_hosts[handle], 0);
	s->pinned -= object->pinned;
	rdma_count(&s->stats.pinned_bytes, -object->pinned);
	rdma_count(&s->stats.objects, -1);
	rdma_guard_close(s, kind, handle);
	rdma_window_orphan(s, kind, handle);
	rdma_table_put(&s->tables[kind], handle);
}

int rdma_destroy(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	uint32_t handle = le32toh(body->handle);
	struct rdma_object *object;
	enum rdma_kind kind = 0;
	int err;

	while (ends[kind].command != c->code)
		kind++;
	object = rdma_table_get(&s->tables[kind], handle);
	if (!object)
		return -EBADF;
	err = destroy_on_host(s, kind, object->host);
	if (err)
		return bypass_fail(-err, "%s refuses to destroy one of the guest's %s: %s",
				   s->hca.name, s->tables[kind].what, strerror(-err));
	forget(s, kind, handle);
	return 0;
}

void rdma_destroy_new(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	destroy_on_host(s, kind, s->tables[kind].objects[handle].host);
	rdma_window_drop(s, kind, handle);
	forget(s, kind, handle);
}

/*
 * What the host keeps, because an object of another process uses it, still counts: it is the
 * guest's kernel's from then on, and goes at the reset at the latest.
 */
static void destroy_left(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	struct rdma_object *object = &s->tables[kind].objects[handle];
	struct rdma_mcast *next;
	int err;

	for (struct rdma_mcast *m = object->mcasts; m; m = next) {
		next = m->next;
		rdma_detach(s, object, m->gid, m->lid);
	}
	err = destroy_on_host(s, kind, object->host);
	if (!err || s->lost) {
		forget(s, kind, handle);
		return;
	}
	object->ucontext = BYPASS_RDMA_NONE;
	bypass_log(BYPASS_LOG_DEBUG, "%s keeps one of the guest's %s: %s", s->hca.name,
		   s->tables[kind].what, strerror(-err));
}

void rdma_destroy_all(struct rdma_slice *s, uint32_t ucontext)
{
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		const struct rdma_table *table = &s->tables[order[k]];

		for (uint32_t i = 0; i < table->size && table->live; i++) {
			const struct rdma_object *object = &table->objects[i];

			if (object->live && (ucontext == RDMA_ALL || object->ucontext == ucontext))
				destroy_left(s, order[k], i);
		}
	}
	rdma_window_sweep(s, ucontext);
}

int rdma_alloc_ucontext(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct rdma_blob blob;
	uint32_t handle;
	int err;

	err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(&s->tables[RDMA_UCONTEXT], BYPASS_RDMA_NONE, &handle);
	if (err)
		return err;
	rdma_count(&s->stats.objects, 1);
	reply->handle = htole32(handle);
	return 0;
}

int rdma_dealloc_ucontext(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_handle *body = c->body;
	uint32_t handle = le32toh(body->handle);

	if (!rdma_table_get(&s->tables[RDMA_UCONTEXT], handle))
		return -EBADF;
	rdma_destroy_all(s, handle);
	rdma_table_put(&s->tables[RDMA_UCONTEXT], handle);
	rdma_count(&s->stats.objects, -1);
	return 0;
}
