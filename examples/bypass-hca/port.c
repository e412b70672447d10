// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The port of a function: addresses, state, and the registers that describe the link. */
#include <stdio.h>

#include "hca.h"
#include "layout.h"

#define GUID_BASE	 0x0262797061730000ull /* locally administered */
#define ALL_ENTRIES	 0xffff
#define GIDS		 8
#define STATE_DOWN	 1
#define STATE_ACTIVE	 4
#define PHYSICAL_POLLING 2
#define PHYSICAL_UP	 5
#define PORT_EVENT_PORT	 8    /* byte of an event's data: the port's number, in the upper half */
#define VPORT_UP	 0x11 /* wanted, and so */
#define VPORT_DOWN	 0x10 /* up is wanted */
#define CAPABILITIES	 0x02010008 /* extended speeds, client reregistration, SL mapping */
#define SUBNET_TIMEOUT	 18

#define REGISTER_PMTU 0x5003
#define REGISTER_PTYS 0x5004
#define REGISTER_PVLC 0x500f
#define REGISTER_NODE 0x6001 /* description of the node, as text */

/* A port GUID is its node's GUID plus one. */
uint64_t port_guid(const struct hca *hca)
{
	return GUID_BASE + hca->lid * 16 + 1;
}

/*
 * GID 1 maps an IPv4 address, for programs that look for one. The addresses are 10.7.0.LID.
 */
bool port_gid(const struct hca *hca, unsigned int index, uint8_t gid[16])
{
	memset(gid, 0, 16);
	if (index == 0) {
		gid[0] = 0xfe;
		gid[1] = 0x80;
		put_be64(gid + 8, port_guid(hca));
	} else if (index == 1) {
		gid[10] = gid[11] = 0xff;
		put_be32(gid + 12, 10u << 24 | 7u << 16 | hca->lid);
	}
	return index < 2;
}

struct hca *port_find(const struct hca *from, uint32_t lid)
{
	struct hca *to = lid && lid <= HCA_FUNCTIONS ? from->subnet->functions[lid - 1] : NULL;

	return to && !to->port_down && !from->port_down ? to : NULL;
}

void port_set(struct hca *hca, bool up)
{
	uint8_t data[28] = {[PORT_EVENT_PORT] = 1 << 4};

	if (hca->port_down == !up)
		return;
	hca->port_down = !up;
	event_post(hca, EVENT_PORT, up ? STATE_ACTIVE : STATE_DOWN, data);
}

enum status port_query(struct hca *hca, const struct command *cmd)
{
	uint32_t state = hca->port_down ? STATE_DOWN : STATE_ACTIVE;
	uint8_t *context = cmd->out + CMD_CONTEXT;

	field_set(context, VPORT_PHYSICAL, hca->port_down ? PHYSICAL_POLLING : PHYSICAL_UP);
	field_set(context, VPORT_PORT_STATE, state);
	field_set(context, VPORT_STATE, state);
	field_set(context, VPORT_SYSTEM_GUID, port_guid(hca) - 1);
	field_set(context, VPORT_PORT_GUID, port_guid(hca));
	field_set(context, VPORT_NODE_GUID, port_guid(hca) - 1);
	field_set(context, VPORT_CAPABILITIES, CAPABILITIES);
	field_set(context, VPORT_LID, hca->lid);
	field_set(context, VPORT_SM_LID, 1);
	field_set(context, VPORT_SUBNET_TIMEOUT, SUBNET_TIMEOUT);
	return STATUS_OK;
}

enum status port_gid_query(struct hca *hca, const struct command *cmd)
{
	uint32_t index = field_get(cmd->in, CMD_INDEX);

	field_set(cmd->out, GIDS_NUM, index == ALL_ENTRIES ? GIDS : 1);
	for (unsigned int i = 0; index == ALL_ENTRIES && i < GIDS; i++)
		port_gid(hca, i, cmd->out + CMD_CONTEXT + 16 * i);
	if (index != ALL_ENTRIES)
		port_gid(hca, index, cmd->out + CMD_CONTEXT);
	return STATUS_OK;
}

/* One P_Key, the default one: an entry has 32 bits. */
enum status port_pkey_query(struct hca *hca, const struct command *cmd)
{
	uint32_t index = field_get(cmd->in, CMD_INDEX);

	(void)hca;
	if (index == 0 || index == ALL_ENTRIES)
		put_be32(cmd->out + CMD_CONTEXT, 0xffff);
	return STATUS_OK;
}

enum status port_state_query(struct hca *hca, const struct command *cmd)
{
	field_set(cmd->out, VPORT_STATES, hca->port_down ? VPORT_DOWN : VPORT_UP);
	return STATUS_OK;
}

void traffic_add(struct traffic *traffic, uint32_t length)
{
	traffic->packets += length ? (length + HCA_MTU - 1) / HCA_MTU : 1;
	traffic->octets += length;
}

static void put_traffic(uint8_t *to, const struct traffic *traffic)
{
	put_be64(to, traffic->packets);
	put_be64(to + 8, traffic->octets);
}

enum status port_counters(struct hca *hca, const struct command *cmd)
{
	put_traffic(cmd->out + COUNTERS_RECEIVED_UNICAST, &hca->received[0]);
	put_traffic(cmd->out + COUNTERS_SENT_UNICAST, &hca->sent[0]);
	put_traffic(cmd->out + COUNTERS_RECEIVED_MULTICAST, &hca->received[1]);
	put_traffic(cmd->out + COUNTERS_SENT_MULTICAST, &hca->sent[1]);
	return STATUS_OK;
}

/* What the driver writes to a register has no effect. */
enum status port_register(struct hca *hca, const struct command *cmd)
{
	uint8_t *data = cmd->out + CMD_CONTEXT;

	switch (field_get(cmd->in, CMD_REGISTER)) {
	case REGISTER_PTYS: /* four lanes, EDR */
		field_set(data, PTYS_PROTOCOL, 1);
		field_set(data, PTYS_WIDTHS, 4);
		field_set(data, PTYS_WIDTH, 4);
		field_set(data, PTYS_SPEEDS, 0x3f);
		field_set(data, PTYS_SPEED, 0x20);
		break;
	case REGISTER_PMTU:
		field_set(data, PMTU_MAX, HCA_MTU);
		field_set(data, PMTU_ADMIN, HCA_MTU);
		field_set(data, PMTU_OPERATIONAL, HCA_MTU);
		break;
	case REGISTER_PVLC:
		field_set(data, PVLC_HARDWARE, 4);
		field_set(data, PVLC_ADMIN, 4);
		field_set(data, PVLC_OPERATIONAL, 4);
		break;
	case REGISTER_NODE:
		snprintf((char *)data, 64, "%s", hca->slice.name);
		break;
	}
	return STATUS_OK;
}
