// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Handle tables: the guest names objects by index, and reaches only its own objects.
 */
#include <errno.h>
#include <stdlib.h>

#include <bypass/error.h>

#include "internal.h"

int rdma_table_init(struct rdma_table *table, const char *what, uint32_t size)
{
	*table = (struct rdma_table){
		.what = what,
		.objects = calloc(size, sizeof(*table->objects)),
		.size = size,
	};
	if (!table->objects)
		return bypass_fail(ENOMEM, "no memory for a table of %u %s", size, what);
	return 0;
}

void rdma_table_free(struct rdma_table *table)
{
	free(table->objects);
	*table = (struct rdma_table){0};
}

int rdma_table_take(struct rdma_table *table, uint32_t ucontext, uint32_t *handle)
{
	uint32_t i = table->next;

	if (table->live == table->size)
		return bypass_fail(EDQUOT, "the guest holds all %u %s of its quota", table->size,
				   table->what);
	while (table->objects[i].live)
		i = (i + 1) % table->size;
	table->objects[i] = (struct rdma_object){.live = true, .ucontext = ucontext};
	table->live++;
	table->next = (i + 1) % table->size;
	*handle = i;
	return 0;
}

void rdma_table_put(struct rdma_table *table, uint32_t handle)
{
	table->objects[handle] = (struct rdma_object){0};
	table->live--;
}

struct rdma_object *rdma_table_get(const struct rdma_table *table, uint32_t handle)
{
	if (handle < table->size && table->objects[handle].live)
		return &table->objects[handle];
	bypass_fail(EBADF, "handle %u is not among the guest's %s", handle, table->what);
	return NULL;
}
