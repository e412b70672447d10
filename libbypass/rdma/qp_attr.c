// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The attributes that MODIFY_QP sets: each one is in its range before the kernel sees it. Drivers
 * use them as sizes, shifts and indices; rxe takes path MTU 0 and then crashes the host.
 */
#include <errno.h>
#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include <bypass/error.h>

#include "dialect/flush.h"
#include "internal.h"

#define ACCESS_FLUSH (RDMA_ACCESS_FLUSH_GLOBAL | RDMA_ACCESS_FLUSH_PERSISTENT)
#define ACCESS                                                                                     \
	(IB_UVERBS_ACCESS_LOCAL_WRITE | IB_UVERBS_ACCESS_REMOTE_WRITE |                            \
	 IB_UVERBS_ACCESS_REMOTE_READ | IB_UVERBS_ACCESS_REMOTE_ATOMIC |                           \
	 IB_UVERBS_ACCESS_MW_BIND | ACCESS_FLUSH | IB_UVERBS_ACCESS_OPTIONAL_RANGE)

#define FIELD(bit, name, member, least, most)                                                      \
	{                                                                                          \
		bit, name, offsetof(struct bypass_rdma_qp_attr, member),                           \
			sizeof(((struct bypass_rdma_qp_attr *)NULL)->member), least, most          \
	}

/* The ranges that depend on nothing else. */
static const struct range {
	uint32_t attribute; /* enum ibv_qp_attr_mask */
	const char *name;
	uint16_t at;
	uint16_t size;
	uint32_t least, most;
} ranges[] = {
	FIELD(IBV_QP_STATE, "state", qp_state, IBV_QPS_RESET, IBV_QPS_ERR),
	FIELD(IBV_QP_CUR_STATE, "current state", cur_qp_state, IBV_QPS_RESET, IBV_QPS_ERR),
	FIELD(IBV_QP_EN_SQD_ASYNC_NOTIFY, "drain event", en_sqd_async_notify, 0, 1),
	FIELD(IBV_QP_PATH_MTU, "path MTU", path_mtu, IBV_MTU_256, IBV_MTU_4096),
	FIELD(IBV_QP_TIMEOUT, "timeout", timeout, 0, 31),
	FIELD(IBV_QP_RETRY_CNT, "retry count", retry_cnt, 0, 7),
	FIELD(IBV_QP_RNR_RETRY, "RNR retry count", rnr_retry, 0, 7),
	FIELD(IBV_QP_RQ_PSN, "receive PSN", rq_psn, 0, 0xffffff),
	FIELD(IBV_QP_ALT_PATH, "alternate timeout", alt_timeout, 0, 31),
	FIELD(IBV_QP_MIN_RNR_TIMER, "RNR timer", min_rnr_timer, 0, 31),
	FIELD(IBV_QP_SQ_PSN, "send PSN", sq_psn, 0, 0xffffff),
	FIELD(IBV_QP_PATH_MIG_STATE, "path migration state", path_mig_state, IBV_MIG_MIGRATED,
	      IBV_MIG_ARMED),
	FIELD(IBV_QP_DEST_QPN, "destination QP number", dest_qpn, 0, 0xffffff),
};

static int check_range(const char *name, uint32_t value, uint32_t least, uint32_t most)
{
	if (value >= least && value <= most)
		return 0;
	return bypass_fail(EINVAL, "the %s of a queue pair is %u: from %u to %u", name, value,
			   least, most);
}

static uint32_t read_field(const struct bypass_rdma_qp_attr *attr, const struct range *range)
{
	const uint8_t *at = (const uint8_t *)attr + range->at;
	__le32 value;

	if (range->size == 1)
		return *at;
	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static int check_ranges(const struct bypass_rdma_qp_attr *attr, uint32_t mask)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && !err; i++) {
		const struct range *r = &ranges[i];

		_Static_assert(sizeof(attr->rq_psn) == sizeof(__le32), "fields have 1 or 4 bytes");
		if (mask & r->attribute)
			err = check_range(r->name, read_field(attr, r), r->least, r->most);
	}
	return err;
}

static int check_access(uint32_t access)
{
	if (access & ~ACCESS)
		return bypass_fail(EINVAL, "access flags %#x of a queue pair are unknown",
				   access & ~ACCESS);
	return 0;
}

static int check_qkey(uint32_t qkey)
{
	if (qkey & RDMA_QKEY_PRIVILEGED)
		return bypass_fail(EPERM,
				   "the Q_Key %#x is reserved for the host's privileged programs",
				   qkey);
	return 0;
}

static int check_pkey(const struct rdma_slice *s, __le16 index)
{
	if (le16toh(index) < rdma_scope_pkeys(s))
		return 0;
	return bypass_fail(EINVAL, "P_Key %u is none of the slice's %u (pkeys=)", le16toh(index),
			   rdma_scope_pkeys(s));
}

/* What the port limits. @port: of the queue pair, once the attributes are set. */
static int check_port_limits(struct rdma_slice *s, uint8_t port,
			     const struct bypass_rdma_qp_attr *attr, uint32_t mask)
{
	struct bypass_rdma_port limits;
	int err;

	err = check_range("port", port, 1, s->hca.ports);
	if (!err)
		err = rdma_hca_query_port(&s->hca, port, &limits);
	if (err)
		return err;
	if (!(mask & IBV_QP_PATH_MTU))
		return 0;
	return check_range("path MTU", attr->path_mtu, IBV_MTU_256, limits.active_mtu);
}

/* The parts of the alternate path that are not its address vector. */
static int check_alternate(struct rdma_slice *s, const struct bypass_rdma_qp_attr *attr)
{
	int err = check_range("alternate port", attr->alt_port, 1, s->hca.ports);

	if (!err)
		err = check_pkey(s, attr->alt_pkey_index);
	if (!err && attr->alt_ah.port != attr->alt_port)
		err = bypass_fail(EINVAL,
				  "the alternate path of a queue pair is at ports %u and %u",
				  attr->alt_port, attr->alt_ah.port);
	return err;
}

int rdma_qp_check_attributes(struct rdma_slice *s, const struct rdma_object *qp,
			     const struct bypass_rdma_qp_attr *attr, uint32_t mask)
{
	uint8_t port = mask & IBV_QP_PORT ? attr->port : qp->port;
	int err;

	err = check_ranges(attr, mask);
	if (!err && (mask & IBV_QP_ACCESS_FLAGS))
		err = check_access(le32toh(attr->access));
	if (!err && (mask & IBV_QP_QKEY))
		err = check_qkey(le32toh(attr->qkey));
	if (!err && (mask & IBV_QP_MAX_QP_RD_ATOMIC))
		err = check_range("initiator depth", attr->max_rd_atomic, 0,
				  le32toh(s->limits.max_qp_init_rd_atom));
	if (!err && (mask & IBV_QP_MAX_DEST_RD_ATOMIC))
		err = check_range("responder resources", attr->max_dest_rd_atomic, 0,
				  le32toh(s->limits.max_qp_rd_atom));
	if (!err && (mask & IBV_QP_PKEY_INDEX))
		err = check_pkey(s, attr->pkey_index);
	if (!err && (mask & (IBV_QP_PORT | IBV_QP_PATH_MTU)))
		err = check_port_limits(s, port, attr, mask);
	if (!err && (mask & IBV_QP_ALT_PATH))
		err = check_alternate(s, attr);
	return err;
}
