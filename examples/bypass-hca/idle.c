// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long the thread sleeps while doorbells may ring in shared memory, where no store wakes anybody. The
 * thread looks on for a while after the last work, then sleeps longer the longer nothing happens. A look
 * costs more on one machine than on another: the longest sleep is as long as makes the looks of an idle
 * model one part in IDLE_SHARE of a CPU.
 */
#include "hca.h"

#define AWAKE	   100000ull  /* ns without a sleep after the last work */
#define GROWTH	   4	      /* a sleep is this part of the time without work */
#define SLEEP_MIN  1000000ull /* of the longest sleep */
#define SLEEP_MAX  500000000ull
#define IDLE_SHARE 500
#define SMOOTHING  8

/* The CPU time of one sleep, the look before it, and what it costs to wake */
static void measure(struct idle *idle, uint64_t cpu)
{
	if (idle->cpu)
		idle->cost += ((int64_t)(cpu - idle->cpu) - idle->cost) / SMOOTHING;
	idle->cpu = cpu;
}

static uint64_t longest(const struct idle *idle)
{
	uint64_t ns = idle->cost * IDLE_SHARE;

	if (ns < SLEEP_MIN)
		return SLEEP_MIN;
	return ns < SLEEP_MAX ? ns : SLEEP_MAX;
}

bool idle_is_over(struct idle *idle, bool worked, uint64_t now)
{
	if (worked)
		idle->since = now;
	if (now - idle->since >= AWAKE)
		return false;
	idle->cpu = 0;
	return true;
}

uint64_t idle_sleep(struct idle *idle, uint64_t now, uint64_t cpu)
{
	uint64_t ns = (now - idle->since) / GROWTH, most;

	measure(idle, cpu);
	most = longest(idle);
	return ns < most ? ns : most;
}
