// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How a context slice begins: from options and an HCA to a virtio device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "cm/ucma.h"
#include "dialect/flush.h"
#include "internal.h"

#define VECTORS_DEFAULT 4

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Where doorbell pages are laid out when the slice is opened, they are not laid out for all the
 * processes that a quota has room for else.
 */
#define FIXED_PAGES 64u

/* Fill in what was not said, and cut all to what the HCA has. */
static int settle_quota(struct rdma_slice *s, const struct ib_uverbs_query_device_resp *hca)
{
	struct bypass_rdma_options *o = &s->options;
	struct bypass_rdma_quota *q = &o->quota;
	int err;

	if (o->fixed_windows && s->dialect->user_queues && !q->ucontexts)
		q->ucontexts = FIXED_PAGES;
	err = rdma_options_complete(o);
	if (err)
		return err;
	if (!o->vectors)
		o->vectors = lesser(VECTORS_DEFAULT, s->hca.vectors);
	q->pds = lesser(q->pds, hca->max_pd);
	q->mrs = lesser(q->mrs, hca->max_mr);
	q->mws = lesser(q->mws, hca->max_mw);
	q->cqs = lesser(q->cqs, hca->max_cq);
	q->srqs = lesser(q->srqs, hca->max_srq);
	q->qps = lesser(q->qps, hca->max_qp);
	q->ahs = lesser(q->ahs, hca->max_ah);
	q->mcasts = lesser(q->mcasts, hca->max_total_mcast_qp_attach);
	return 0;
}

/* What applications would try in vain: raw Ethernet, steering, cross-channel. */
#define CAPS_UNREACHABLE                                                                           \
	(IB_UVERBS_DEVICE_RAW_MULTI | IB_UVERBS_DEVICE_RAW_IP_CSUM |                               \
	 IB_UVERBS_DEVICE_MANAGED_FLOW_STEERING)

#define CAPS_MW                                                                                    \
	(IB_UVERBS_DEVICE_MEM_WINDOW | IB_UVERBS_DEVICE_MEM_WINDOW_TYPE_2A |                       \
	 IB_UVERBS_DEVICE_MEM_WINDOW_TYPE_2B)

/* What also works through a slice, of the capabilities that the extended query alone has. */
#define CAPS_EXTENDED (RDMA_CAP_FLUSH_GLOBAL | RDMA_CAP_FLUSH_PERSISTENT | RDMA_CAP_ATOMIC_WRITE)

static uint64_t query_extended(struct rdma_slice *s)
{
	struct ib_uverbs_ex_query_device in = {0};
	struct ib_uverbs_ex_query_device_resp out = {0};

	/* A driver that refuses the extended query has none of these capabilities, and no clock. */
	if (rdma_uverbs(&s->hca,
			IB_USER_VERBS_CMD_FLAG_EXTENDED | IB_USER_VERBS_EX_CMD_QUERY_DEVICE, &in,
			sizeof(in), &out, sizeof(out), NULL))
		return 0;
	if (s->dialect->cq_flags & IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION)
		s->clock = (struct bypass_rdma_clock){
			.timestamp_mask = htole64(out.timestamp_mask),
			.frequency = htole64(out.hca_core_clock),
		};
	return out.device_cap_flags_ex & CAPS_EXTENDED;
}

/* What QUERY_DEVICE will say. */
static void settle_limits(struct rdma_slice *s, const struct ib_uverbs_query_device_resp *hca)
{
	const struct bypass_rdma_quota *q = &s->options.quota;
	uint64_t caps = (hca->device_cap_flags & ~(uint64_t)CAPS_UNREACHABLE) | query_extended(s);
	bool mws = !(s->guarded && s->dialect->guard && s->dialect->guard->no_mws);
	uint64_t mr = hca->max_mr_size < q->pinned_bytes ? hca->max_mr_size : q->pinned_bytes;

	if (!s->dialect->xrc)
		caps &= ~(uint64_t)IB_UVERBS_DEVICE_XRC;
	if (!mws)
		caps &= ~(uint64_t)CAPS_MW;
	s->limits = (struct bypass_rdma_device){
		.fw_ver = htole64(hca->fw_ver),
		.max_mr_size = htole64(mr),
		.page_size_cap = htole64(hca->page_size_cap),
		.device_cap_flags = htole64(caps),
		.pinned_bytes = htole64(q->pinned_bytes),
		.vendor_id = htole32(hca->vendor_id),
		.vendor_part_id = htole32(hca->vendor_part_id),
		.hw_ver = htole32(hca->hw_ver),
		.max_qp = htole32(q->qps),
		.max_qp_wr = htole32(lesser(hca->max_qp_wr, q->depth)),
		.max_send_sge = htole32(hca->max_sge),
		.max_recv_sge = htole32(hca->max_sge),
		.max_sge_rd = htole32(hca->max_sge_rd),
		.max_cq = htole32(q->cqs),
		.max_cqe = htole32(lesser(hca->max_cqe, rdma_quota_cqe(s))),
		.max_mr = htole32(q->mrs),
		.max_mw = htole32(mws ? q->mws : 0),
		.max_pd = htole32(q->pds),
		.max_ah = htole32(q->ahs),
		.max_srq = htole32(q->srqs),
		.max_srq_wr = htole32(lesser(hca->max_srq_wr, q->depth)),
		.max_srq_sge = htole32(hca->max_srq_sge),
		.max_qp_rd_atom = htole32(hca->max_qp_rd_atom),
		.max_res_rd_atom = htole32(hca->max_res_rd_atom),
		.max_qp_init_rd_atom = htole32(hca->max_qp_init_rd_atom),
		.max_mcast_grp = htole32(lesser(hca->max_mcast_grp, q->mcasts)),
		.max_mcast_qp_attach = htole32(lesser(hca->max_mcast_qp_attach, q->mcasts)),
		.max_total_mcast_qp_attach = htole32(q->mcasts),
		.atomic_cap = htole32(hca->atomic_cap),
		.max_pkeys = htole32(hca->max_pkeys),
		.local_ca_ack_delay = htole32(hca->local_ca_ack_delay),
		.max_ucontext = htole32(q->ucontexts),
	};
}

static int settle_message(struct rdma_slice *s)
{
	struct bypass_rdma_port port;
	int err;

	s->max_message = UINT32_MAX;
	for (uint32_t i = 1; i <= s->hca.ports; i++) {
		err = rdma_hca_query_port(&s->hca, i, &port);
		if (err)
			return err;
		s->max_message = lesser(s->max_message, le32toh(port.max_msg_sz));
	}
	return 0;
}

static void settle_config(struct rdma_slice *s, const struct ib_uverbs_query_device_resp *hca)
{
	const struct bypass_rdma_quota *q = &s->options.quota;

	s->config = (struct bypass_rdma_config){
		.magic = htole32(BYPASS_RDMA_MAGIC),
		.major = htole16(BYPASS_RDMA_MAJOR),
		.minor = htole16(BYPASS_RDMA_MINOR),
		.driver_id = htole32(s->dialect->driver_id),
		.uverbs_abi = htole32(s->hca.abi),
		.ports = htole32(hca->phys_port_cnt),
		.vectors = htole32(s->options.vectors),
		.max_qp = htole32(q->qps),
		.max_cq = htole32(q->cqs),
		.shm_size = htole64(q->shm_bytes),
	};
	memcpy(s->config.node_guid, &hca->node_guid, sizeof(s->config.node_guid));
	memcpy(s->config.sys_image_guid, &hca->sys_image_guid, sizeof(s->config.sys_image_guid));
	strncpy((char *)s->config.name, s->dialect->stem, sizeof(s->config.name) - 1);
}

static void make_device(struct rdma_slice *s)
{
	struct bypass_virtio_device *dev = &s->dev;

	dev->ops = &rdma_virtio_ops;
	memcpy(dev->name, s->hca.name, sizeof(dev->name));
	dev->id = s->options.virtio_id;
	dev->features = BYPASS_VIRTQUEUE_FEATURES | 1ull << BYPASS_RDMA_F_COUNTERS |
			1ull << BYPASS_RDMA_F_OWNER;
	if (s->dialect->doorbell)
		dev->features |= 1ull << BYPASS_RDMA_F_DOORBELL;
	if (s->dialect->user_queues)
		dev->features |= 1ull << BYPASS_RDMA_F_QUEUE_MEMORY;
	if (le64toh(s->limits.device_cap_flags) & IB_UVERBS_DEVICE_XRC)
		dev->features |= 1ull << BYPASS_RDMA_F_XRC;
	if (s->clock.timestamp_mask)
		dev->features |= 1ull << BYPASS_RDMA_F_CLOCK;
	if (s->hca.cm_fd >= 0)
		dev->features |= 1ull << BYPASS_RDMA_F_CM;
	if (s->options.all_ram)
		dev->features |= 1ull << BYPASS_RDMA_F_ALL_RAM;
	dev->config_size = sizeof(s->config);
	dev->n_queues = BYPASS_RDMA_QUEUE_VECTOR + s->options.vectors;
	for (unsigned int i = 0; i < dev->n_queues; i++)
		s->queue_size[i] = RDMA_QUEUE_SIZE;
	dev->queue_size = s->queue_size;
	dev->shm.size = s->shm.size;
	dev->shm.hva = s->shm.hva;
	dev->shm.fd = s->shm.fd;
	dev->shm.windows = s->pages.windows;
	dev->shm.n_windows = s->pages.n;
	if (s->window.size && !s->pages.n) {
		dev->shm.windows = &s->window;
		dev->shm.n_windows = 1;
	}
}

/* Which way the guest's work queues go: straight, or guarded. */
static int choose_way(struct rdma_slice *s)
{
	s->guarded = s->dialect->distrust && !s->options.trust_guest;
	if (s->guarded && s->dialect->guard)
		bypass_log(BYPASS_LOG_INFO,
			   "%s: the guest is not trusted: its work requests are copied and checked "
			   "(trust-guest spares that)",
			   s->hca.name);
	if (!s->guarded || s->dialect->guard)
		return 0;
	return bypass_fail(EPERM,
			   "%s is for trusted guests only: %s. If you trust this guest as you "
			   "trust a process of the host, say trust-guest",
			   s->hca.name, s->dialect->distrust);
}

/* Queues of the driver can be shown for life as copies alone, which lie in one file. */
static int check_windows(const struct rdma_slice *s)
{
	if (!s->options.fixed_windows || s->guarded || s->dialect->user_queues)
		return 0;
	return bypass_fail(EOPNOTSUPP,
			   "vfio-user cannot show queues of %s itself, which come and go: leave "
			   "out "
			   "trust-guest, or attach the slice by vhost-user (no --vfio-user)",
			   s->hca.name);
}

int rdma_slice_new(const struct bypass_rdma_options *options, const struct rdma_hca *hca,
		   const struct rdma_dialect *dialect, struct rdma_slice **slice)
{
	struct ib_uverbs_query_device in = {0};
	struct ib_uverbs_query_device_resp device;
	struct rdma_slice *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return bypass_fail(ENOMEM, "no memory for a slice of %s", hca->name);
	s->options = *options;
	s->hca = *hca;
	s->dialect = dialect;
	rdma_resources_init(s);

	err = rdma_uverbs(&s->hca, IB_USER_VERBS_CMD_QUERY_DEVICE, &in, sizeof(in), &device,
			  sizeof(device), NULL);
	if (err)
		err = bypass_fail(-err, "%s does not answer: %s", hca->name, strerror(-err));
	if (!err)
		err = choose_way(s);
	if (!err)
		err = check_windows(s);
	if (!err)
		err = settle_quota(s, &device);
	if (!err)
		err = settle_message(s);
	if (!err)
		err = rdma_resources_make(s);
	if (err) {
		/* Still the caller's. */
		s->hca.context = NULL;
		s->hca.cm_fd = -1;
		rdma_resources_free(s);
		return err;
	}
	settle_limits(s, &device);
	settle_config(s, &device);
	make_device(s);
	*slice = s;
	return 0;
}

static void open_cm(struct rdma_hca *hca)
{
	hca->cm_fd = ucma_open();
	if (hca->cm_fd < 0)
		bypass_log(BYPASS_LOG_INFO, "%s: guests make no connections by rdma_cm: %s",
			   hca->name, bypass_error());
}

int bypass_rdma_open(const struct bypass_rdma_options *options, struct bypass_virtio_device **dev)
{
	const struct rdma_dialect *dialect;
	struct rdma_slice *s;
	struct rdma_hca hca;
	int err;

	err = rdma_hca_open(options->hca, &hca, &dialect);
	if (err)
		return err;
	open_cm(&hca);
	err = rdma_slice_new(options, &hca, dialect, &s);
	if (err) {
		rdma_hca_close(&hca);
		return err;
	}
	*dev = &s->dev;
	return 0;
}

void bypass_rdma_user_changed(struct bypass_virtio_device *dev)
{
	struct rdma_slice *s = rdma_slice(dev);

	if (s->hca.cm_fd < 0)
		return;
	close(s->hca.cm_fd);
	open_cm(&s->hca);
	if (s->hca.cm_fd < 0)
		dev->features &= ~(1ull << BYPASS_RDMA_F_CM);
}

void bypass_rdma_stats(struct bypass_virtio_device *dev, struct bypass_rdma_stats *stats)
{
	struct rdma_slice *s = rdma_slice(dev);

	*stats = (struct bypass_rdma_stats){
		.commands = atomic_load(&s->stats.commands),
		.refused = atomic_load(&s->stats.refused),
		.kicks = atomic_load(&s->stats.kicks),
		.post_sends = atomic_load(&s->stats.post_sends),
		.arms = atomic_load(&s->stats.arms),
		.completions = atomic_load(&s->stats.completions),
		.events = atomic_load(&s->stats.events),
		.copied = atomic_load(&s->stats.copied),
		.pinned_bytes = atomic_load(&s->stats.pinned_bytes),
		.shm_bytes = atomic_load(&s->stats.shm_bytes),
		.objects = atomic_load(&s->stats.objects),
	};
}
