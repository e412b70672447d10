// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The doorbell thread. Where an HCA's doorbell is a system call, the guest sets a bit in
 * memory and kicks (ioeventfd); this thread makes the call. See struct
 * bypass_rdma_doorbell for the rules of the shared words.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "internal.h"

/* How soon to scan guarded queues, for which nobody rings: between these, by their use. */
#define SCAN_MS	     1
#define SCAN_LATE_MS 16

/* Ring for the queue pairs whose bits are set. A bit is taken before its work is done. */
static bool ring_sends(struct rdma_slice *s, uint64_t *words, uint32_t bits)
{
	bool any = false;

	for (uint32_t i = 0; i < bits; i += 64) {
		uint64_t word = 0;

		if (__atomic_load_n(&words[i / 64], __ATOMIC_RELAXED))
			word = le64toh(__atomic_exchange_n(&words[i / 64], 0, __ATOMIC_ACQ_REL));
		for (; word; word &= word - 1) {
			uint32_t handle = i + __builtin_ctzll(word);

			any = true;
			if (handle < bits && !s->guarded)
				rdma_post_send(s, handle);
		}
	}
	return any;
}

/* Arm the completion queues whose bits are set. A bit is taken when its work is done. */
static bool arm_cqs(struct rdma_slice *s, uint64_t *words, uint32_t bits, bool solicited)
{
	bool any = false, moved;

	for (uint32_t i = 0; i < bits; i += 64) {
		uint64_t taken = __atomic_load_n(&words[i / 64], __ATOMIC_ACQUIRE);

		for (uint64_t word = le64toh(taken); word; word &= word - 1) {
			uint32_t handle = i + __builtin_ctzll(word);

			if (handle >= bits)
				continue;
			if (s->guarded)
				rdma_guard_arm(s, handle);
			rdma_arm(s, handle, solicited);
		}
		if (!taken)
			continue;
		any = true;
		/* What came before makes no event: the guest must find it when the bit is gone. */
		if (s->guarded)
			rdma_guard_move(s, &moved);
		__atomic_fetch_and(&words[i / 64], ~taken, __ATOMIC_RELEASE);
	}
	return any;
}

/* Go through all bitmaps once. With memory_lock held. */
static bool scan_bitmaps(struct rdma_slice *s, char *area)
{
	uint32_t qps = le32toh(s->config.max_qp), cqs = le32toh(s->config.max_cq);
	bool any;

	any = ring_sends(s, (uint64_t *)(area + BYPASS_RDMA_SEND_OFFSET), qps);
	any |= arm_cqs(s, (uint64_t *)(area + BYPASS_RDMA_ARM_OFFSET(qps)), cqs, false);
	any |= arm_cqs(s, (uint64_t *)(area + BYPASS_RDMA_ARM_SOLICITED_OFFSET(qps, cqs)), cqs,
		       true);
	return any;
}

/* The doorbell area in guest memory, or NULL. With memory_lock held. */
static struct bypass_rdma_doorbell *find_area(const struct rdma_slice *s)
{
	uint32_t qps = le32toh(s->config.max_qp), cqs = le32toh(s->config.max_cq);

	if (!s->doorbell_gpa)
		return NULL;
	return bypass_memory_hva(s->memory, s->doorbell_gpa, BYPASS_RDMA_DOORBELL_BYTES(qps, cqs));
}

/* Scan, say that nobody scans, and scan once more: only then may the thread sleep. */
static bool scan_area(struct rdma_slice *s)
{
	struct bypass_rdma_doorbell *area;
	bool any = false;

	pthread_rwlock_rdlock(&s->memory_lock);
	area = find_area(s);
	if (area) {
		__atomic_store_n(&area->awake, htole32(1), __ATOMIC_SEQ_CST);
		any = scan_bitmaps(s, (char *)area);
		if (!any) {
			__atomic_store_n(&area->awake, 0, __ATOMIC_SEQ_CST);
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			any = scan_bitmaps(s, (char *)area);
		}
	}
	pthread_rwlock_unlock(&s->memory_lock);
	return any;
}

/* @waited_ms: since the last call; -1: somebody rang. Returns when to scan again, in ms. */
static int move_guarded(struct rdma_slice *s, int waited_ms)
{
	bool moved, more;

	more = rdma_guard_move(s, &moved);
	if (!more)
		return -1;
	if (moved || waited_ms < 0)
		return SCAN_MS;
	return waited_ms * 2 < SCAN_LATE_MS ? waited_ms * 2 : SCAN_LATE_MS;
}

static void *doorbell_thread(void *opaque)
{
	struct rdma_slice *s = opaque;
	struct pollfd fds[] = {
		{.fd = s->doorbell_kick_fd, .events = POLLIN},
		{.fd = s->doorbell_wake_fd, .events = POLLIN},
	};
	int wait_ms = -1;
	eventfd_t value;
	bool rang;

	pthread_setname_np(pthread_self(), "bypass-doorbell");
	while (!atomic_load(&s->doorbell_stops)) {
		rang = scan_area(s);
		/* Also while others keep ringing: whoever waits for what is moved may not ring. */
		if (s->guarded)
			wait_ms = move_guarded(s, rang ? -1 : wait_ms);
		if (rang || poll(fds, 2, wait_ms) <= 0)
			continue;
		if (fds[0].revents && !eventfd_read(fds[0].fd, &value))
			rdma_count(&s->stats.kicks, value);
		if (fds[1].revents)
			eventfd_read(fds[1].fd, &value);
	}
	return NULL;
}

int rdma_doorbell_start(struct rdma_slice *s)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_store(&s->doorbell_stops, false);
	err = pthread_create(&s->doorbell_thread, NULL, doorbell_thread, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return bypass_fail(err, "cannot start the doorbell thread of %s: %s", s->dev.name,
				   strerror(err));
	s->doorbell_runs = true;
	return 0;
}

void rdma_doorbell_stop(struct rdma_slice *s)
{
	if (!s->doorbell_runs)
		return;
	atomic_store(&s->doorbell_stops, true);
	eventfd_write(s->doorbell_wake_fd, 1);
	pthread_join(s->doorbell_thread, NULL);
	s->doorbell_runs = false;
}

int rdma_set_doorbell(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_set_doorbell *body = c->body;
	uint64_t gpa = le64toh(body->gpa), size = le64toh(body->size);
	uint64_t needed =
		BYPASS_RDMA_DOORBELL_BYTES(le32toh(s->config.max_qp), le32toh(s->config.max_cq));
	int err = 0;

	if (!gpa && s->tables[RDMA_QP].live)
		return bypass_fail(EBUSY, "the doorbell area cannot go while %u queue pairs exist",
				   s->tables[RDMA_QP].live);
	pthread_rwlock_wrlock(&s->memory_lock);
	if (gpa && (size < needed || gpa % sizeof(struct bypass_rdma_doorbell)))
		err = bypass_fail(EINVAL,
				  "a doorbell area has %llu bytes at %#llx: it needs %llu, aligned "
				  "to 64",
				  (unsigned long long)size, (unsigned long long)gpa,
				  (unsigned long long)needed);
	else if (gpa && !bypass_memory_find(s->memory, gpa, needed))
		err = bypass_fail(EFAULT, "the doorbell area %#llx + %#llx is not guest RAM",
				  (unsigned long long)gpa, (unsigned long long)needed);
	else
		s->doorbell_gpa = gpa;
	pthread_rwlock_unlock(&s->memory_lock);
	eventfd_write(s->doorbell_wake_fd, 1); /* the area may have bits already */
	return err;
}
