/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bypass serve does for one VMM that speaks vfio-user.
 */
#ifndef BYPASS_TOOL_SERVE_H
#define BYPASS_TOOL_SERVE_H

#include <stdbool.h>
#include <stdint.h>

struct bypass_slice;

/* What the loop slice has done. */
struct echo {
	struct bypass_slice *slice;
	uint64_t requests;
};

/* Opens a loop slice that sends each request back, and counts in @echo. */
int open_echo(struct echo *echo, struct bypass_slice **slice);

/*
 * Serves @slice to one VMM until the VMM goes; @connection is taken over. @echo is that of a loop
 * slice, or NULL. @dead is set when the slice dies meanwhile. Returns 0, -EINTR when @stop_fd is readable, or an error with bypass_error().
 */
int serve_vfio_user(struct bypass_slice *slice, int connection, int stop_fd, struct echo *echo,
		    bool *dead);

#endif
