// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How a carving begins and ends: with a ledger in which no step is done, and with one in which all
 * are; or, when a step failed, with none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

static void make_id(char id[BYPASS_CARVING_ID_SIZE])
{
	uint64_t number = 0;

	/* The time does as well: the lock on the function keeps two carvings apart. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number)) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		number = now.tv_sec * 1000000000ull + now.tv_nsec;
	}
	snprintf(id, BYPASS_CARVING_ID_SIZE, "%016" PRIx64, number);
}

int carving_begin(struct ledger *ledger, const char *name)
{
	/* The checks saw no ledger, but that was without the function's lock. */
	struct ledger there = {.directory = ledger->directory, .lock = -1};
	int err;

	snprintf(there.function, sizeof(there.function), "%s", ledger->function);
	err = ledger_load(&there);
	if (!err)
		err = bypass_fail(EBUSY, "%s has just been carved by process %d", ledger->function,
				  there.pid);
	there.directory = -1;
	ledger_close(&there);
	if (err != -ENOENT)
		return err;
	ledger->state = LEDGER_CARVING;
	ledger_boot(ledger->boot);
	make_id(ledger->id);
	ledger->since = time(NULL);
	ledger->pid = getpid();
	if (name)
		snprintf(ledger->name, sizeof(ledger->name), "%s", name);
	fault_point("ledger locked");
	return ledger_save(ledger);
}

int carving_end(struct ledger *ledger, int err)
{
	char failure[1024];

	if (!err) {
		ledger->state = LEDGER_CARVED;
		err = ledger_save(ledger);
	}
	if (!err) {
		fault_point("carved");
		return 0;
	}
	snprintf(failure, sizeof(failure), "%s", bypass_error());
	if (ledger_undo(ledger, NULL))
		return bypass_fail(-err, "%s.\nUndoing the steps before it failed too: %s", failure,
				   bypass_error());
	return bypass_fail(-err, "%s.\nThe steps before it were undone", failure);
}
