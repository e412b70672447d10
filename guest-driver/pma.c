// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The port counters that every HCA of InfiniBand has, in counters/ of sysfs. The core asks for them
 * by datagrams to the port's performance management agent (PMA; InfiniBand Architecture Specification,
 * volume 1, 16.1). The module answers in its place, with the host's values. No other management
 * datagram gets here: the port carries none.
 */
#include <linux/slab.h>
#include <rdma/ib_mad.h>
#include <rdma/ib_pma.h>

#include "internal.h"

#define PMA_DATA 40 /* where an attribute begins in the data of a datagram */

/* A counter's name in sysfs, and its place in an attribute, from its begin. */
struct pma_field {
	const char *name;
	__be16 attribute;
	u8 offset; /* in bytes */
	u8 shift;  /* of the lowest bit in its byte */
	u8 bits;
};

#define FIELD(name_, id, type, member)                                                             \
	{                                                                                          \
		.name = name_, .attribute = id, .offset = offsetof(struct type, member),           \
		.bits = 8 * sizeof_field(struct type, member)                                      \
	}
#define PORT(name, member)  FIELD(name, IB_PMA_PORT_COUNTERS, ib_pma_portcounters, member)
#define WIDER(name, member) FIELD(name, IB_PMA_PORT_COUNTERS_EXT, ib_pma_portcounters_ext, member)

/* Where the core finds the wider ones, it does not ask for the others of the same name. */
static const struct pma_field fields[] = {
	PORT("symbol_error", symbol_error_counter),
	PORT("link_error_recovery", link_error_recovery_counter),
	PORT("link_downed", link_downed_counter),
	PORT("port_rcv_errors", port_rcv_errors),
	PORT("port_rcv_remote_physical_errors", port_rcv_remphys_errors),
	PORT("port_rcv_switch_relay_errors", port_rcv_switch_relay_errors),
	PORT("port_xmit_discards", port_xmit_discards),
	PORT("port_xmit_constraint_errors", port_xmit_constraint_errors),
	PORT("port_rcv_constraint_errors", port_rcv_constraint_errors),
	{"local_link_integrity_errors", IB_PMA_PORT_COUNTERS,
	 offsetof(struct ib_pma_portcounters, link_overrun_errors), 4, 4},
	{"excessive_buffer_overrun_errors", IB_PMA_PORT_COUNTERS,
	 offsetof(struct ib_pma_portcounters, link_overrun_errors), 0, 4},
	PORT("VL15_dropped", vl15_dropped),
	PORT("port_xmit_wait", port_xmit_wait),
	WIDER("port_xmit_data", port_xmit_data),
	WIDER("port_rcv_data", port_rcv_data),
	WIDER("port_xmit_packets", port_xmit_packets),
	WIDER("port_rcv_packets", port_rcv_packets),
	WIDER("unicast_xmit_packets", port_unicast_xmit_packets),
	WIDER("unicast_rcv_packets", port_unicast_rcv_packets),
	WIDER("multicast_xmit_packets", port_multicast_xmit_packets),
	WIDER("multicast_rcv_packets", port_multicast_rcv_packets),
};

static const struct pma_field *find_field(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

/* A counter that has reached its end stays there. */
static void put(u8 *attribute, const struct pma_field *field, u64 value)
{
	u8 *at = attribute + field->offset;
	u32 byte = field->bits / 8;

	value = min_t(u64, value, GENMASK_ULL(field->bits - 1, 0));
	if (!byte)
		*at |= value << field->shift;
	for (; byte; value >>= 8)
		at[--byte] = value;
}

static int put_counters(struct bypass_dev *dev, u32 port, __be16 attribute, u8 *data)
{
	struct bypass_rdma_counters *response;
	u32 count, pma;

	response = bypass_ask_counters(dev, port, &count, &pma);
	if (IS_ERR(response))
		return PTR_ERR(response);
	for (u32 i = count - pma; i < count; i++) {
		const struct pma_field *field;

		response->counter[i].name[sizeof(response->counter[i].name) - 1] = '\0';
		field = find_field(response->counter[i].name);
		if (field && field->attribute == attribute)
			put(data, field, le64_to_cpu(response->counter[i].value));
	}
	kfree(response);
	return 0;
}

static int process_mad(struct ib_device *ibdev, int flags, u32 port, const struct ib_wc *wc,
		       const struct ib_grh *grh, const struct ib_mad *in, struct ib_mad *out,
		       size_t *out_size, u16 *out_pkey_index)
{
	struct ib_class_port_info *info = (void *)(out->data + PMA_DATA);

	if (in->mad_hdr.mgmt_class != IB_MGMT_CLASS_PERF_MGMT ||
	    in->mad_hdr.method != IB_MGMT_METHOD_GET)
		return IB_MAD_RESULT_SUCCESS; /* nobody answers */
	memset(out, 0, sizeof(*out));
	out->mad_hdr = in->mad_hdr;
	out->mad_hdr.method = IB_MGMT_METHOD_GET_RESP;
	switch (in->mad_hdr.attr_id) {
	case IB_PMA_CLASS_PORT_INFO:
		info->capability_mask = IB_PMA_CLASS_CAP_EXT_WIDTH;
		break;
	case IB_PMA_PORT_COUNTERS:
	case IB_PMA_PORT_COUNTERS_EXT:
		if (put_counters(to_dev(ibdev), port, in->mad_hdr.attr_id, out->data + PMA_DATA))
			return IB_MAD_RESULT_FAILURE;
		break;
	default:
		return IB_MAD_RESULT_SUCCESS;
	}
	return IB_MAD_RESULT_SUCCESS | IB_MAD_RESULT_REPLY;
}

static const struct ib_device_ops pma_ops = {
	.process_mad = process_mad,
};

/* After bypass_counters_setup(). Where the host names such counters, the core shows counters/ to programs. */
void bypass_pma_setup(struct bypass_dev *dev)
{
	for (u32 port = 0; port < dev->ibdev.phys_port_cnt; port++)
		if (dev->ports[port].pma_count)
			ib_set_device_ops(&dev->ibdev, &pma_ops);
}
