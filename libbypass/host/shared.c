// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Changes that several carvings have made together: settings of a network device that several RDMA
 * slices are on. Each ledger has the change, and the last one that is released undoes it. Whoever
 * looks has the lock over all ledgers.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* Has the ledger of @key the step? */
static bool has_step(const char *key, const struct step *step, char from[HOST_VALUE_SIZE])
{
	struct ledger other;
	bool found = false;

	if (!ledger_peek(&other, key) && !ledger_load(&other) && ledger_is_of_this_boot(&other))
		for (size_t i = 0; i < other.step_count && !found; i++) {
			const struct step *each = &other.step[i];

			found = each->kind == step->kind && each->instance == step->instance &&
				!strcmp(each->function, step->function) &&
				!strcmp(each->attribute, step->attribute) &&
				!strcmp(each->to, step->to);
			if (found)
				strcpy(from, each->from);
		}
	ledger_close(&other);
	return found;
}

bool step_is_shared(const struct step *step, const struct ledger *ledger,
		    char from[HOST_VALUE_SIZE])
{
	char(*keys)[BYPASS_ADDRESS_SIZE] = NULL;
	int count = ledger_list(ledger->directory, &keys);
	bool shared = false;

	for (int i = 0; i < count && !shared; i++)
		if (strcmp(keys[i], ledger->function))
			shared = has_step(keys[i], step, from);
	free(keys);
	return shared;
}
