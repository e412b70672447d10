/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cage of a process that serves an untrusted VMM.
 */
#ifndef BYPASS_TOOL_SANDBOX_H
#define BYPASS_TOOL_SANDBOX_H

/*
 * Give up root and most system calls, for good. @user: who to become; as root only.
 * All that needs a privilege must be open by now. 0, or negative with bypass_error().
 */
int sandbox_enter(const char *user);

#endif
