// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Objects that are a number and nothing else: protection domains, XRC domains. */
#include "hca.h"
#include "layout.h"

static enum status alloc(struct table *table, const struct command *cmd)
{
	uint32_t number = table_add(table, table);

	if (!number)
		return STATUS_LIMIT;
	field_set(cmd->out, CMD_NUMBER, number);
	return STATUS_OK;
}

static enum status dealloc(struct table *table, const struct command *cmd)
{
	uint32_t number = field_get(cmd->in, CMD_NUMBER);

	if (!table_get(table, number))
		return STATUS_BAD_RESOURCE;
	table_remove(table, number);
	return STATUS_OK;
}

enum status pd_alloc(struct hca *hca, const struct command *cmd)
{
	return alloc(&hca->pds, cmd);
}

enum status pd_dealloc(struct hca *hca, const struct command *cmd)
{
	return dealloc(&hca->pds, cmd);
}

enum status xrcd_alloc(struct hca *hca, const struct command *cmd)
{
	return alloc(&hca->xrcds, cmd);
}

enum status xrcd_dealloc(struct hca *hca, const struct command *cmd)
{
	return dealloc(&hca->xrcds, cmd);
}
