// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How much of its memory a guest may have pinned, and how long its queues may be.
 */
#include <errno.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_quota_check(struct rdma_slice *s, uint64_t now, uint64_t want)
{
	uint64_t quota = s->options.quota.pinned_bytes;

	if (want > quota || s->pinned - now > quota - want)
		return bypass_fail(EDQUOT,
				   "the guest has %llu bytes registered; %llu more would exceed "
				   "its quota of %llu (pinned=)",
				   (unsigned long long)s->pinned, (unsigned long long)want,
				   (unsigned long long)quota);
	return 0;
}

void rdma_quota_set(struct rdma_slice *s, struct rdma_object *object, uint64_t size)
{
	s->pinned += size - object->pinned;
	rdma_count(&s->stats.pinned_bytes, size - object->pinned);
	object->pinned = size;
}

/* libmlx5 makes a completion queue of a power of two entries, and names one less. */
uint32_t rdma_quota_cqe(const struct rdma_slice *s)
{
	uint32_t depth = s->options.quota.depth;

	if (!s->dialect->user_queues || !depth)
		return depth;
	return (2u << (31 - __builtin_clz(depth))) - 1;
}

/* libmlx5 takes a power of two above the number, of an SRQ with a waiting queue twice as much. */
uint32_t rdma_quota_entries(const struct rdma_slice *s, uint32_t max)
{
	if (!s->dialect->user_queues || !max || max >= 1u << 28)
		return max;
	return (4u << (31 - __builtin_clz(max))) - 1;
}
