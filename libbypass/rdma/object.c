// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What all kinds of objects share: the creation of those that need a handle and one uverbs
 * command, and the end of all: one by one as the guest asks, or everything that a process, a
 * module or a guest leaves behind.
 */
#include <errno.h>
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
	[RDMA_XRCD] = {BYPASS_RDMA_DEALLOC_XRCD, IB_USER_VERBS_CMD_CLOSE_XRCD, false},
};

/* None is destroyed before what uses it; a memory window that is bound uses its queue pair. */
static const enum rdma_kind order[] = {RDMA_AH, RDMA_MW, RDMA_QP, RDMA_SRQ,
				       RDMA_CQ, RDMA_MR, RDMA_PD, RDMA_XRCD};

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

	rdma_mcasts_forget(s, object);
	if (kind == RDMA_QP)
		atomic_store(&s->qp_hosts[handle], 0);
	if (kind == RDMA_CQ)
		atomic_store(&s->cq_hosts[handle], 0);
	s->pinned -= object->pinned;
	rdma_count(&s->stats.pinned_bytes, -object->pinned);
	rdma_count(&s->stats.objects, -1);
	rdma_pending_forget(s, kind, handle);
	rdma_guard_close(s, kind, handle);
	rdma_shm_orphan(s, kind, handle);
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

void rdma_object_undo(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	destroy_on_host(s, kind, s->tables[kind].objects[handle].host);
	rdma_shm_drop(s, kind, handle);
	forget(s, kind, handle);
}

int rdma_object_create(struct rdma_slice *s, struct rdma_command *c, enum rdma_kind kind,
		       uint32_t uverbs, const void *in, size_t in_size, void *out, size_t out_size,
		       uint32_t *handle)
{
	struct rdma_table *table = &s->tables[kind];
	struct rdma_mapping owner = {.ucontext = c->ucontext, .kind = kind};
	struct rdma_blob blob;
	int err;

	err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(table, c->ucontext, handle);
	if (err)
		return err;
	err = rdma_uverbs(&s->hca, uverbs, in, in_size, out, out_size, &blob.udata);
	if (err) {
		rdma_table_put(table, *handle);
		return bypass_fail(-err, "%s refuses to add to the guest's %s: %s", s->hca.name,
				   table->what, strerror(-err));
	}
	rdma_count(&s->stats.objects, 1);
	memcpy(&table->objects[*handle].host, out, sizeof(uint32_t));
	owner.handle = *handle;
	err = rdma_blob_out(s, c, &blob, &owner, 0);
	if (err)
		rdma_object_undo(s, kind, *handle);
	return err;
}

/*
 * What the host keeps, because an object of another process uses it, still counts: it is the
 * guest's kernel's from then on, and goes at the reset at the latest.
 */
static void destroy_left(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	struct rdma_object *object = &s->tables[kind].objects[handle];
	int err;

	rdma_mcasts_detach(s, object);
	err = destroy_on_host(s, kind, object->host);
	if (!err || s->hca_state != RDMA_HCA_WORKS) {
		forget(s, kind, handle);
		return;
	}
	object->ucontext = BYPASS_RDMA_NONE;
	bypass_log(BYPASS_LOG_DEBUG, "%s keeps one of the guest's %s: %s", s->hca.name,
		   s->tables[kind].what, strerror(-err));
}

void rdma_objects_destroy(struct rdma_slice *s, uint32_t ucontext)
{
	rdma_cm_destroy(s, ucontext);
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		const struct rdma_table *table = &s->tables[order[k]];

		for (uint32_t i = 0; i < table->size && table->live; i++) {
			const struct rdma_object *object = &table->objects[i];

			if (object->live && (ucontext == RDMA_ALL || object->ucontext == ucontext))
				destroy_left(s, order[k], i);
		}
	}
	rdma_shm_sweep(s, ucontext);
}
