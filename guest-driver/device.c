// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The verbs device, as the RDMA core sees it. The device has the driver ID of the host's
 * own device, so that a process loads the provider of that.
 */
#include <linux/ctype.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "internal.h"

static int query_device(struct ib_device *ibdev, struct ib_device_attr *attr,
			struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibdev);
	bool queues = virtio_has_feature(dev->vdev, BYPASS_RDMA_F_QUEUE_MEMORY);
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
			"the host has RAM in huge pages of %u KiB: a %s scattered over parts of them cannot be %s (error %d)\n",
			le32_to_cpu(response.ram_page) >> 10, queues ? "queue" : "buffer",
			queues ? "created" : "registered", EINVAL);
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
	attr->timestamp_mask = le64_to_cpu(dev->clock.timestamp_mask);
	attr->hca_core_clock = le64_to_cpu(dev->clock.frequency);
	return 0;
}

/* The clock stays as it is: to ask once is enough. */
static int ask_clock(struct bypass_dev *dev)
{
	struct bypass_command command = {
		.number = BYPASS_RDMA_QUERY_CLOCK,
		.response = &dev->clock,
		.response_size = sizeof(dev->clock),
	};

	return virtio_has_feature(dev->vdev, BYPASS_RDMA_F_CLOCK) ? bypass_execute(dev, &command)
								  : 0;
}

/*
 * There is no poll_cq, post_recv and the like, because the queues have the provider's
 * format, which only the process knows. The core then keeps the kernel's own users away.
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
	.enable_driver = bypass_describe_gids,
	.get_link_layer = bypass_get_link_layer,
	.get_port_immutable = bypass_get_port_immutable,
	.mmap = bypass_mmap,
	.mmap_free = bypass_mmap_free,
	.modify_qp = bypass_modify_qp,
	.modify_srq = bypass_modify_srq,
	.query_device = query_device,
	.query_gid = bypass_query_gid,
	.query_pkey = bypass_query_pkey,
	.query_port = bypass_query_port,
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

static const struct ib_device_ops xrc_ops = {
	.alloc_xrcd = bypass_alloc_xrcd,
	.dealloc_xrcd = bypass_dealloc_xrcd,
	INIT_RDMA_OBJ_SIZE(ib_xrcd, bypass_xrcd, ibxrcd),
};

static const struct ib_device_ops mlx5_ops = {
	.query_ucontext = bypass_query_ucontext,
};

static const struct ib_device_ops doorbell_ops = {
	.post_send = bypass_post_send,
	.req_notify_cq = bypass_req_notify_cq,
};

/* The characters of the host's stem that a name may have, and a number from the core. */
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

/*
 * The PCI function, where the transport is one: hwloc, UCX and device plugins take a device's
 * address, NUMA node and local CPUs from its parent in sysfs, and know adapters of PCI alone. The
 * core gets no DMA device, whatever the parent is.
 */
static struct device *find_parent(const struct bypass_dev *dev)
{
	struct device *transport = dev->vdev->dev.parent;

	return transport && dev_is_pci(transport) ? transport : &dev->vdev->dev;
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
	ibdev->dev.parent = find_parent(dev);
	memcpy(&ibdev->node_guid, dev->config.node_guid, sizeof(ibdev->node_guid));
	strscpy(ibdev->node_desc, "bypass context slice", sizeof(ibdev->node_desc));
	ib_set_device_ops(ibdev, &device_ops);
	if (virtio_has_feature(dev->vdev, BYPASS_RDMA_F_XRC))
		ib_set_device_ops(ibdev, &xrc_ops);
	if (virtio_has_feature(dev->vdev, BYPASS_RDMA_F_QUEUE_MEMORY)) {
		ib_set_device_ops(ibdev, &mlx5_ops);
		ibdev->driver_def = bypass_mlx5_uapi;
	}
	ibdev->ops.driver_id = le32_to_cpu(dev->config.driver_id);
	ibdev->ops.uverbs_abi_ver = le32_to_cpu(dev->config.uverbs_abi);
	if (dev->doorbell) {
		ib_set_device_ops(ibdev, &doorbell_ops);
		ibdev->uverbs_cmd_mask |= BIT_ULL(IB_USER_VERBS_CMD_POST_SEND) |
					  BIT_ULL(IB_USER_VERBS_CMD_REQ_NOTIFY_CQ);
	}

	for (u32 port = 1; port <= ibdev->phys_port_cnt; port++) {
		err = bypass_port_setup(dev, port);
		if (err)
			return err;
	}
	err = bypass_counters_setup(dev);
	if (err)
		return err;
	bypass_pma_setup(dev);
	err = ask_clock(dev);
	if (!err)
		err = bypass_naming_start(dev);
	if (err)
		return err;
	/* The first of the handlers: the others find the new types. The list ends with the device. */
	INIT_IB_EVENT_HANDLER(&dev->gid_handler, ibdev, bypass_tables_changed);
	ib_register_event_handler(&dev->gid_handler);
	make_name(dev, name, sizeof(name));
	err = ib_register_device(ibdev, name, NULL); /* no DMA device: the host maps */
	if (err)
		return err;
	/* Pairs with bypass_read_events(). */
	smp_store_release(&dev->registered, true);
	schedule_work(&dev->event_work); /* for events that came meanwhile */
	return 0;
}
