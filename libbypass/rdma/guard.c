// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guarded way's rings: copies of queues in the shared memory region. The guest fills copies
 * of work queues, and finds completions in copies of completion queues. Which bytes make a sound
 * work request is the dialect's to know.
 *
 * Who waits for completions by polling does not say so. A CQ that has had completions and was
 * never armed by the guest is therefore armed here, and each event of the host moves what came.
 * A CQ that the guest arms is armed as the guest says and no other way: only the host knows which
 * completions are solicited.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_guard_open(struct rdma_slice *s, const struct rdma_ring *wanted, uint64_t offset,
		    uint32_t size, uint64_t shm_offset)
{
	const struct rdma_ring_place place = {
		.hca = s->hca.name,
		.caps = le64toh(s->limits.device_cap_flags),
		.max_message = s->max_message,
		.fd = s->hca.cmd_fd,
		.size = size,
		.offset = offset,
		.copy = (char *)s->shm.hva + shm_offset,
	};
	struct rdma_ring *ring, *old;
	int err;

	err = s->dialect->guard->open(wanted, &place, &ring);
	if (err)
		return err;
	pthread_mutex_lock(&s->ring_lock);
	/* Of a queue that was resized the guest, or the driver, has not taken all yet. */
	for (old = s->rings; old && !old->stopped; old = old->next)
		;
	if (old) {
		s->dialect->guard->adopt(ring, old);
		ring->guest_arms = old->guest_arms;
		ring->armed = old->armed;
		ring->follow = old->follow;
	}
	ring->next = s->rings;
	s->rings = ring;
	pthread_mutex_unlock(&s->ring_lock);
	if (ring->follow)
		rdma_arm(s, ring->handle, false);
	/* From now on the thread scans the rings by itself. */
	eventfd_write(s->doorbell_wake_fd, 1);
	return 0;
}

static void close_rings(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle, bool stopped)
{
	struct rdma_ring **link = &s->rings, *ring;

	pthread_mutex_lock(&s->ring_lock);
	while ((ring = *link)) {
		if (ring->kind != kind || ring->handle != handle || ring->stopped < stopped) {
			link = &ring->next;
			continue;
		}
		*link = ring->next;
		s->dialect->guard->close(ring);
	}
	pthread_mutex_unlock(&s->ring_lock);
}

void rdma_guard_close(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	close_rings(s, kind, handle, false);
}

/* The ring of a completion queue or a shared receive queue. With ring_lock held. */
static struct rdma_ring *find_ring(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle)
{
	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		if (ring->kind == kind && ring->handle == handle && !ring->stopped)
			return ring;
	}
	return NULL;
}

/*
 * The driver takes over what waits in its own queue, and refuses a resize that leaves no room. Some
 * versions of rxe then give up the queue, and later look into it: such a resize ends here.
 */
int rdma_guard_stop(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle, uint32_t entries)
{
	struct rdma_ring *ring;
	uint32_t waiting = 0;

	pthread_mutex_lock(&s->ring_lock);
	ring = find_ring(s, kind, handle);
	if (ring)
		waiting = s->dialect->guard->waiting(ring);
	if (ring && waiting <= entries)
		ring->stopped = true;
	pthread_mutex_unlock(&s->ring_lock);
	if (waiting <= entries)
		return 0;
	return bypass_fail(EINVAL,
			   "a queue of %u entries has no room for the %u that wait in the queue",
			   entries, waiting);
}

void rdma_guard_go_on(struct rdma_slice *s, enum rdma_kind kind, uint32_t handle, bool replaced)
{
	if (replaced) {
		close_rings(s, kind, handle, true);
		return;
	}
	pthread_mutex_lock(&s->ring_lock);
	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next)
		ring->stopped = false;
	pthread_mutex_unlock(&s->ring_lock);
}

void rdma_guard_reset(struct rdma_slice *s, uint32_t handle)
{
	pthread_mutex_lock(&s->ring_lock);
	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		if (ring->kind == RDMA_QP && ring->handle == handle)
			s->dialect->guard->reset(ring);
	}
	pthread_mutex_unlock(&s->ring_lock);
}

void rdma_guard_arm(struct rdma_slice *s, uint32_t handle)
{
	struct rdma_ring *ring;

	pthread_mutex_lock(&s->ring_lock);
	ring = find_ring(s, RDMA_CQ, handle);
	if (ring) {
		ring->guest_arms = ring->armed = true;
		ring->follow = false;
	}
	pthread_mutex_unlock(&s->ring_lock);
}

bool rdma_guard_notified(struct rdma_slice *s, uint32_t handle)
{
	struct rdma_ring *ring;
	bool armed = false;

	pthread_mutex_lock(&s->ring_lock);
	ring = find_ring(s, RDMA_CQ, handle);
	if (ring) {
		armed = ring->armed;
		ring->armed = false;
		/* Before the ring is looked into: what comes later makes an event again. */
		if (ring->follow)
			rdma_arm(s, handle, false);
	}
	pthread_mutex_unlock(&s->ring_lock);
	return armed;
}

/* Note how full all rings of one kind are. */
static void snapshot(struct rdma_slice *s, enum rdma_map_kind map)
{
	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		if (ring->map == map && !ring->stopped)
			s->dialect->guard->snapshot(ring);
	}
}

/* With ring_lock held. Once a slice: the guest can repeat what it did. */
static void complain(struct rdma_slice *s, struct rdma_ring *ring)
{
	if (!s->complained)
		rdma_remark(s, "guarded: %s", ring->complaint);
	s->complained = true;
	ring->complaint = NULL;
}

static bool move_requests(struct rdma_slice *s, enum rdma_map_kind map, bool *any)
{
	bool again = false;

	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		bool left = false;
		unsigned int moved;

		if (ring->map != map || ring->stopped)
			continue;
		moved = s->dialect->guard->move(ring, &left);
		rdma_count(&s->stats.copied, moved);
		if (ring->complaint)
			complain(s, ring);
		*any |= moved;
		if (moved && map == RDMA_MAP_SEND)
			rdma_post_send(s, ring->handle);
		/* Nobody rings for a receive: the thread has to scan. */
		again |= left || map == RDMA_MAP_RECEIVE;
	}
	return again;
}

/* @armed: a CQ was armed. What it got just before makes no event: somebody has to look again. */
static bool move_completions(struct rdma_slice *s, bool *any, bool *armed)
{
	bool again = false;

	for (struct rdma_ring *ring = s->rings; ring; ring = ring->next) {
		unsigned int moved;
		bool left;

		if (ring->map != RDMA_MAP_CQ || ring->stopped)
			continue;
		moved = s->dialect->guard->move(ring, &left);
		*any |= moved;
		again = true;
		if (!moved || ring->guest_arms || ring->follow)
			continue;
		ring->follow = true;
		rdma_arm(s, ring->handle, false);
		*armed = true;
	}
	return again;
}

/*
 * A receive that was posted before a send must be there before it: the snapshot of sends
 * comes first, and sends are moved last. When the guest finds a completion, it must find room in the work
 * queue too: the snapshot of completions comes before all, and they are moved after all. That holds for
 * the second look at a CQ as well, which thus is one at all rings.
 */
bool rdma_guard_move(struct rdma_slice *s, bool *any)
{
	bool again, armed;

	*any = false;
	pthread_mutex_lock(&s->ring_lock);
	do {
		armed = false;
		snapshot(s, RDMA_MAP_CQ);
		snapshot(s, RDMA_MAP_SEND);
		snapshot(s, RDMA_MAP_RECEIVE);
		again = move_requests(s, RDMA_MAP_RECEIVE, any);
		again |= move_requests(s, RDMA_MAP_SEND, any);
		again |= move_completions(s, any, &armed);
	} while (armed); /* once a CQ at the most: a CQ that is followed stays armed */
	pthread_mutex_unlock(&s->ring_lock);
	return again;
}
