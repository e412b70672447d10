// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Event queues: entries of 64 bytes, of which the device owns those whose last bit is not the parity
 * of its round, and the interrupt that tells of them.
 */
#include <stdlib.h>
#include <sys/eventfd.h>

#include "hca.h"
#include "layout.h"

#define EQE_SIZE    64
#define EQE_TYPE    1
#define EQE_SUBTYPE 3
#define EQE_DATA    32
#define EQE_OWNER   63

static void raise_vector(struct hca *hca, uint32_t vector)
{
	hca->interrupts++;
	if (vector < HCA_VECTORS && hca->fds[vector] >= 0)
		eventfd_write(hca->fds[vector], 1);
}

void eq_post(struct hca *hca, uint32_t eqn, uint8_t type, uint8_t subtype, const uint8_t data[28])
{
	struct eq *eq = table_get(&hca->eqs, eqn);
	uint8_t entry[EQE_SIZE] = {0};
	uint64_t at;

	if (!eq)
		return;
	if (((eq->producer - eq->consumer) & 0xffffff) >= 1u << eq->log_size) {
		log_limited(&hca->log, "%s: EQ %u is full: an event of type 0x%x is lost",
			    hca->slice.name, eqn, type);
		return;
	}
	at = (uint64_t)(eq->producer & ((1u << eq->log_size) - 1)) * EQE_SIZE;
	entry[EQE_TYPE] = type;
	entry[EQE_SUBTYPE] = subtype;
	memcpy(entry + EQE_DATA, data, 28);
	entry[EQE_OWNER] = eq->producer >> eq->log_size & 1;
	if (!ring_write(hca, &eq->ring, at, entry, EQE_OWNER))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	ring_write(hca, &eq->ring, at + EQE_OWNER, entry + EQE_OWNER, 1);
	eq->producer++;
	if (eq->armed) {
		eq->armed = false;
		raise_vector(hca, eq->vector);
	}
}

void event_post(struct hca *hca, enum event_type type, uint8_t subtype, const uint8_t data[28])
{
	for (uint32_t i = hca->eqs.first; i < hca->eqs.size; i++) {
		const struct eq *eq = table_get(&hca->eqs, i);

		if (eq && eq->events[type / 64] >> type % 64 & 1) {
			eq_post(hca, i, type, subtype, data);
			return;
		}
	}
}

void event_of_object(struct hca *hca, enum event_type type, uint32_t number)
{
	uint8_t data[28] = {0};

	put_be32(data + 24, number);
	event_post(hca, type, 0, data);
}

void eq_doorbell(struct hca *hca, uint32_t value, bool arm)
{
	struct eq *eq = table_get(&hca->eqs, value >> 24);

	if (!eq)
		return;
	eq->consumer = value & 0xffffff;
	if (!arm)
		return;
	eq->armed = (eq->producer & 0xffffff) == eq->consumer;
	if (!eq->armed)
		raise_vector(hca, eq->vector);
}

enum status eq_create(struct hca *hca, const struct command *cmd)
{
	const uint8_t *context = cmd->in + CMD_CONTEXT;
	struct eq *eq = calloc(1, sizeof(*eq));
	enum status status = STATUS_LIMIT;
	uint32_t number;

	if (!eq)
		return STATUS_LIMIT;
	eq->log_size = field_get(context, EQC_LOG_SIZE);
	eq->vector = field_get(context, EQC_VECTOR);
	for (unsigned int i = 0; i < 4; i++)
		eq->events[i] = get_be64(cmd->in + CMD_EQ_EVENTS + 8 * i);
	if (eq->log_size > HCA_LOG_CQ_ENTRIES) {
		status = STATUS_BAD_PARAMETER;
		goto fail;
	}
	status = ring_open(&eq->ring, cmd->in + CMD_PAGES, command_left(cmd, CMD_PAGES),
			   field_get(context, EQC_LOG_PAGE), field_get(context, EQC_PAGE_OFFSET),
			   (uint64_t)EQE_SIZE << eq->log_size);
	if (status)
		goto fail;
	number = table_add(&hca->eqs, eq);
	if (!number) {
		status = STATUS_LIMIT;
		goto fail;
	}
	if (eq->events[0] >> EVENT_COMMAND & 1)
		hca->command_events = true;
	field_set(cmd->out, CMD_EQN, number);
	return STATUS_OK;

fail:
	ring_close(&eq->ring);
	free(eq);
	return status;
}

void eq_free(struct hca *hca, uint32_t number)
{
	struct eq *eq = table_get(&hca->eqs, number);

	if (!eq)
		return;
	if (eq->events[0] >> EVENT_COMMAND & 1)
		hca->command_events = false;
	table_remove(&hca->eqs, number);
	ring_close(&eq->ring);
	free(eq);
}

enum status eq_destroy(struct hca *hca, const struct command *cmd)
{
	uint32_t number = field_get(cmd->in, CMD_EQN);

	if (!table_get(&hca->eqs, number))
		return STATUS_BAD_RESOURCE;
	eq_free(hca, number);
	return STATUS_OK;
}

enum status eq_query(struct hca *hca, const struct command *cmd)
{
	const struct eq *eq = table_get(&hca->eqs, field_get(cmd->in, CMD_EQN));

	if (!eq)
		return STATUS_BAD_RESOURCE;
	field_set(cmd->out + CMD_CONTEXT, EQC_LOG_SIZE, eq->log_size);
	field_set(cmd->out + CMD_CONTEXT, EQC_VECTOR, eq->vector);
	return STATUS_OK;
}
