// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* All objects of a function: none after power-on, none after a reset, none once the driver is gone. */
#include <errno.h>
#include <stdlib.h>

#include <bypass/error.h>

#include "hca.h"

#define FIRST_QPN  0x40 /* those below are special */
#define FIRST_MKEY 2	/* 1 is the reserved key, which stands for the end of a list */

int hca_objects_open(struct hca *hca)
{
	const struct limits *limits = &hca->subnet->limits;

	if (table_open(&hca->eqs, HCA_LOG_EQS, 1, UINT32_MAX) ||
	    table_open(&hca->cqs, HCA_LOG_CQS, 1, limits->cqs) ||
	    table_open(&hca->qps, HCA_LOG_QPS, FIRST_QPN, limits->qps) ||
	    table_open(&hca->srqs, HCA_LOG_SRQS, 1, limits->srqs) ||
	    table_open(&hca->mkeys, HCA_LOG_MKEYS, FIRST_MKEY, limits->mkeys) ||
	    table_open(&hca->pds, HCA_LOG_PDS, 1, limits->pds) ||
	    table_open(&hca->xrcds, HCA_LOG_XRCDS, 1, UINT32_MAX) ||
	    table_open(&hca->uars, HCA_LOG_UARS, HCA_FIRST_SHARED, UINT32_MAX))
		return bypass_fail(ENOMEM, "%s: no memory for its tables of objects",
				   hca->slice.name);
	return 0;
}

static void free_all(struct hca *hca, struct table *table,
		     void (*object_free)(struct hca *hca, uint32_t number))
{
	for (uint32_t i = 0; table->count && i < table->size; i++)
		object_free(hca, i);
	table->next = table->first;
}

static void remove_all(struct table *table)
{
	for (uint32_t i = 0; table->count && i < table->size; i++)
		table_remove(table, i);
	table->next = table->first;
}

void hca_objects_clear(struct hca *hca)
{
	free_all(hca, &hca->qps, qp_free);
	free_all(hca, &hca->srqs, srq_free);
	free_all(hca, &hca->cqs, cq_free);
	free_all(hca, &hca->eqs, eq_free);
	free_all(hca, &hca->mkeys, mkey_free);
	remove_all(&hca->pds);
	remove_all(&hca->xrcds);
	remove_all(&hca->uars);
	hca->n_members = 0;
	hca->command_events = false;
	capabilities_power_on(hca);
}

void hca_fail(struct hca *hca)
{
	hca_objects_clear(hca);
	hca->failed = true;
}

/* A driver that was killed, or a kernel that was replaced, has destroyed nothing. */
enum status hca_enable(struct hca *hca, const struct command *cmd)
{
	(void)cmd;
	hca_objects_clear(hca);
	return STATUS_OK;
}

enum status hca_disable(struct hca *hca, const struct command *cmd)
{
	return hca_enable(hca, cmd);
}

void hca_objects_close(struct hca *hca)
{
	struct table *tables[] = {&hca->eqs,   &hca->cqs, &hca->qps,   &hca->srqs,
				  &hca->mkeys, &hca->pds, &hca->xrcds, &hca->uars};

	hca_objects_clear(hca);
	for (unsigned int i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		free(tables[i]->slots);
}
