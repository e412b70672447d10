// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A library to preload: the emulator's clocks go SLOW_CLOCK times slower than the machine's.
 *
 * A kernel's ticks come by the clock. Where handling a tick takes the emulator about as long as the time until
 * the next one, as with a debug kernel that has guests, a CPU gets to nothing else. With a slow clock more
 * is done between two ticks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define SECOND 1000000000ll

static int (*machine_gettime)(clockid_t clock, struct timespec *time);
static int (*machine_ppoll)(struct pollfd *fds, nfds_t count, const struct timespec *limit,
			    const sigset_t *signals);
static int (*machine_timedwait)(pthread_cond_t *cond, pthread_mutex_t *mutex,
				const struct timespec *end);
static const clockid_t slowed[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
				   CLOCK_BOOTTIME};
static int64_t start[CLOCK_BOOTTIME + 1];
static int64_t factor = 1;

static int64_t to_ns(const struct timespec *time)
{
	return time->tv_sec * SECOND + time->tv_nsec;
}

static struct timespec from_ns(int64_t ns)
{
	return (struct timespec){ns / SECOND, ns % SECOND};
}

/* Other constructors may ask for the time before this one runs. */
__attribute__((constructor)) static void begin(void)
{
	const char *value = getenv("SLOW_CLOCK");
	struct timespec now;

	if (machine_gettime)
		return;
	machine_ppoll = (typeof(machine_ppoll))dlsym(RTLD_NEXT, "ppoll");
	/* A symbol of this name with another layout of the condition exists for old programs. */
	machine_timedwait = (typeof(machine_timedwait))dlvsym(RTLD_NEXT, "pthread_cond_timedwait",
							      "GLIBC_2.3.2");
	machine_gettime = (typeof(machine_gettime))dlsym(RTLD_NEXT, "clock_gettime");
	for (size_t i = 0; i < sizeof(slowed) / sizeof(slowed[0]); i++) {
		machine_gettime(slowed[i], &now);
		start[slowed[i]] = to_ns(&now);
	}
	if (value && atoi(value) > 0)
		factor = atoi(value);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int err;

	begin();
	err = machine_gettime(clock, time);
	if (!err && clock >= 0 && clock <= CLOCK_BOOTTIME && start[clock])
		*time = from_ns(start[clock] + (to_ns(time) - start[clock]) / factor);
	return err;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;
	int err = clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	*time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return err;
}

/* The limit is in slow time. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *signals)
{
	struct timespec longer;

	begin();
	if (limit)
		longer = from_ns(to_ns(limit) * factor);
	return machine_ppoll(fds, count, limit ? &longer : NULL, signals);
}

/*
 * The end is in slow time, and has long passed on the machine's clock. The emulator waits so for the
 * answers of a device in another process. The monotonic clock never gets as far as today's date.
 */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
			   const struct timespec *restrict end)
{
	struct timespec later;
	int64_t from;

	begin();
	from = start[to_ns(end) < start[CLOCK_REALTIME] ? CLOCK_MONOTONIC : CLOCK_REALTIME];
	later = from_ns(from + (to_ns(end) - from) * factor);
	return machine_timedwait(cond, mutex, &later);
}
