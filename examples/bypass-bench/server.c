// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The device's thread: polls or sleeps, as the path wants it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/loop.h>

#include "measure.h"
#include "server.h"

#define BATCH 64u /* requests served between two looks at what is wanted */
#define ROUND 64u /* looks at an empty queue, likewise */

static void serve_lines(struct bench_server *server, const struct bench_target *target,
			unsigned int epoch)
{
	uint64_t last = *target->lines[1]; /* what was answered last */

	while (atomic_load_explicit(&server->epoch, memory_order_relaxed) == epoch) {
		for (unsigned int i = 0; i < ROUND; i++) {
			uint64_t now = __atomic_load_n(target->lines[0], __ATOMIC_ACQUIRE);

			if (now != last) {
				__atomic_store_n(target->lines[1], now, __ATOMIC_RELEASE);
				last = now;
			}
		}
	}
}

static void serve_ring(struct bench_server *server, const struct bench_target *target,
		       unsigned int epoch)
{
	while (atomic_load_explicit(&server->epoch, memory_order_relaxed) == epoch)
		for (unsigned int i = 0; i < ROUND; i++)
			bypass_loop_poll(target->slice, BATCH);
}

static void serve_kicks(struct bench_server *server, const struct bench_target *target,
			unsigned int epoch)
{
	int fd = bypass_loop_kick_fd(target->slice);
	uint64_t kicks;

	while (atomic_load_explicit(&server->epoch, memory_order_relaxed) == epoch) {
		if (read(fd, &kicks, sizeof(kicks)) < 0)
			continue;
		while (bypass_loop_poll(target->slice, BATCH))
			;
	}
}

static void serve_virtq(struct bench_server *server, const struct bench_target *target,
			unsigned int epoch)
{
	while (atomic_load_explicit(&server->epoch, memory_order_relaxed) == epoch)
		for (unsigned int i = 0; i < ROUND; i++)
			bench_virtq_poll(target->virtq);
}

static void serve_link(struct bench_server *server, const struct bench_target *target,
		       unsigned int epoch)
{
	while (atomic_load_explicit(&server->epoch, memory_order_relaxed) == epoch)
		for (unsigned int i = 0; i < ROUND; i++)
			bench_link_run(target->link);
}

/* Waits for something else to serve than at @epoch. */
static unsigned int take_up(struct bench_server *server, unsigned int epoch,
			    struct bench_target *target)
{
	pthread_mutex_lock(&server->lock);
	while (server->epoch == epoch)
		pthread_cond_wait(&server->changed, &server->lock);
	epoch = server->epoch;
	*target = server->wanted;
	server->taken = epoch;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	return epoch;
}

static void *server_thread(void *opaque)
{
	struct bench_server *server = opaque;
	struct bench_target target;
	unsigned int epoch = 0;

	for (;;) {
		epoch = take_up(server, epoch, &target);
		switch (target.serving) {
		case BENCH_IDLE:
			break;
		case BENCH_POLL_LINES:
			serve_lines(server, &target, epoch);
			break;
		case BENCH_POLL_RING:
			serve_ring(server, &target, epoch);
			break;
		case BENCH_SLEEP_RING:
			serve_kicks(server, &target, epoch);
			break;
		case BENCH_POLL_VIRTQ:
			serve_virtq(server, &target, epoch);
			break;
		case BENCH_POLL_LINK:
			serve_link(server, &target, epoch);
			break;
		case BENCH_QUIT:
			return NULL;
		}
	}
}

int bench_server_start(struct bench_server *server, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	int err;

	memset(server, 0, sizeof(*server));
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	pthread_attr_init(&attr);
	if (cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	err = pthread_create(&server->thread, &attr, server_thread, server);
	pthread_attr_destroy(&attr);
	if (err)
		return bypass_fail(err, "the device's thread cannot be started on CPU %d: %s", cpu,
				   strerror(err));
	return 0;
}

void bench_server_serve(struct bench_server *server, const struct bench_target *target)
{
	uint64_t one = 1;
	unsigned int epoch;

	pthread_mutex_lock(&server->lock);
	epoch = ++server->epoch;
	/* If it sleeps on a doorbell, this wakes it; nothing is there to serve. */
	if (server->wanted.serving == BENCH_SLEEP_RING &&
	    write(bypass_loop_kick_fd(server->wanted.slice), &one, sizeof(one)) < 0)
		bypass_fail(errno, "the device's thread cannot be woken: %s", strerror(errno));
	server->wanted = *target;
	pthread_cond_broadcast(&server->changed);
	/* What another caller wants after us, the thread may take up in place of ours. */
	while ((int)(server->taken - epoch) < 0)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

uint64_t bench_server_cpu(const struct bench_server *server)
{
	struct timespec now = {0};
	clockid_t clock;

	if (!pthread_getcpuclockid(server->thread, &clock))
		clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_server_stop(struct bench_server *server)
{
	bench_server_serve(server, &(struct bench_target){.serving = BENCH_QUIT});
	pthread_join(server->thread, NULL);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
}
