/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A guest that is a piece of this process: RAM in a memfd, and the driver's side of split
 * virtqueues in it. For tests of devices without a VM.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include <bypass/error.h>
#include <bypass/memory.h>
#include <bypass/virtio.h>

#define GUEST_PAGE 4096ull

/* True as soon as @condition holds, which another thread makes true; false: not in 10 s. */
#define guest_await(condition)                                                                     \
	({                                                                                         \
		int await_ms = 0;                                                                  \
		while (!(condition) && await_ms++ < 10000)                                         \
			usleep(1000);                                                              \
		await_ms <= 10000;                                                                 \
	})

static inline bool guest_reaches(const uint32_t *word, uint32_t wanted)
{
	return guest_await(__atomic_load_n(word, __ATOMIC_SEQ_CST) == wanted);
}

struct guest {
	struct bypass_memory *mem;
	char *ram; /* guest-physical address 0 */
	uint64_t size;
	uint64_t next; /* what guest_alloc() gives next */
};

struct guest_queue {
	struct guest *guest;
	struct vring ring;
	struct bypass_virtio_queue setup;
	uint16_t used; /* next entry of the used ring to look at */
};

static inline void guest_die(const char *what)
{
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(errno), bypass_error());
	abort();
}

static inline void guest_init(struct guest *g, uint64_t size)
{
	struct bypass_memory_range range = {.size = size};

	*g = (struct guest){.mem = bypass_memory_new(), .size = size, .next = GUEST_PAGE};
	range.fd = memfd_create("guest", MFD_CLOEXEC);
	if (!g->mem || range.fd < 0 || ftruncate(range.fd, size))
		guest_die("guest RAM");
	g->ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, range.fd, 0);
	range.hva = g->ram;
	if (g->ram == MAP_FAILED || bypass_memory_add(g->mem, &range))
		guest_die("guest RAM");
}

static inline void guest_free(struct guest *g)
{
	unsigned int n;
	int fd = bypass_memory_ranges(g->mem, &n)[0].fd;

	bypass_memory_free(g->mem);
	munmap(g->ram, g->size);
	close(fd);
}

/* Whole pages of RAM, zeroed, never given back. Returns their guest-physical address. */
static inline uint64_t guest_alloc(struct guest *g, uint64_t size)
{
	uint64_t gpa = g->next;

	g->next += (size + GUEST_PAGE - 1) & -GUEST_PAGE;
	if (g->next > g->size)
		guest_die("guest RAM is used up");
	memset(g->ram + gpa, 0, size);
	return gpa;
}

static inline void guest_queue_init(struct guest_queue *q, struct guest *g, uint16_t size)
{
	uint64_t gpa = guest_alloc(g, vring_size(size, GUEST_PAGE));

	*q = (struct guest_queue){.guest = g};
	vring_init(&q->ring, size, g->ram + gpa, GUEST_PAGE);
	q->setup = (struct bypass_virtio_queue){
		.size = size,
		.desc = gpa,
		.avail = (char *)q->ring.avail - g->ram,
		.used = (char *)q->ring.used - g->ram,
		.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
}

static inline void guest_queue_free(struct guest_queue *q)
{
	close(q->setup.kick_fd);
	close(q->setup.call_fd);
}

static inline void guest_desc(struct guest_queue *q, uint16_t i, uint64_t gpa, uint32_t size,
			      uint16_t flags, uint16_t next)
{
	q->ring.desc[i] = (struct vring_desc){gpa, size, flags, next};
}

/* Make the chain that begins at descriptor @head available, without a notification. */
static inline void guest_avail(struct guest_queue *q, uint16_t head)
{
	uint16_t i = q->ring.avail->idx;

	q->ring.avail->ring[i % q->ring.num] = head;
	__atomic_store_n(&q->ring.avail->idx, i + 1, __ATOMIC_RELEASE);
}

static inline void guest_kick(struct guest_queue *q)
{
	if (eventfd_write(q->setup.kick_fd, 1))
		guest_die("kick");
}

/* Wait for the next used chain. Returns false when none came in time. */
static inline bool guest_wait(struct guest_queue *q, int timeout_ms, uint32_t *head, uint32_t *len)
{
	struct pollfd call = {.fd = q->setup.call_fd, .events = POLLIN};
	struct vring_used_elem *elem;
	eventfd_t value;

	while (__atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE) == q->used) {
		if (poll(&call, 1, timeout_ms) != 1)
			return false;
		eventfd_read(call.fd, &value);
	}
	elem = &q->ring.used->ring[q->used++ % q->ring.num];
	*head = elem->id;
	*len = elem->len;
	return true;
}

#endif
