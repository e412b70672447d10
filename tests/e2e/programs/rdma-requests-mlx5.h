/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What requests have for the driver of mlx5: blobs with addresses of a process, and where the pages
 * under these are. Included by rdma-requests.h.
 */
#ifndef RDMA_REQUESTS_MLX5_H
#define RDMA_REQUESTS_MLX5_H

#include <rdma/mlx5-abi.h>

#define SEND_REQUEST 64u /* bytes, the unit of a send queue */

/* The user index that libraries name, unless completions have version 1. */
#define NO_UIDX 0xffffffu

/* The blobs of each command. All others have none. */
static const struct {
	uint32_t code;
	uint16_t in, out;
} mlx5_blobs[] = {
	{BYPASS_RDMA_ALLOC_UCONTEXT, sizeof(struct mlx5_ib_alloc_ucontext_req_v2),
	 sizeof(struct mlx5_ib_alloc_ucontext_resp)},
	{BYPASS_RDMA_ALLOC_PD, 0, sizeof(struct mlx5_ib_alloc_pd_resp)},
	{BYPASS_RDMA_CREATE_CQ, sizeof(struct mlx5_ib_create_cq),
	 sizeof(struct mlx5_ib_create_cq_resp)},
	{BYPASS_RDMA_RESIZE_CQ, sizeof(struct mlx5_ib_resize_cq), 0},
	{BYPASS_RDMA_CREATE_SRQ, sizeof(struct mlx5_ib_create_srq),
	 sizeof(struct mlx5_ib_create_srq_resp)},
	{BYPASS_RDMA_CREATE_XSRQ, sizeof(struct mlx5_ib_create_srq),
	 sizeof(struct mlx5_ib_create_srq_resp)},
	{BYPASS_RDMA_CREATE_QP, sizeof(struct mlx5_ib_create_qp),
	 sizeof(struct mlx5_ib_create_qp_resp)},
	{BYPASS_RDMA_CREATE_AH, 0, sizeof(struct mlx5_ib_create_ah_resp)},
};

static inline void find_mlx5_blobs(uint32_t code, uint16_t *in, uint16_t *out)
{
	*in = *out = 0;
	for (size_t i = 0; i < sizeof(mlx5_blobs) / sizeof(mlx5_blobs[0]); i++) {
		if (mlx5_blobs[i].code != code)
			continue;
		*in = mlx5_blobs[i].in;
		*out = mlx5_blobs[i].out;
	}
}

static inline uint64_t power_of_two(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* Where a process could have a queue; drivers take some queues on whole pages alone. */
static inline uint64_t any_buffer(const struct model *m)
{
	if (!m->straight && one_in(16))
		return any();
	return 0x7f0000000000 + below(1 << 20) * BYPASS_RDMA_PAGE_SIZE +
	       (!m->straight && one_in(4) ? below(64) * 64 : 0);
}

static inline uint32_t any_count(const struct model *m, uint32_t count)
{
	return !m->straight && one_in(16) ? number() : count;
}

/* Of a blob: the address of the queue, and how many bytes the driver makes of the command. */
static inline uint64_t fill_mlx5_qp(const struct model *m, struct mlx5_ib_create_qp *blob,
				    uint64_t *buffer)
{
	*blob = (struct mlx5_ib_create_qp){
		.buf_addr = any_buffer(m),
		.db_addr = any_buffer(m) / 8 * 8,
		.sq_wqe_count = any_count(m, 1u << below(7)),
		.rq_wqe_count = any_count(m, 1u << below(7)),
		.rq_wqe_shift = any_count(m, 4 + below(3)),
		.flags = any_count(m, 0),
		.bfreg_index = number(),
		.uidx = any_count(m, NO_UIDX),
	};
	*buffer = blob->buf_addr;
	return ((uint64_t)blob->rq_wqe_count << blob->rq_wqe_shift % 64) +
	       (uint64_t)blob->sq_wqe_count * SEND_REQUEST;
}

static inline uint64_t fill_mlx5_queue(const struct model *m, uint32_t code, const void *body,
				       void *blob, uint64_t *buffer)
{
	const struct bypass_rdma_create_cq *cq = body;
	const struct bypass_rdma_resize_cq *resize = body;
	const struct bypass_rdma_create_srq *srq = body;
	struct mlx5_ib_create_cq *cq_blob = blob;
	struct mlx5_ib_resize_cq *resize_blob = blob;
	struct mlx5_ib_create_srq *srq_blob = blob;
	uint32_t cqe_size = any_count(m, one_in(2) ? 64 : 128);

	*buffer = any_buffer(m);
	switch (code) {
	case BYPASS_RDMA_CREATE_CQ:
		cq_blob->buf_addr = *buffer;
		cq_blob->db_addr = any_buffer(m) / 8 * 8;
		cq_blob->cqe_size = cqe_size;
		return power_of_two(cq->cqe + 1) * cqe_size;
	case BYPASS_RDMA_RESIZE_CQ:
		resize_blob->buf_addr = *buffer;
		resize_blob->cqe_size = cqe_size;
		return power_of_two(resize->cqe + 1) * resize_blob->cqe_size;
	case BYPASS_RDMA_CREATE_SRQ:
	case BYPASS_RDMA_CREATE_XSRQ: /* its body begins as that of CREATE_SRQ */
		srq_blob->buf_addr = *buffer;
		srq_blob->db_addr = any_buffer(m) / 8 * 8;
		srq_blob->uidx = any_count(m, NO_UIDX);
		return power_of_two(srq->max_wr + 1) *
		       power_of_two(16 + 16 * (srq->max_sge ? srq->max_sge : 1));
	default:
		return fill_mlx5_qp(m, blob, buffer);
	}
}

static inline bool has_queue(uint32_t code)
{
	return code == BYPASS_RDMA_CREATE_CQ || code == BYPASS_RDMA_RESIZE_CQ ||
	       code == BYPASS_RDMA_CREATE_SRQ || code == BYPASS_RDMA_CREATE_XSRQ ||
	       code == BYPASS_RDMA_CREATE_QP;
}

/* A list of run pages for @runs runs; returns the bytes of the list. */
static inline uint32_t list_runs(const struct model *m, uint32_t runs, uint64_t *list,
				 uint32_t *run_pages, uint32_t *last_runs)
{
	uint32_t n = (runs + BYPASS_RDMA_RUNS_PER_PAGE - 1) / BYPASS_RDMA_RUNS_PER_PAGE;

	*run_pages = n;
	*last_runs = n ? runs - (n - 1) * BYPASS_RDMA_RUNS_PER_PAGE : 0;
	for (uint32_t i = 0; i < n; i++)
		list[i] = m->runs_gpa + i * BYPASS_RDMA_PAGE_SIZE;
	return n * sizeof(*list);
}

#endif
