// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The dialects that there are.
 */
#include <stddef.h>
#include <string.h>

#include "dialect.h"

static const struct rdma_dialect *const dialects[] = {&rdma_dialect_rxe, &rdma_dialect_mlx5};

const struct rdma_dialect *rdma_dialect_find(uint32_t driver_id)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
		if (dialects[i]->driver_id == driver_id)
			return dialects[i];
	}
	return NULL;
}

const struct rdma_dialect *rdma_dialect_named(const char *name)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
		if (!strcmp(dialects[i]->name, name))
			return dialects[i];
	}
	return NULL;
}
