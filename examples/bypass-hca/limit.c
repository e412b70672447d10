// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How many objects a function has at the most, as an option says. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>

#include "hca.h"

const struct limits limits_default = {
	.qps = 1u << HCA_LOG_QPS,
	.cqs = 1u << HCA_LOG_CQS,
	.srqs = 1u << HCA_LOG_SRQS,
	.mkeys = 1u << HCA_LOG_MKEYS,
	.pds = 1u << HCA_LOG_PDS,
	.tables = HCA_TABLES_MIB,
};

/* @least: what the driver itself needs before a program has anything */
static const struct {
	const char *name;
	size_t offset;
	uint32_t least;
} names[] = {
	{"qp", offsetof(struct limits, qps), 16},   {"cq", offsetof(struct limits, cqs), 16},
	{"srq", offsetof(struct limits, srqs), 16}, {"mr", offsetof(struct limits, mkeys), 64},
	{"pd", offsetof(struct limits, pds), 16},   {"tables", offsetof(struct limits, tables), 1},
};

static uint32_t *place(struct limits *limits, size_t offset)
{
	return (uint32_t *)(void *)((char *)limits + offset);
}

int limits_set(struct limits *limits, const char *text)
{
	size_t length = strcspn(text, "=");

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct limits most = limits_default;
		uint32_t n = *place(&most, names[i].offset);
		unsigned long long value;
		char *end;

		if (strlen(names[i].name) != length || strncmp(text, names[i].name, length) != 0)
			continue;
		value = strtoull(text + length + 1 - !text[length], &end, 10);
		if (!text[length] || *end || end == text + length + 1 || value < names[i].least ||
		    value > n)
			return bypass_fail(EINVAL, "the limit '%s' wants a number from %u to %u",
					   text, names[i].least, n);
		*place(limits, names[i].offset) = value;
		return 0;
	}
	return bypass_fail(EINVAL,
			   "no limit is called '%.*s': there are qp, cq, srq, mr, pd, tables",
			   (int)length, text);
}
