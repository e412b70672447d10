// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The dialect of rxe, the kernel's RDMA over any Ethernet device. Its queues are kernel
 * memory that user space maps, each once; blobs and queues are those of
 * rdma/rdma_user_rxe.h.
 */
#include <stddef.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "bypass_rdma_abi.h"
#include "rxe.h"

#define MAP(kind, type, member)                                                                    \
	{                                                                                          \
		kind, offsetof(struct type, member) + offsetof(struct mminfo, offset),             \
			offsetof(struct type, member) + offsetof(struct mminfo, size)              \
	}

static const struct rdma_blob_rule rules[] = {
	{
		.command = BYPASS_RDMA_CREATE_CQ,
		.out = sizeof(struct rxe_create_cq_resp),
		.n_maps = 1,
		.maps = {MAP(RDMA_MAP_CQ, rxe_create_cq_resp, mi)},
	},
	{
		.command = BYPASS_RDMA_RESIZE_CQ,
		.out = sizeof(struct rxe_resize_cq_resp),
		.n_maps = 1,
		.maps = {MAP(RDMA_MAP_CQ, rxe_resize_cq_resp, mi)},
	},
	{
		.command = BYPASS_RDMA_CREATE_SRQ,
		.out = sizeof(struct rxe_create_srq_resp),
		.n_maps = 1,
		.maps = {MAP(RDMA_MAP_RECEIVE, rxe_create_srq_resp, mi)},
	},
	{
		.command = BYPASS_RDMA_MODIFY_SRQ,
		.in = sizeof(struct rxe_modify_srq_cmd),
		.hidden = sizeof(struct mminfo),
		.hidden_at = offsetof(struct rxe_modify_srq_cmd, mmap_info_addr),
		.n_maps = 1,
		.maps = {{RDMA_MAP_RECEIVE, offsetof(struct mminfo, offset),
			  offsetof(struct mminfo, size)}},
	},
	{
		.command = BYPASS_RDMA_CREATE_QP,
		.out = sizeof(struct rxe_create_qp_resp),
		.n_maps = 2,
		.maps = {MAP(RDMA_MAP_RECEIVE, rxe_create_qp_resp, rq_mi),
			 MAP(RDMA_MAP_SEND, rxe_create_qp_resp, sq_mi)},
	},
	{
		.command = BYPASS_RDMA_CREATE_AH,
		.out = sizeof(struct rxe_create_ah_resp),
	},
};

const struct rdma_dialect rdma_dialect_rxe = {
	.name = "rxe",
	.stem = "rxe",
	.driver_id = RDMA_DRIVER_RXE,
	.doorbell = true,
	/* Up to Linux 6.12 at least rxe frees the read resources under its running responder. */
	.fixed_in_use = IBV_QP_MAX_DEST_RD_ATOMIC,
	.distrust = "rxe believes what it reads in a user's work queues: it takes the index of a "
		    "scatter entry from there without checking it against the queue, and so a "
		    "guest "
		    "that writes there at will can make the host's kernel read beyond it",
	.rules = rules,
	.n_rules = sizeof(rules) / sizeof(rules[0]),
	.guard = &rdma_rxe_guard,
};
