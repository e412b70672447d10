// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the guest may ask of the slice itself, and the two places that it tells of: its
 * doorbell area, and window pages that it has done with.
 */
#include <errno.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "internal.h"

int rdma_query_device(struct rdma_slice *s, struct rdma_command *c)
{
	memcpy(c->reply, &s->limits, sizeof(s->limits));
	return 0;
}

static int check_port(struct rdma_slice *s, const struct bypass_rdma_port_query *body)
{
	uint32_t port = le32toh(body->port);

	if (!port || port > le32toh(s->config.ports))
		return bypass_fail(EINVAL, "%s has no port %u", s->hca.name, port);
	return 0;
}

int rdma_query_port(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	int err = check_port(s, body);

	return err ? err : rdma_hca_query_port(&s->hca, le32toh(body->port), (void *)c->reply);
}

int rdma_query_gids(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	int err = check_port(s, body);

	return err ? err : rdma_hca_query_gids(&s->hca, le32toh(body->port), (void *)c->reply);
}

int rdma_query_pkeys(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_port_query *body = c->body;
	int err = check_port(s, body);

	return err ? err : rdma_hca_query_pkeys(&s->hca, le32toh(body->port), (void *)c->reply);
}

int rdma_set_doorbell(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_set_doorbell *body = c->body;
	uint64_t gpa = le64toh(body->gpa), size = le64toh(body->size);
	uint64_t needed =
		BYPASS_RDMA_DOORBELL_BYTES(le32toh(s->config.max_qp), le32toh(s->config.max_cq));
	int err = 0;

	if (!gpa && s->tables[RDMA_QP].live)
		return bypass_fail(EBUSY,
				   "The doorbell area is taken back while %u queue pairs exist",
				   s->tables[RDMA_QP].live);
	pthread_rwlock_wrlock(&s->memory_lock);
	if (gpa && (size < needed || gpa % sizeof(struct bypass_rdma_doorbell)))
		err = bypass_fail(EINVAL,
				  "A doorbell area of %llu bytes at %#llx: it needs %llu, aligned "
				  "to 64",
				  (unsigned long long)size, (unsigned long long)gpa,
				  (unsigned long long)needed);
	else if (gpa && !bypass_memory_find(s->memory, gpa, needed))
		err = bypass_fail(EFAULT, "The doorbell area %#llx + %#llx is not guest RAM",
				  (unsigned long long)gpa, (unsigned long long)needed);
	else
		s->doorbell_gpa = gpa;
	pthread_rwlock_unlock(&s->memory_lock);
	return err;
}

int rdma_release_mmap(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_release_mmap *body = c->body;

	return rdma_window_release(s, le64toh(body->window), le64toh(body->size));
}
