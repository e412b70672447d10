/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The device's side: one thread that serves requests in the way that a path asks
 * for, and what it does with a payload.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <bypass/slice.h>

#include "abi.h"
#include "rdma.h"
#include "virtqueue.h"

enum bench_serving {
	BENCH_IDLE,	  /* asleep until told otherwise */
	BENCH_POLL_LINES, /* bare ping-pong */
	BENCH_POLL_RING,  /* a loop slice, polled */
	BENCH_SLEEP_RING, /* a loop slice, asleep until kicked */
	BENCH_POLL_VIRTQ,
	BENCH_POLL_LINK, /* functions of the ConnectX model */
	BENCH_QUIT,
};

/**
 * struct bench_echo - what the device does: it sends each payload back
 * @check: verify each word, and send its complement
 * @served: payloads verified
 * @corrupt: payloads that were not as they should be
 */
struct bench_echo {
	bool check;
	uint64_t served;
	uint64_t corrupt;
};

/* A bypass_loop_serve_fn; @opaque is a struct bench_echo. */
int64_t bench_echo(void *opaque, const void *request, uint32_t length, void *response,
		   uint32_t room);

/**
 * struct bench_virtq_device - the device's half of the virtqueue
 * @virtq: the queue, in guest RAM
 * @ram: guest RAM: what addresses in descriptors are checked against
 * @ram_size: bytes
 * @next: index of the next entry of the available ring
 * @interrupts: that a driver which does not poll would have been sent
 * @echo: what to do with payloads
 */
struct bench_virtq_device {
	struct virtq *virtq;
	uint8_t *ram;
	uint64_t ram_size;
	uint16_t next;
	uint64_t interrupts;
	struct bench_echo *echo;
};

/**
 * struct bench_target - what a server serves
 * @serving: how
 * @slice: the loop slice, for BENCH_POLL_RING and BENCH_SLEEP_RING
 * @lines: for BENCH_POLL_LINES: the requester's and the device's
 * @virtq: for BENCH_POLL_VIRTQ
 * @link: for BENCH_POLL_LINK
 */
struct bench_target {
	enum bench_serving serving;
	struct bypass_slice *slice;
	uint64_t *lines[2];
	struct bench_virtq_device *virtq;
	struct bench_link *link;
};

/* Serves what is available. Returns how many; a chain that is no good ends with length 0. */
unsigned int bench_virtq_poll(struct bench_virtq_device *device);

/**
 * struct bench_server - the thread
 * @thread: it
 * @lock: of @wanted and @epoch
 * @changed: signalled when they change
 * @wanted: what to serve
 * @epoch: counts the changes of @wanted; atomic, so that polling is cheap
 * @taken: the epoch that the thread has taken up
 */
struct bench_server {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct bench_target wanted;
	_Atomic unsigned int epoch;
	unsigned int taken;
};

/* Starts the thread on @cpu, or anywhere when it is negative. 0 or a negative errno. */
int bench_server_start(struct bench_server *server, int cpu);

/* Gives it something else to serve; returns when it has taken it up. */
void bench_server_serve(struct bench_server *server, const struct bench_target *target);

/* CPU time that the thread has had, in ns. */
uint64_t bench_server_cpu(const struct bench_server *server);

/* Ends the thread. */
void bench_server_stop(struct bench_server *server);

#endif
