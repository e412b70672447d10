/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sandbox of a process that serves an untrusted VMM.
 */
#ifndef BYPASS_TOOL_SANDBOX_H
#define BYPASS_TOOL_SANDBOX_H

/*
 * Give up root: root becomes @user; for other users @user is unused. Everything that needs a privilege
 * must be open before. Returns 0, or a negative errno with bypass_error().
 */
int sandbox_become(const char *user);

/* Then give up most system calls for good. Returns likewise. */
int sandbox_enter(void);

#endif
