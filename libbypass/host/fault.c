// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Fault points, in test builds only: the process is killed at the point whose number is in
 * BYPASS_FAULT_POINT, counted from 1 in the order in which they are passed. Those whose name is in
 * BYPASS_FAULT_SKIP do not count.
 */
#ifdef BYPASS_FAULT_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bypass/log.h>

#include "internal.h"

void fault_point(const char *where)
{
	static int passed;
	const char *chosen = getenv("BYPASS_FAULT_POINT"), *skipped = getenv("BYPASS_FAULT_SKIP");

	if (!chosen || (skipped && !strcmp(skipped, where)) || ++passed != atoi(chosen))
		return;
	bypass_log(BYPASS_LOG_WARN, "fault point %d: %s", passed, where);
	kill(getpid(), SIGKILL);
}
#endif
