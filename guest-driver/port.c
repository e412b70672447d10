// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ports: InfiniBand ports to the core, with the GID and P_Key tables of the slice.
 */
#include <linux/slab.h>
#include <rdma/ib_cache.h>

#include "internal.h"

/**
 * bypass_ask_port() - ask the host about a port
 * @dev: the slice
 * @number: the command, which has the port as its body
 * @port: counted from 1
 * @response: set to the answer on success
 * @response_size: bytes
 *
 * Return: as bypass_execute().
 */
int bypass_ask_port(struct bypass_dev *dev, u32 number, u32 port, void *response,
		    size_t response_size)
{
	struct bypass_rdma_port_query request = {.port = cpu_to_le32(port)};
	struct bypass_command command = {
		.number = number,
		.request = &request,
		.request_size = sizeof(request),
		.response = response,
		.response_size = response_size,
	};

	return bypass_execute(dev, &command);
}

/* The core's tables are as long as the port's were at first: later lengths do not count. */
int bypass_query_port(struct ib_device *ibdev, u32 port, struct ib_port_attr *attr)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_rdma_port response;
	int err = bypass_ask_port(dev, BYPASS_RDMA_QUERY_PORT, port, &response, sizeof(response));

	if (err)
		return err;
	attr->gid_tbl_len = dev->ports[port - 1].gid_count;
	attr->pkey_tbl_len = dev->ports[port - 1].pkey_count;
	attr->state = response.state;
	attr->phys_state = response.phys_state;
	attr->max_mtu = response.max_mtu;
	attr->active_mtu = response.active_mtu;
	attr->port_cap_flags = le32_to_cpu(response.port_cap_flags);
	attr->max_msg_sz = le32_to_cpu(response.max_msg_sz);
	attr->bad_pkey_cntr = le32_to_cpu(response.bad_pkey_cntr);
	attr->qkey_viol_cntr = le32_to_cpu(response.qkey_viol_cntr);
	attr->lid = le32_to_cpu(response.lid);
	attr->sm_lid = le32_to_cpu(response.sm_lid);
	attr->lmc = response.lmc;
	attr->max_vl_num = response.max_vl_num;
	attr->sm_sl = response.sm_sl;
	attr->subnet_timeout = response.subnet_timeout;
	attr->init_type_reply = response.init_type_reply;
	attr->active_width = response.active_width;
	attr->active_speed = le32_to_cpu(response.active_speed);
	return 0;
}

/*
 * The port is an InfiniBand port to the core, whatever the wire is. For a RoCE port the core
 * takes GIDs and MAC addresses from a network device of the guest, but they are the host's.
 * Management datagrams stay with the host.
 */
int bypass_get_port_immutable(struct ib_device *ibdev, u32 port,
			      struct ib_port_immutable *immutable)
{
	struct bypass_port *ours = &to_dev(ibdev)->ports[port - 1];

	immutable->core_cap_flags = RDMA_CORE_CAP_PROT_IB;
	if (ours->link_layer == IB_LINK_LAYER_ETHERNET)
		immutable->core_cap_flags |= RDMA_CORE_CAP_IB_GRH_REQUIRED;
	immutable->gid_tbl_len = ours->gid_count;
	immutable->pkey_tbl_len = ours->pkey_count;
	return 0;
}

enum rdma_link_layer bypass_get_link_layer(struct ib_device *ibdev, u32 port)
{
	/* The core also asks for the port that the host reports of a queue pair. */
	if (!rdma_is_port_valid(ibdev, port))
		return IB_LINK_LAYER_UNSPECIFIED;
	return to_dev(ibdev)->ports[port - 1].link_layer;
}

int bypass_query_gid(struct ib_device *ibdev, u32 port, int index, union ib_gid *gid)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_port *ours = &dev->ports[port - 1];

	if (index < 0 || index >= ours->gid_count)
		return -EINVAL;
	spin_lock_bh(&dev->port_lock);
	*gid = ours->gids[index];
	spin_unlock_bh(&dev->port_lock);
	return 0;
}

int bypass_query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_port *ours = &dev->ports[port - 1];

	if (index >= ours->pkey_count)
		return -EINVAL;
	spin_lock_bh(&dev->port_lock);
	*pkey = ours->pkeys[index];
	spin_unlock_bh(&dev->port_lock);
	return 0;
}

/* Fetches the port's GID table anew. Return: 0 or what bypass_execute() says. */
int bypass_refresh_gids(struct bypass_dev *dev, u32 port)
{
	struct bypass_port *ours = &dev->ports[port - 1];
	struct bypass_rdma_gids *response;
	u32 count;
	int err;

	response = kmalloc(sizeof(*response), GFP_KERNEL);
	if (!response)
		return -ENOMEM;
	err = bypass_ask_port(dev, BYPASS_RDMA_QUERY_GIDS, port, response, sizeof(*response));
	if (!err) {
		count = min(le32_to_cpu(response->count), ours->gid_count);
		spin_lock_bh(&dev->port_lock);
		memset(ours->gids, 0, sizeof(ours->gids));
		memcpy(ours->gids, response->gid, count * sizeof(ours->gids[0]));
		memset(ours->gid_types, 0, sizeof(ours->gid_types));
		memcpy(ours->gid_types, response->type, count);
		spin_unlock_bh(&dev->port_lock);
	}
	kfree(response);
	return err;
}

/* Likewise its P_Key table. */
int bypass_refresh_pkeys(struct bypass_dev *dev, u32 port)
{
	struct bypass_port *ours = &dev->ports[port - 1];
	struct bypass_rdma_pkeys response;
	int err = bypass_ask_port(dev, BYPASS_RDMA_QUERY_PKEYS, port, &response, sizeof(response));

	if (err)
		return err;
	spin_lock_bh(&dev->port_lock);
	memset(ours->pkeys, 0, sizeof(ours->pkeys));
	for (u32 i = 0; i < min(le32_to_cpu(response.count), ours->pkey_count); i++)
		ours->pkeys[i] = le16_to_cpu(response.pkey[i]);
	spin_unlock_bh(&dev->port_lock);
	return 0;
}

static enum ib_gid_type find_gid_type(struct bypass_dev *dev, u32 port, u32 index)
{
	u8 type;

	spin_lock_bh(&dev->port_lock);
	type = dev->ports[port - 1].gid_types[index];
	spin_unlock_bh(&dev->port_lock);
	switch (type) {
	case IB_UVERBS_GID_TYPE_ROCE_V1:
		return IB_GID_TYPE_ROCE;
	case IB_UVERBS_GID_TYPE_ROCE_V2:
		return IB_GID_TYPE_ROCE_UDP_ENCAP;
	default:
		return IB_GID_TYPE_IB;
	}
}

/*
 * To the core, the port is an InfiniBand port. The core fills the table of such a port by query_gid(),
 * which names no type, and takes each GID for InfiniBand's. Programs read the type from there: rdma-core
 * looks for the GID of a datagram's header by it, and UCX talks to GIDs of its own type alone. The core has
 * no call to set a type, so the type is written into the core's entry. The kernel's own users, who
 * look for InfiniBand's type, keep away from the device.
 */
static void name_gid_types(struct bypass_dev *dev)
{
	for (u32 port = 1; port <= dev->ibdev.phys_port_cnt; port++) {
		for (u32 i = 0; i < dev->ports[port - 1].gid_count; i++) {
			const struct ib_gid_attr *attr = rdma_get_gid_attr(&dev->ibdev, port, i);

			if (IS_ERR(attr))
				continue; /* the entry is empty */
			WRITE_ONCE(((struct ib_gid_attr *)attr)->gid_type,
				   find_gid_type(dev, port, i));
			rdma_put_gid_attr(attr);
		}
	}
}

/**
 * bypass_describe_gids() - say of each GID which RoCE version and network device it has
 * @ibdev: the device, whose tables of GIDs the core has just filled
 *
 * Return: 0, as enable_driver() of struct ib_device_ops, before programs can see the device.
 */
int bypass_describe_gids(struct ib_device *ibdev)
{
	struct bypass_dev *dev = to_dev(ibdev);

	name_gid_types(dev);
	bypass_name_netdevs(dev);
	return 0;
}

/* Each event after which the core has fetched its tables again. */
void bypass_tables_changed(struct ib_event_handler *handler, struct ib_event *event)
{
	bypass_describe_gids(event->device);
}

/* Asks the host for what the module keeps of a port, before the core knows of it. */
int bypass_port_setup(struct bypass_dev *dev, u32 port)
{
	struct bypass_port *ours = &dev->ports[port - 1];
	struct bypass_rdma_port response;
	int err = bypass_ask_port(dev, BYPASS_RDMA_QUERY_PORT, port, &response, sizeof(response));

	if (err)
		return err;
	ours->link_layer = response.link_layer;
	ours->gid_count = min(le32_to_cpu(response.gid_tbl_len), BYPASS_RDMA_GIDS_MAX);
	ours->pkey_count = min(le32_to_cpu(response.pkey_tbl_len), BYPASS_RDMA_PKEYS_MAX);
	if (ours->link_layer != IB_LINK_LAYER_INFINIBAND &&
	    ours->link_layer != IB_LINK_LAYER_ETHERNET)
		return -EPROTO;
	err = bypass_refresh_gids(dev, port);
	return err ? err : bypass_refresh_pkeys(dev, port);
}
