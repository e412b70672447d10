// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way's rings: copies of work queues for the guest to fill. Which bytes make
 * a sound work request is the dialect's to know.
 */
#include <sys/eventfd.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_guard_open(struct rdma_slice *s, const struct rdma_ring *like, uint64_t offset,
		    uint32_t size, int *fd)
{
	struct rdma_ring *ring;
	int err;

	err = s->dialect->guard->open(s, like, offset, size, &ring, fd);
	if (err)
		return err;
	pthread_mutex_lock(&s->ring_lock);
	ring->next = s->rings;
	s->rings = ring;
	pthread_mutex_unlock(&s->ring_lock);
	/* From now on the thread has to look by itself. */
	eventfd_write(s->doorbell_wake_fd, 1);
	return 0;
}

void rdma_guard_close(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	struct rdma_ring **link = &s->rings, *ring;

	pthread_mutex_lock(&s->ring_lock);
	while ((ring = *link)) {
		if (ring->kind != kind || ring->handle != handle) {
			link = &ring->next;
			continue;
		}
		*link = ring->next;
		s->dialect->guard->close(ring);
	}
	pthread_mutex_unlock(&s->ring_lock);
}

/* Look into all rings of one kind. */
static void look(struct rdma_slice *s, enum rdma_map_kind map)
{
	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		if (ring->map == map)
			s->dialect->guard->look(ring);
	}
}

static bool move(struct rdma_slice *s, enum rdma_map_kind map, bool *any)
{
	bool again = false;

	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		bool left = false;
		unsigned int moved;

		if (ring->map != map)
			continue;
		moved = s->dialect->guard->move(ring, &left);
		rdma_count(&s->stats.copied, moved);
		*any |= moved;
		if (moved && map == RDMA_MAP_SEND)
			rdma_post_send(s, ring->handle);
		/* Nobody rings for a receive: it has to be looked for. */
		again |= left || map == RDMA_MAP_RECEIVE;
	}
	return again;
}

/*
 * A receive that was posted before a send must be there before it: sends are looked at
 * first, and moved last.
 */
bool rdma_guard_move(struct rdma_slice *s, bool *any)
{
	bool again;

	*any = false;
	pthread_mutex_lock(&s->ring_lock);
	look(s, RDMA_MAP_SEND);
	look(s, RDMA_MAP_RECEIVE);
	again = move(s, RDMA_MAP_RECEIVE, any);
	again |= move(s, RDMA_MAP_SEND, any);
	pthread_mutex_unlock(&s->ring_lock);
	return again;
}
