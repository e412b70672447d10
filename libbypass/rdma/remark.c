// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the log is told because of what a guest did. A guest can repeat that without end, and so the
 * log gets a bounded number of lines for one slice.
 */
#include <stdarg.h>
#include <stdio.h>

#include <bypass/log.h>

#include "internal.h"

#define RDMA_REMARKS_MAX 16

void rdma_remark(struct rdma_slice *s, const char *fmt, ...)
{
	unsigned int n = atomic_load(&s->remarks);
	char text[512];
	va_list ap;

	do {
		if (n == RDMA_REMARKS_MAX)
			return;
	} while (!atomic_compare_exchange_weak(&s->remarks, &n, n + 1));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bypass_log(BYPASS_LOG_WARN, "%s: %s%s", s->dev.name, text,
		   n + 1 == RDMA_REMARKS_MAX ? " (the last such remark)" : "");
}
