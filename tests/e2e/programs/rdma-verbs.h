/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the RDMA programs of the scenarios share: opening a device, a connected queue
 * pair, one work request and its completion. Plain verbs: they run in a guest and on a
 * host alike. Every failure ends the program with what failed.
 */
#ifndef RDMA_VERBS_H
#define RDMA_VERBS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <infiniband/verbs.h>

#include "fail.h"

#define RW   (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)
#define QKEY 0x1234 /* of UD queue pairs */

/* What the other side has to know of a queue pair. */
struct address {
	uint32_t qpn;
	uint16_t lid; /* 0 without InfiniBand */
	union ibv_gid gid;
};

struct device {
	struct ibv_context *context;
	struct ibv_pd *pd;
	union ibv_gid gid;
	int gid_index;
	uint16_t lid;
};

/* The first GID that is an IPv4 address: both sides of a RoCE network have one. */
static inline int find_gid(struct ibv_context *context, union ibv_gid *gid)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	for (int i = 0; i < 16 && !ibv_query_gid(context, 1, i, gid); i++) {
		if (!memcmp(gid->raw, mapped, sizeof(mapped)))
			return i;
	}
	fail("no GID is an IPv4 address");
}

/* @name NULL: the only device there is. Returns NULL with errno when there is none, or it cannot be opened. */
static inline struct ibv_context *open_context(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;
	int err = ENODEV;

	for (int i = 0; list && list[i] && !context; i++) {
		if (name && strcmp(name, ibv_get_device_name(list[i])))
			continue;
		context = ibv_open_device(list[i]);
		err = errno;
	}
	ibv_free_device_list(list);
	errno = err;
	return context;
}

static inline struct device use_context(struct ibv_context *context)
{
	struct device device = {.context = context, .pd = ibv_alloc_pd(context)};
	struct ibv_port_attr port;

	if (!device.pd)
		fail("ibv_alloc_pd");
	device.gid_index = find_gid(context, &device.gid);
	if (ibv_query_port(context, 1, &port))
		fail("ibv_query_port");
	device.lid = port.lid;
	return device;
}

static inline struct device open_device(const char *name)
{
	struct ibv_context *context = open_context(name);

	if (!context)
		fail("cannot open %s", name ? name : "a device");
	return use_context(context);
}

static inline struct address address_of(const struct device *device, const struct ibv_qp *qp)
{
	return (struct address){.qpn = qp->qp_num, .lid = device->lid, .gid = device->gid};
}

static inline struct ibv_qp *make_qp(const struct device *device, struct ibv_cq *cq)
{
	struct ibv_qp_init_attr init = {
		.send_cq = cq,
		.recv_cq = cq,
		.cap = {.max_send_wr = 16, .max_recv_wr = 16, .max_send_sge = 1, .max_recv_sge = 1},
		.qp_type = IBV_QPT_RC,
	};
	struct ibv_qp *qp = ibv_create_qp(device->pd, &init);

	if (!qp)
		fail("ibv_create_qp");
	return qp;
}

/* The steps of a connection, by the kind of queue pair; each returns an errno. */
static inline int to_init(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = RW,
		.qkey = QKEY,
	};

	return ibv_modify_qp(
		qp, &attr,
		IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			(qp->qp_type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS));
}

static inline int to_rtr(const struct device *device, struct ibv_qp *qp, const struct address *to)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = to->qpn,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr =
			{
				.is_global = 1,
				.grh = {.dgid = to->gid,
					.sgid_index = device->gid_index,
					.hop_limit = 64},
				.dlid = to->lid,
				.port_num = 1,
			},
	};
	int mask = IBV_QP_STATE;

	if (qp->qp_type != IBV_QPT_UD)
		mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
	if (qp->qp_type == IBV_QPT_RC || qp->qp_type == IBV_QPT_XRC_RECV)
		mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	return ibv_modify_qp(qp, &attr, mask);
}

/*
 * RC waits for an answer for 4 microseconds times 2 to the power of the first, and tries again as
 * often as the second says: half a second in all. rxe takes 7 for no end.
 */
static unsigned int answer_timeout = 14;
static unsigned int retry_count = 7;

static inline int to_rts(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS,
		.timeout = answer_timeout,
		.retry_cnt = retry_count,
		.rnr_retry = 7,
		.max_rd_atomic = 1,
	};
	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;

	if (qp->qp_type == IBV_QPT_RC || qp->qp_type == IBV_QPT_XRC_SEND)
		mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			IBV_QP_MAX_QP_RD_ATOMIC;
	return ibv_modify_qp(qp, &attr, mask);
}

/* @to: not needed by UD. */
static inline void connect_qp(const struct device *device, struct ibv_qp *qp,
			      const struct address *to)
{
	errno = to_init(qp);
	if (errno)
		fail("queue pair to INIT");
	errno = to_rtr(device, qp, to);
	if (errno)
		fail("queue pair to RTR");
	errno = to_rts(qp);
	if (errno)
		fail("queue pair to RTS");
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The next completion, whatever its status. */
static inline struct ibv_wc poll_one(struct ibv_cq *cq)
{
	double end = now() + 60;
	struct ibv_wc wc = {0};
	int n;

	do {
		n = ibv_poll_cq(cq, 1, &wc);
		if (n < 0)
			fail("ibv_poll_cq");
	} while (!n && now() < end);
	if (!n) {
		errno = ETIMEDOUT;
		fail("no completion in a minute");
	}
	return wc;
}

static inline struct ibv_wc do_rdma(struct ibv_qp *qp, enum ibv_wr_opcode opcode, uint64_t local,
				    uint32_t lkey, uint64_t remote, uint32_t rkey, uint32_t size)
{
	struct ibv_sge sge = {.addr = local, .length = size, .lkey = lkey};
	struct ibv_send_wr *bad, wr = {
					 .sg_list = &sge,
					 .num_sge = 1,
					 .opcode = opcode,
					 .send_flags = IBV_SEND_SIGNALED,
					 .wr.rdma = {.remote_addr = remote, .rkey = rkey},
				 };

	errno = ibv_post_send(qp, &wr, &bad);
	if (errno)
		fail("ibv_post_send");
	return poll_one(qp->send_cq);
}

static inline void expect(struct ibv_wc wc, enum ibv_wc_status status, const char *what)
{
	errno = 0;
	if (wc.status != status)
		fail("%s: the completion says '%s', not '%s'", what, ibv_wc_status_str(wc.status),
		     ibv_wc_status_str(status));
}

/* A queue pair that is connected to itself: what it sends comes back to its own memory. */
static inline struct ibv_qp *make_loop(const struct device *device)
{
	struct ibv_cq *cq = ibv_create_cq(device->context, 64, NULL, NULL, 0);
	struct address to_itself;
	struct ibv_qp *qp;

	if (!cq)
		fail("ibv_create_cq");
	qp = make_qp(device, cq);
	to_itself = address_of(device, qp);
	connect_qp(device, qp, &to_itself);
	return qp;
}

static inline struct ibv_mr *must_reg(const struct device *device, void *at, size_t size)
{
	struct ibv_mr *mr = ibv_reg_mr(device->pd, at, size, RW);

	if (!mr)
		fail("ibv_reg_mr of %zu bytes", size);
	return mr;
}

#endif
