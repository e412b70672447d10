// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Pages of the shared memory region that a process of the guest no longer maps.
 */
#include "internal.h"

int rdma_release_mmap(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_release_mmap *body = c->body;

	return rdma_shm_release(s, le64toh(body->shm_offset), le64toh(body->size));
}
