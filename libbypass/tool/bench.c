// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bypass bench: what each way of doing I/O costs on this machine. Runs the program bypass-bench,
 * which is installed beside this one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define PROGRAM "bypass-bench"

static enum exit_code bench_run(int argc, char **argv)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
	char *slash;

	(void)argc;
	path[length < 0 ? 0 : length] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
		execv(path, argv);
	}
	execvp(PROGRAM, argv);
	bypass_fail(errno, "%s cannot be started: %s; it belongs beside this command", PROGRAM,
		    strerror(errno));
	return failed();
}

const struct command command_bench = {
	.name = "bench",
	.summary = "measure what each way of doing I/O costs",
	.usage = "bypass bench [--json[=FILE]] [--plot DIR] [--check FILE] [--rounds N] "
		 "[--verify N]",
	.run = bench_run,
};
