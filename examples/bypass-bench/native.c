// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The native side: doorbells and interrupts of an ordinary process. A doorbell is a
 * write to an eventfd, and an interrupt is a read from one. What traps in a guest is a
 * call of the same function here.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bypass/error.h>

#include "native.h"

#define SLEEP_MS 5000

static struct bench_native *native(struct bench_side *side)
{
	return side->own;
}

void side_kick(struct bench_side *side)
{
	uint64_t one = 1;

	/* A full counter is as good: the server is being woken. */
	if (write(bypass_loop_kick_fd(native(side)->ring), &one, sizeof(one)) < 0)
		return;
}

void side_trap(struct bench_side *side)
{
	struct bypass_slice *slice = native(side)->trap;
	uint32_t value = 1;

	slice->ops->bar_write(slice, BYPASS_LOOP_DOORBELL_BAR, BYPASS_LOOP_TRAP, &value,
			      sizeof(value));
}

uint32_t side_interrupts(struct bench_side *side)
{
	uint64_t count;

	if (read(native(side)->vector, &count, sizeof(count)) == sizeof(count))
		native(side)->interrupts += (uint32_t)count;
	return native(side)->interrupts;
}

bool side_sleep(struct bench_side *side, uint32_t seen)
{
	struct pollfd pollfd = {.fd = native(side)->vector, .events = POLLIN};

	while (side_interrupts(side) == seen)
		if (poll(&pollfd, 1, SLEEP_MS) == 0)
			return false;
	return true;
}
