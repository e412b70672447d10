// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Objects of one kind by number, as the driver names them. */
#include <stdlib.h>

#include "hca.h"

int table_open(struct table *table, uint32_t log_size, uint32_t first, uint32_t limit)
{
	table->size = 1u << log_size;
	table->first = table->next = first;
	table->limit = limit;
	table->slots = calloc(table->size, sizeof(*table->slots));
	return table->slots ? 0 : -1;
}

/* A number is not given again soon: what still names a dead object then names nothing. */
uint32_t table_add(struct table *table, void *object)
{
	uint32_t number = table->next;

	if (table->count >= table->limit)
		return 0;
	for (uint32_t i = table->first; i < table->size; i++, number++) {
		if (number >= table->size)
			number = table->first;
		if (!table->slots[number]) {
			table->slots[number] = object;
			table->next = number + 1;
			table->count++;
			return number;
		}
	}
	return 0;
}

bool table_add_at(struct table *table, uint32_t number, void *object)
{
	if (table->slots[number])
		return false;
	table->slots[number] = object;
	table->count++;
	return true;
}

void *table_get(const struct table *table, uint32_t number)
{
	return number < table->size ? table->slots[number] : NULL;
}

void table_remove(struct table *table, uint32_t number)
{
	if (!table->slots[number])
		return;
	table->slots[number] = NULL;
	table->count--;
}
