// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a context slice holds, from its creation to its end: locks, tables, the shared memory
 * region, completion channels and descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "internal.h"

static void make_locks(struct rdma_slice *s)
{
	pthread_rwlockattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->pin_lock, NULL);
	pthread_mutex_init(&s->ring_lock, NULL);
	pthread_mutex_init(&s->host_lock, NULL);
	/* A guest that keeps both threads busy must not keep the VMM from changing its map. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->memory_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

void rdma_resources_init(struct rdma_slice *s)
{
	s->epoll_fd = s->control_wake_fd = s->doorbell_wake_fd = s->removal_fd = -1;
	s->lost_fd = s->dev.event_fd = s->udmabuf.fd = -1;
	s->shm.fd = s->pages.fd = -1;
	memset(s->channels, -1, sizeof(s->channels));
	make_locks(s);
}

static int make_tables(struct rdma_slice *s)
{
	const struct bypass_rdma_quota *q = &s->options.quota;
	const struct {
		const char *what;
		uint32_t size;
	} kinds[RDMA_KINDS] = {
		[RDMA_UCONTEXT] = {"contexts", q->ucontexts},
		[RDMA_PD] = {"protection domains", q->pds},
		[RDMA_MR] = {"memory regions", q->mrs},
		[RDMA_MW] = {"memory windows", q->mws},
		[RDMA_CQ] = {"completion queues", q->cqs},
		[RDMA_SRQ] = {"shared receive queues", q->srqs},
		[RDMA_QP] = {"queue pairs", q->qps},
		[RDMA_AH] = {"address handles", q->ahs},
		[RDMA_XRCD] = {"XRC domains", q->xrcds},
	};
	int err = 0;

	for (unsigned int k = 0; k < RDMA_KINDS && !err; k++)
		err = rdma_table_init(&s->tables[k], kinds[k].what, kinds[k].size);
	if (!err)
		err = rdma_table_init(&s->cm_ids, "ids of connections", q->ids);
	if (!err)
		err = rdma_table_init(&s->cm_groups, "multicast groups", q->mcasts);
	if (err)
		return err;
	s->qp_hosts = calloc(q->qps, sizeof(*s->qp_hosts));
	s->cq_hosts = calloc(q->cqs, sizeof(*s->cq_hosts));
	s->command = malloc(sizeof(*s->command));
	s->response = malloc(BYPASS_RDMA_RESPONSE_MAX);
	s->memory = bypass_memory_new();
	if (!s->memory || !s->qp_hosts || !s->cq_hosts || !s->command || !s->response)
		return bypass_fail(ENOMEM, "no memory for a slice of %s", s->hca.name);
	return 0;
}

/* One completion channel a vector: the kernel says on it which queue has a completion. */
static int make_channels(struct rdma_slice *s)
{
	for (unsigned int v = 0; v < s->options.vectors; v++) {
		struct ib_uverbs_create_comp_channel in = {0};
		struct ib_uverbs_create_comp_channel_resp out;
		int err;

		err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL, &in, sizeof(in),
				  &out, sizeof(out), NULL);
		if (err)
			return bypass_fail(-err, "%s gives no completion channel: %s", s->hca.name,
					   strerror(-err));
		s->channels[v] = out.fd;
		s->completions[v].cqs = calloc(s->options.quota.cqs, sizeof(bool));
		if (!s->completions[v].cqs)
			return bypass_fail(ENOMEM, "no memory for a slice of %s", s->hca.name);
		fcntl(out.fd, F_SETFL, fcntl(out.fd, F_GETFL) | O_NONBLOCK);
	}
	return 0;
}

static int make_descriptors(struct rdma_slice *s)
{
	struct epoll_event readable = {.events = EPOLLIN};

	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->control_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->doorbell_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->dev.event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0 || s->control_wake_fd < 0 || s->doorbell_wake_fd < 0 ||
	    s->lost_fd < 0 || s->dev.event_fd < 0 ||
	    epoll_ctl(s->dev.event_fd, EPOLL_CTL_ADD, s->lost_fd, &readable))
		return bypass_fail(errno, "no descriptors for a slice of %s: %m", s->hca.name);
	if (!s->hca.node[0])
		return 0;
	s->removal_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->removal_fd < 0 || inotify_add_watch(s->removal_fd, RDMA_NODES, IN_DELETE) < 0 ||
	    epoll_ctl(s->dev.event_fd, EPOLL_CTL_ADD, s->removal_fd, &readable))
		bypass_log(BYPASS_LOG_WARN,
			   "%s: its removal will not be noticed: cannot watch %s (%m)", s->hca.name,
			   RDMA_NODES);
	return 0;
}

int rdma_resources_make(struct rdma_slice *s)
{
	int err = rdma_pages_take(s);

	if (!err)
		err = make_tables(s);
	if (!err)
		err = rdma_shm_init(&s->shm, s->options.quota.shm_bytes, s->guarded);
	if (!err)
		err = rdma_pages_show(s);
	if (!err)
		rdma_clock_show(s);
	if (!err)
		err = make_channels(s);
	if (!err)
		err = make_descriptors(s);
	if (!err)
		rdma_udmabuf_open(&s->udmabuf, s->dialect);
	return err;
}

void rdma_resources_free(struct rdma_slice *s)
{
	const int fds[] = {s->epoll_fd, s->control_wake_fd, s->doorbell_wake_fd, s->removal_fd,
			   s->lost_fd,	s->dev.event_fd,    s->udmabuf.fd};

	rdma_shm_free(&s->shm);
	rdma_pages_free(&s->pages);
	bypass_memory_free(s->memory);
	for (unsigned int v = 0; v < RDMA_VECTORS_MAX; v++) {
		if (s->channels[v] >= 0)
			close(s->channels[v]);
		free(s->completions[v].cqs);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	rdma_hca_close(&s->hca);
	for (unsigned int k = 0; k < RDMA_KINDS; k++)
		rdma_table_free(&s->tables[k]);
	rdma_table_free(&s->cm_ids);
	rdma_table_free(&s->cm_groups);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->pin_lock);
	pthread_mutex_destroy(&s->ring_lock);
	pthread_mutex_destroy(&s->host_lock);
	pthread_rwlock_destroy(&s->memory_lock);
	free((void *)s->qp_hosts);
	free((void *)s->cq_hosts);
	free(s->command);
	free(s->response);
	free(s);
}
