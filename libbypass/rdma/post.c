// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The two system calls that are a doorbell: the empty POST_SEND of a queue pair, and the arming of
 * a completion queue.
 */
#include <rdma/ib_user_verbs.h>

#include "internal.h"

void rdma_post_send(struct rdma_slice *s, uint32_t handle)
{
	struct ib_uverbs_post_send in = {.wqe_size = sizeof(struct ib_uverbs_send_wr)};
	struct ib_uverbs_post_send_resp out;
	uint32_t host;

	pthread_mutex_lock(&s->host_lock);
	host = atomic_load(&s->qp_hosts[handle]);
	if (host) {
		in.qp_handle = host - 1;
		/* A refusal (it may not send yet) is no news to the guest: verbs say so. */
		rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_POST_SEND, &in, sizeof(in), &out,
			    sizeof(out), NULL);
		rdma_count(&s->stats.post_sends, 1);
	}
	pthread_mutex_unlock(&s->host_lock);
}

void rdma_arm(struct rdma_slice *s, uint32_t handle, bool solicited)
{
	struct ib_uverbs_req_notify_cq in = {.solicited_only = solicited};
	uint32_t host;

	pthread_mutex_lock(&s->host_lock);
	host = atomic_load(&s->cq_hosts[handle]);
	if (host) {
		in.cq_handle = host - 1;
		rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_REQ_NOTIFY_CQ, &in, sizeof(in), NULL, 0,
			    NULL);
		rdma_count(&s->stats.arms, 1);
	}
	pthread_mutex_unlock(&s->host_lock);
}
