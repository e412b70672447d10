// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The verbs device: what it is to the RDMA core, and what it tells about itself and its
 * ports. It passes for the host's own device, so that a process loads that one's provider.
 */
#include <linux/ctype.h>
#include <linux/slab.h>

#include "internal.h"

static int query_device(struct ib_device *ibdev, struct ib_device_attr *attr,
			struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_rdma_device response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_QUERY_DEVICE,
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
	};
	int err = bypass_execute(dev, &command);

	if (err)
		return err;
	if (le32_to_cpu(response.ram_page) > BYPASS_RDMA_PAGE_SIZE)
		dev_warn_once(
			&dev->vdev->dev,
			"the host has RAM in huge pages of %u KiB: a buffer scattered over parts of them cannot be registered (error %d)\n",
			le32_to_cpu(response.ram_page) >> 10, EINVAL);
	memset(attr, 0, sizeof(*attr));
	memcpy(&attr->sys_image_guid, dev->config.sys_image_guid, sizeof(attr->sys_image_guid));
	attr->fw_ver = le64_to_cpu(response.fw_ver);
	attr->max_mr_size = le64_to_cpu(response.max_mr_size);
	attr->page_size_cap = le64_to_cpu(response.page_size_cap);
	attr->device_cap_flags = le64_to_cpu(response.device_cap_flags);
	attr->vendor_id = le32_to_cpu(response.vendor_id);
	attr->vendor_part_id = le32_to_cpu(response.vendor_part_id);
	attr->hw_ver = le32_to_cpu(response.hw_ver);
	attr->max_qp = le32_to_cpu(response.max_qp);
	attr->max_qp_wr = le32_to_cpu(response.max_qp_wr);
	attr->max_send_sge = le32_to_cpu(response.max_send_sge);
	attr->max_recv_sge = le32_to_cpu(response.max_recv_sge);
	attr->max_sge_rd = le32_to_cpu(response.max_sge_rd);
	attr->max_cq = le32_to_cpu(response.max_cq);
	attr->max_cqe = le32_to_cpu(response.max_cqe);
	attr->max_mr = le32_to_cpu(response.max_mr);
	attr->max_mw = le32_to_cpu(response.max_mw);
	attr->max_pd = le32_to_cpu(response.max_pd);
	attr->max_ah = le32_to_cpu(response.max_ah);
	attr->max_srq = le32_to_cpu(response.max_srq);
	attr->max_srq_wr = le32_to_cpu(response.max_srq_wr);
	attr->max_srq_sge = le32_to_cpu(response.max_srq_sge);
	attr->max_qp_rd_atom = le32_to_cpu(response.max_qp_rd_atom);
	attr->max_res_rd_atom = le32_to_cpu(response.max_res_rd_atom);
	attr->max_qp_init_rd_atom = le32_to_cpu(response.max_qp_init_rd_atom);
	attr->max_mcast_grp = le32_to_cpu(response.max_mcast_grp);
	attr->max_mcast_qp_attach = le32_to_cpu(response.max_mcast_qp_attach);
	attr->max_total_mcast_qp_attach = le32_to_cpu(response.max_total_mcast_qp_attach);
	attr->atomic_cap = le32_to_cpu(response.atomic_cap);
	attr->max_pkeys = le32_to_cpu(response.max_pkeys);
	attr->local_ca_ack_delay = le32_to_cpu(response.local_ca_ack_delay);
	return 0;
}

/* A question about a port; @response_size bytes of answer. */
static int ask_port(struct bypass_dev *dev, u32 number, u32 port, void *response,
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

/* A question whose answer does not matter. Behind a command that takes its time it would too. */
void bypass_watch(struct work_struct *work)
{
	struct bypass_dev *dev = container_of(work, struct bypass_dev, watch.work);
	struct bypass_rdma_port response;

	if (!atomic_read(&dev->in_flight))
		ask_port(dev, BYPASS_RDMA_QUERY_PORT, 1, &response, sizeof(response));
	bypass_watch_more(dev);
}

void bypass_watch_more(struct bypass_dev *dev)
{
	if (atomic_read(&dev->contexts) && !READ_ONCE(dev->gone))
		schedule_delayed_work(&dev->watch, msecs_to_jiffies(bypass_timeout_ms() / 2));
}

/* The core's tables are as long as the port's were at first: later lengths are not believed. */
static int query_port(struct ib_device *ibdev, u32 port, struct ib_port_attr *attr)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_rdma_port response;
	int err = ask_port(dev, BYPASS_RDMA_QUERY_PORT, port, &response, sizeof(response));

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
 * InfiniBand to the core, whatever the wire: with RoCE it would look for the GIDs and for
 * MAC addresses at a network device of the guest, and they are the host's. No management
 * datagrams either, which stay with the host.
 */
static int get_port_immutable(struct ib_device *ibdev, u32 port,
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

static enum rdma_link_layer get_link_layer(struct ib_device *ibdev, u32 port)
{
	/* The core asks for what the host says of a queue pair, too. */
	if (!rdma_is_port_valid(ibdev, port))
		return IB_LINK_LAYER_UNSPECIFIED;
	return to_dev(ibdev)->ports[port - 1].link_layer;
}

static int query_gid(struct ib_device *ibdev, u32 port, int index, union ib_gid *gid)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_port *ours = &dev->ports[port - 1];

	if (index < 0 || index >= ours->gid_count)
		return -EINVAL;
	mutex_lock(&dev->port_lock);
	*gid = ours->gids[index];
	mutex_unlock(&dev->port_lock);
	return 0;
}

static int query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey)
{
	struct bypass_dev *dev = to_dev(ibdev);
	struct bypass_port *ours = &dev->ports[port - 1];

	if (index >= ours->pkey_count)
		return -EINVAL;
	mutex_lock(&dev->port_lock);
	*pkey = ours->pkeys[index];
	mutex_unlock(&dev->port_lock);
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
	err = ask_port(dev, BYPASS_RDMA_QUERY_GIDS, port, response, sizeof(*response));
	if (!err) {
		count = min(le32_to_cpu(response->count), ours->gid_count);
		mutex_lock(&dev->port_lock);
		memset(ours->gids, 0, sizeof(ours->gids));
		memcpy(ours->gids, response->gid, count * sizeof(ours->gids[0]));
		mutex_unlock(&dev->port_lock);
	}
	kfree(response);
	return err;
}

/* Likewise its P_Key table. */
int bypass_refresh_pkeys(struct bypass_dev *dev, u32 port)
{
	struct bypass_port *ours = &dev->ports[port - 1];
	struct bypass_rdma_pkeys response;
	int err = ask_port(dev, BYPASS_RDMA_QUERY_PKEYS, port, &response, sizeof(response));

	if (err)
		return err;
	mutex_lock(&dev->port_lock);
	memset(ours->pkeys, 0, sizeof(ours->pkeys));
	for (u32 i = 0; i < min(le32_to_cpu(response.count), ours->pkey_count); i++)
		ours->pkeys[i] = le16_to_cpu(response.pkey[i]);
	mutex_unlock(&dev->port_lock);
	return 0;
}

static int setup_port(struct bypass_dev *dev, u32 port)
{
	struct bypass_port *ours = &dev->ports[port - 1];
	struct bypass_rdma_port response;
	int err = ask_port(dev, BYPASS_RDMA_QUERY_PORT, port, &response, sizeof(response));

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

/*
 * There is no poll_cq, post_recv and the like: the queues have the provider's format,
 * which only the process knows. The core then keeps the kernel's own users away.
 */
static const struct ib_device_ops device_ops = {
	.owner = THIS_MODULE,
	.alloc_mw = bypass_alloc_mw,
	.alloc_pd = bypass_alloc_pd,
	.alloc_ucontext = bypass_alloc_ucontext,
	.attach_mcast = bypass_attach_mcast,
	.create_user_cq = bypass_create_cq,
	.create_qp = bypass_create_qp,
	.create_srq = bypass_create_srq,
	.create_user_ah = bypass_create_ah,
	.dealloc_mw = bypass_dealloc_mw,
	.dealloc_pd = bypass_dealloc_pd,
	.dealloc_ucontext = bypass_dealloc_ucontext,
	.dereg_mr = bypass_dereg_mr,
	.destroy_ah = bypass_destroy_ah,
	.destroy_cq = bypass_destroy_cq,
	.destroy_qp = bypass_destroy_qp,
	.destroy_srq = bypass_destroy_srq,
	.detach_mcast = bypass_detach_mcast,
	.disassociate_ucontext = bypass_disassociate,
	.get_link_layer = get_link_layer,
	.get_port_immutable = get_port_immutable,
	.mmap = bypass_mmap,
	.mmap_free = bypass_mmap_free,
	.modify_qp = bypass_modify_qp,
	.modify_srq = bypass_modify_srq,
	.query_device = query_device,
	.query_gid = query_gid,
	.query_pkey = query_pkey,
	.query_port = query_port,
	.query_qp = bypass_query_qp,
	.query_srq = bypass_query_srq,
	.reg_user_mr = bypass_reg_user_mr,
	.rereg_user_mr = bypass_rereg_user_mr,
	.resize_user_cq = bypass_resize_cq,
	INIT_RDMA_OBJ_SIZE(ib_ah, bypass_ah, ibah),
	INIT_RDMA_OBJ_SIZE(ib_cq, bypass_cq, ibcq),
	INIT_RDMA_OBJ_SIZE(ib_mw, bypass_mw, ibmw),
	INIT_RDMA_OBJ_SIZE(ib_pd, bypass_pd, ibpd),
	INIT_RDMA_OBJ_SIZE(ib_qp, bypass_qp, ibqp),
	INIT_RDMA_OBJ_SIZE(ib_srq, bypass_srq, ibsrq),
	INIT_RDMA_OBJ_SIZE(ib_ucontext, bypass_ucontext, ibuc),
};

static const struct ib_device_ops doorbell_ops = {
	.post_send = bypass_post_send,
	.req_notify_cq = bypass_req_notify_cq,
};

/* The host's stem, as far as it is a name, and the core's number. */
static void make_name(const struct bypass_dev *dev, char *name, size_t size)
{
	size_t i;

	for (i = 0; i < sizeof(dev->config.name) && i < size - sizeof("%d"); i++) {
		char c = dev->config.name[i];

		if (!isascii(c) || (!isalnum(c) && c != '_'))
			break;
		name[i] = c;
	}
	snprintf(name + i, size - i, "%s%%d", i ? "" : "bypass");
}

/**
 * bypass_device_setup() - ask the host for the ports and register the device
 * @dev: ready to execute commands
 *
 * Return: 0 or a negative errno; then nothing is registered.
 */
int bypass_device_setup(struct bypass_dev *dev)
{
	struct ib_device *ibdev = &dev->ibdev;
	char name[IB_DEVICE_NAME_MAX];
	int err;

	ibdev->node_type = RDMA_NODE_IB_CA;
	ibdev->phys_port_cnt = le32_to_cpu(dev->config.ports);
	ibdev->num_comp_vectors = le32_to_cpu(dev->config.vectors);
	ibdev->dev.parent = &dev->vdev->dev;
	memcpy(&ibdev->node_guid, dev->config.node_guid, sizeof(ibdev->node_guid));
	strscpy(ibdev->node_desc, "bypass context slice", sizeof(ibdev->node_desc));
	ib_set_device_ops(ibdev, &device_ops);
	ibdev->ops.driver_id = le32_to_cpu(dev->config.driver_id);
	ibdev->ops.uverbs_abi_ver = le32_to_cpu(dev->config.uverbs_abi);
	if (dev->doorbell) {
		ib_set_device_ops(ibdev, &doorbell_ops);
		ibdev->uverbs_cmd_mask |= BIT_ULL(IB_USER_VERBS_CMD_POST_SEND) |
					  BIT_ULL(IB_USER_VERBS_CMD_REQ_NOTIFY_CQ);
	}

	for (u32 port = 1; port <= ibdev->phys_port_cnt; port++) {
		err = setup_port(dev, port);
		if (err)
			return err;
	}
	make_name(dev, name, sizeof(name));
	err = ib_register_device(ibdev, name, NULL); /* no DMA device: the host does it */
	if (err)
		return err;
	/* Pairs with bypass_read_events(). */
	smp_store_release(&dev->registered, true);
	schedule_work(&dev->event_work); /* for those that came meanwhile */
	return 0;
}
