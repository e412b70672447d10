/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process of a guest that opens a ConnectX, as the library of mlx5 does.
 */
#ifndef TESTS_UNIT_RDMA_MLX5_H
#define TESTS_UNIT_RDMA_MLX5_H

#include "../mock_mlx5.h"
#include "../rdma_guest.h"

static inline uint32_t mlx5_open_with(struct rdma_guest *g, const void *blob, uint32_t size,
				      uint32_t *handle)
{
	struct bypass_rdma_handle reply = {0};
	uint32_t status = rdma_guest_call(
		g, &(struct rdma_guest_call){.command = BYPASS_RDMA_ALLOC_UCONTEXT,
					     .reply = &reply,
					     .reply_size = sizeof(reply),
					     .udata = blob,
					     .udata_size = size,
					     .udata_room =
						     sizeof(struct mlx5_ib_alloc_ucontext_resp)});

	*handle = reply.handle;
	return status;
}

/* As the library asks, once it has learned that there is no DEVX. */
static inline uint32_t mlx5_open(struct rdma_guest *g, uint32_t *handle)
{
	const struct mlx5_ib_alloc_ucontext_req_v2 blob = {
		.total_num_bfregs = 16,
		.num_low_latency_bfregs = 4,
		.max_cqe_version = 1,
		.lib_caps = MLX5_LIB_CAP_4K_UAR | MLX5_LIB_CAP_DYN_UAR,
	};

	return mlx5_open_with(g, &blob, sizeof(blob), handle);
}

#endif
