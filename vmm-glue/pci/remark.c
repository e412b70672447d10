// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A wish of the guest that cannot be served is no error of a call: it becomes a remark, in the
 * log and among the VM's events.
 */
#include <stdarg.h>
#include <stdio.h>

#include <bypass/log.h>

#include "internal.h"

/* A hostile guest can cause remarks without end. One function gets this many until a reset. */
#define REMARKS_MAX 16

void remark(struct function *fn, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	if (fn->remarks >= REMARKS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vm_events_remark(fn, text);
	bypass_log(BYPASS_LOG_WARN, "%s (%02x.%x): %s%s", fn->slice->name, fn->devfn >> 3,
		   fn->devfn & 7, text,
		   ++fn->remarks == REMARKS_MAX ? " (no more remarks until the guest resets)" : "");
}
