// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the provider of a ConnectX (mlx5) has a queue: the addresses stand in its blobs, and the
 * lengths follow from the command. The host checks both.
 */
#include <linux/log2.h>

#include <rdma/mlx5-abi.h>

#include "internal.h"

/* Send requests are counted in pieces of 64 bytes. */
#define SEND_SHIFT 6

/* As much of the blob as there is; the rest is zero. */
static int copy_blob(void *to, size_t size, struct ib_udata *udata)
{
	memset(to, 0, size);
	return ib_copy_from_udata(to, udata, min(size, udata->inlen)) ? -EFAULT : 0;
}

static u64 count_entries(u32 wanted)
{
	return roundup_pow_of_two((u64)wanted + 1);
}

static int find_cq(const struct bypass_rdma_create_cq *request, struct ib_udata *udata,
		   struct bypass_user_queue *queue)
{
	struct mlx5_ib_create_cq blob;
	int err = copy_blob(&blob, sizeof(blob), udata);

	queue->buffer = blob.buf_addr;
	queue->record = blob.db_addr;
	queue->has_record = true;
	queue->size = count_entries(le32_to_cpu(request->cqe)) * blob.cqe_size;
	if (blob.flags & MLX5_IB_CREATE_CQ_FLAGS_UAR_PAGE_INDEX)
		queue->page = blob.uar_page_index;
	return err;
}

static int find_resized_cq(const struct bypass_rdma_resize_cq *request, struct ib_udata *udata,
			   struct bypass_user_queue *queue)
{
	struct mlx5_ib_resize_cq blob;
	int err = copy_blob(&blob, sizeof(blob), udata);

	queue->buffer = blob.buf_addr;
	queue->has_record = false;
	queue->size = count_entries(le32_to_cpu(request->cqe)) * blob.cqe_size;
	return err;
}

/* A request has a header of 16 bytes and 16 bytes an SGE, together a power of two. */
static int find_srq(const struct bypass_rdma_create_srq *request, struct ib_udata *udata,
		    struct bypass_user_queue *queue)
{
	u64 one = roundup_pow_of_two(16 + 16 * (u64)le32_to_cpu(request->max_sge));
	struct mlx5_ib_create_srq blob;
	int err = copy_blob(&blob, sizeof(blob), udata);

	queue->buffer = blob.buf_addr;
	queue->record = blob.db_addr;
	queue->has_record = true;
	queue->size = count_entries(le32_to_cpu(request->max_wr)) * max_t(u64, one, 32);
	return err;
}

static int find_qp(struct ib_udata *udata, struct bypass_user_queue *queue)
{
	struct mlx5_ib_create_qp blob;
	int err = copy_blob(&blob, sizeof(blob), udata);

	if (!err && blob.rq_wqe_shift > 31)
		err = -EINVAL;
	if (err)
		return err;
	queue->buffer = blob.buf_addr;
	queue->record = blob.db_addr;
	queue->has_record = true;
	queue->size = ((u64)blob.rq_wqe_count << blob.rq_wqe_shift) +
		      ((u64)blob.sq_wqe_count << SEND_SHIFT);
	if (blob.flags & MLX5_QP_FLAG_UAR_PAGE_INDEX)
		queue->page = blob.bfreg_index;
	return 0;
}

/**
 * bypass_mlx5_find() - find the memory that a command's blob names
 * @command: a command of which the body and the blobs are set
 * @queue: receives what the process says: nothing of that is checked
 *
 * Return: 1; 0 for a command that has no queue; -EFAULT or -EINVAL.
 */
int bypass_mlx5_find(const struct bypass_command *command, struct bypass_user_queue *queue)
{
	int err;

	BUILD_BUG_ON(offsetof(struct bypass_rdma_create_xsrq, srq));
	if (!command->udata) /* an XRC target has no queue */
		return 0;
	switch (command->number) {
	case BYPASS_RDMA_CREATE_CQ:
		err = find_cq(command->request, command->udata, queue);
		break;
	case BYPASS_RDMA_RESIZE_CQ:
		err = find_resized_cq(command->request, command->udata, queue);
		break;
	case BYPASS_RDMA_CREATE_SRQ:
	case BYPASS_RDMA_CREATE_XSRQ: /* its body begins as that of CREATE_SRQ */
		err = find_srq(command->request, command->udata, queue);
		break;
	case BYPASS_RDMA_CREATE_QP:
		err = find_qp(command->udata, queue);
		break;
	default:
		return 0;
	}
	return err ? err : 1;
}

/**
 * bypass_mlx5_hide_page() - take the doorbell page out of a blob: the host knows it by its context
 * @number: the command
 * @blob: the blob, @size bytes
 * @size: see @blob
 */
void bypass_mlx5_hide_page(u32 number, void *blob, size_t size)
{
	struct mlx5_ib_create_cq *cq = blob;
	struct mlx5_ib_create_qp *qp = blob;

	if (number == BYPASS_RDMA_CREATE_CQ && size >= sizeof(*cq)) {
		cq->flags &= ~MLX5_IB_CREATE_CQ_FLAGS_UAR_PAGE_INDEX;
		cq->uar_page_index = 0;
	}
	if (number == BYPASS_RDMA_CREATE_QP &&
	    size >= offsetofend(struct mlx5_ib_create_qp, bfreg_index)) {
		qp->flags &= ~MLX5_QP_FLAG_UAR_PAGE_INDEX;
		qp->bfreg_index = 0;
	}
}
