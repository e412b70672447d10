// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The dialect of mlx5, the driver of ConnectX adapters. Its queues are memory of the process, and its
 * doorbells are stores to a page of the adapter (UAR). Blobs are those of rdma/mlx5-abi.h.
 *
 * The slice's one context on the host serves all processes of a guest, and each process has a
 * doorbell page of its own. To the process the page looks like the only static page of its context,
 * for which the process's library needs no ioctl of its own. The adapter accepts doorbells of a
 * queue on that queue's page alone. The process never gets DEVX, the way to raw firmware commands.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/mlx5-abi.h>
#include <rdma/mlx5_user_ioctl_cmds.h>
#include <rdma/mlx5_user_ioctl_verbs.h>

#include <bypass/error.h>

#include "bypass_rdma_abi.h"
#include "dialect.h"
#include "message.h"

/* What a library counts of a page of 4 KiB: two registers for doorbells. */
#define BFREGS_PER_PAGE 2

/* A doorbell record, two words of 32 bits, lies in one piece. */
#define RECORD 8u

/* Send requests are counted in pieces of 64 bytes. */
#define SEND_SHIFT 6

/* What the driver shows at an offset for mmap(2): 256 pages for each kind. */
#define SHOWN(kind)	((uint64_t)(kind) << 20)
#define SHOWN_TIMER	5 /* a page of the adapter with its clock */
#define SHOWN_CONVERTER 7 /* how the clock becomes time: struct mlx5_ib_clock_info */

#define CREATE_QP_FLAGS                                                                            \
	(MLX5_QP_FLAG_SIGNATURE | MLX5_QP_FLAG_SCATTER_CQE | MLX5_QP_FLAG_ALLOW_SCATTER_CQE |      \
	 MLX5_QP_FLAG_PACKET_BASED_CREDIT_MODE)

static const struct rdma_blob_rule rules[] = {
	{
		.command = BYPASS_RDMA_ALLOC_UCONTEXT,
		.in = sizeof(struct mlx5_ib_alloc_ucontext_req_v2),
		.optional = sizeof(struct mlx5_ib_alloc_ucontext_req_v2) -
			    sizeof(struct mlx5_ib_alloc_ucontext_req),
		.out = sizeof(struct mlx5_ib_alloc_ucontext_resp),
	},
	{
		.command = BYPASS_RDMA_ALLOC_PD,
		.out = sizeof(struct mlx5_ib_alloc_pd_resp),
	},
	{
		.command = BYPASS_RDMA_CREATE_CQ,
		.in = sizeof(struct mlx5_ib_create_cq),
		.optional = sizeof(struct mlx5_ib_create_cq) -
			    offsetof(struct mlx5_ib_create_cq, uar_page_index),
		.out = sizeof(struct mlx5_ib_create_cq_resp),
	},
	{
		.command = BYPASS_RDMA_RESIZE_CQ,
		.in = sizeof(struct mlx5_ib_resize_cq),
	},
	{
		.command = BYPASS_RDMA_CREATE_SRQ,
		.in = sizeof(struct mlx5_ib_create_srq),
		.optional = sizeof(struct mlx5_ib_create_srq) -
			    offsetof(struct mlx5_ib_create_srq, reserved0),
		.out = sizeof(struct mlx5_ib_create_srq_resp),
	},
	{
		.command = BYPASS_RDMA_CREATE_XSRQ,
		.in = sizeof(struct mlx5_ib_create_srq),
		.optional = sizeof(struct mlx5_ib_create_srq) -
			    offsetof(struct mlx5_ib_create_srq, reserved0),
		.out = sizeof(struct mlx5_ib_create_srq_resp),
	},
	{
		.command = BYPASS_RDMA_CREATE_QP,
		.in = sizeof(struct mlx5_ib_create_qp),
		.optional = sizeof(struct mlx5_ib_create_qp) -
			    offsetof(struct mlx5_ib_create_qp, sq_buf_addr),
		.out = sizeof(struct mlx5_ib_create_qp_resp),
	},
	{
		.command = BYPASS_RDMA_CREATE_AH,
		.out = sizeof(struct mlx5_ib_create_ah_resp),
	},
};

/* The smallest power of two that is at least @n. */
static uint64_t round_up(uint64_t n)
{
	return n < 2 ? 1 : 1ull << (64 - __builtin_clzll(n - 1));
}

static int check_cqe_size(uint32_t size)
{
	if (size != 64 && size != 128)
		return bypass_fail(EINVAL, "a completion has 64 or 128 bytes, not %u", size);
	return 0;
}

static int find_cq(const struct mlx5_ib_create_cq *blob, const struct rdma_queue_shape *shape,
		   struct rdma_user_queue *queue)
{
	if (blob->cqe_comp_en || blob->cqe_comp_res_format ||
	    blob->flags & ~MLX5_IB_CREATE_CQ_FLAGS_CQE_128B_PAD || blob->uar_page_index ||
	    blob->reserved0 || blob->reserved1)
		return bypass_fail(EOPNOTSUPP, "compressed completions, clocks and doorbell pages "
					       "of its own "
					       "cannot be had for a completion queue");
	queue->buffer = blob->buf_addr;
	queue->record = blob->db_addr;
	queue->has_record = true;
	queue->size = round_up(shape->entries + 1ull) * blob->cqe_size;
	return check_cqe_size(blob->cqe_size);
}

static int find_resized_cq(const struct mlx5_ib_resize_cq *blob,
			   const struct rdma_queue_shape *shape, struct rdma_user_queue *queue)
{
	if (blob->reserved0 || blob->reserved1)
		return bypass_fail(EINVAL, "a reserved field of a completion queue is not 0");
	queue->buffer = blob->buf_addr;
	queue->size = round_up(shape->entries + 1ull) * blob->cqe_size;
	return check_cqe_size(blob->cqe_size);
}

/* A request: a header of 16 bytes and 16 bytes an SGE, together a power of two. */
static int find_srq(const struct mlx5_ib_create_srq *blob, const struct rdma_queue_shape *shape,
		    struct rdma_user_queue *queue)
{
	uint64_t request = round_up(16 + 16ull * shape->sges);

	if (blob->flags & ~MLX5_SRQ_FLAG_SIGNATURE || blob->reserved0 || blob->reserved1)
		return bypass_fail(EOPNOTSUPP, "flags %#x of a shared receive queue cannot be had",
				   blob->flags);
	queue->buffer = blob->buf_addr;
	queue->record = blob->db_addr;
	queue->has_record = true;
	queue->size = round_up(shape->entries + 1ull) * (request < 32 ? 32 : request);
	return 0;
}

static int find_qp(const struct mlx5_ib_create_qp *blob, struct rdma_user_queue *queue)
{
	if (blob->flags & ~CREATE_QP_FLAGS || blob->sq_buf_addr ||
	    blob->dci_streams.log_num_concurent || blob->dci_streams.log_num_errored ||
	    blob->reserved)
		return bypass_fail(EOPNOTSUPP,
				   "flags %#x, raw packets and dynamic connections cannot be had "
				   "for a queue pair",
				   blob->flags);
	/* The driver does not bound these before it shifts. */
	if (blob->sq_wqe_count > 1u << 20 || blob->rq_wqe_count > 1u << 20 ||
	    blob->rq_wqe_shift > 16)
		return bypass_fail(EINVAL,
				   "a queue pair of %u pieces to send and %u requests of 2^%u "
				   "bytes "
				   "to receive",
				   blob->sq_wqe_count, blob->rq_wqe_count, blob->rq_wqe_shift);
	queue->buffer = blob->buf_addr;
	queue->record = blob->db_addr;
	queue->has_record = true;
	queue->size = ((uint64_t)blob->rq_wqe_count << blob->rq_wqe_shift) +
		      ((uint64_t)blob->sq_wqe_count << SEND_SHIFT);
	return 0;
}

static int find(uint32_t command, const uint8_t *blob, const struct rdma_queue_shape *shape,
		struct rdma_user_queue *queue)
{
	int err;

	*queue = (struct rdma_user_queue){0};
	if (command == BYPASS_RDMA_CREATE_CQ)
		err = find_cq((const void *)blob, shape, queue);
	else if (command == BYPASS_RDMA_RESIZE_CQ)
		err = find_resized_cq((const void *)blob, shape, queue);
	else if (command == BYPASS_RDMA_CREATE_SRQ || command == BYPASS_RDMA_CREATE_XSRQ)
		err = find_srq((const void *)blob, shape, queue);
	else
		err = find_qp((const void *)blob, queue);
	if (!err && queue->has_record && queue->record % RECORD)
		err = bypass_fail(EINVAL, "the doorbell record %#llx is misaligned",
				  (unsigned long long)queue->record);
	return err;
}

static void place(uint32_t command, uint8_t *blob, const struct rdma_host_queue *queue)
{
	struct mlx5_ib_create_cq *cq = (void *)blob;
	struct mlx5_ib_resize_cq *resize = (void *)blob;
	struct mlx5_ib_create_srq *srq = (void *)blob;
	struct mlx5_ib_create_qp *qp = (void *)blob;

	switch (command) {
	case BYPASS_RDMA_CREATE_CQ:
		cq->buf_addr = queue->buffer;
		cq->db_addr = queue->record;
		cq->flags |= MLX5_IB_CREATE_CQ_FLAGS_UAR_PAGE_INDEX;
		cq->uar_page_index = queue->page_id;
		break;
	case BYPASS_RDMA_RESIZE_CQ:
		resize->buf_addr = queue->buffer;
		break;
	case BYPASS_RDMA_CREATE_SRQ:
	case BYPASS_RDMA_CREATE_XSRQ:
		srq->buf_addr = queue->buffer;
		srq->db_addr = queue->record;
		break;
	case BYPASS_RDMA_CREATE_QP:
		qp->buf_addr = queue->buffer;
		qp->db_addr = queue->record;
		qp->flags |= MLX5_QP_FLAG_UAR_PAGE_INDEX;
		qp->bfreg_index = queue->page_id;
		qp->ece_options = 0;
		break;
	}
}

/*
 * The process rings all its queue pairs in the first register of its page, where doorbells of
 * several threads need no lock. Enhanced connections (ECE) need blobs that MODIFY_QP does not have.
 */
static void answer(uint32_t command, uint8_t *out)
{
	struct mlx5_ib_create_qp_resp *qp = (void *)out;

	if (command == BYPASS_RDMA_CREATE_QP)
		*qp = (struct mlx5_ib_create_qp_resp){.bfreg_index = 0};
}

static int query_context(int fd, struct mlx5_ib_alloc_ucontext_resp *context)
{
	union rdma_message m =
		rdma_message(RDMA_DRIVER_MLX5, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_CONTEXT);

	rdma_message_out(&m, MLX5_IB_ATTR_QUERY_CONTEXT_RESP_UCTX, context, sizeof(*context));
	return rdma_message_send(fd, &m);
}

static void add_clock(struct mlx5_ib_alloc_ucontext_resp *reply,
		      const struct mlx5_ib_alloc_ucontext_resp *host, bool *clock)
{
	*clock = *clock && host->clock_info_versions & 1 << MLX5_IB_CLOCK_INFO_V1 &&
		 host->comp_mask & MLX5_IB_ALLOC_UCONTEXT_RESP_MASK_CORE_CLOCK_OFFSET;
	if (!*clock)
		return;
	reply->comp_mask |= MLX5_IB_ALLOC_UCONTEXT_RESP_MASK_CORE_CLOCK_OFFSET;
	reply->hca_core_clock_offset = host->hca_core_clock_offset;
	reply->clock_info_versions = 1 << MLX5_IB_CLOCK_INFO_V1;
}

/* Raw packets' offloads, ECE and the like are left out of the answer. */
static int open_context(int fd, const uint8_t *in, uint8_t *out, bool *clock)
{
	const struct mlx5_ib_alloc_ucontext_req_v2 *request = (const void *)in;
	struct mlx5_ib_alloc_ucontext_resp *reply = (void *)out, host = {0};
	int err;

	if (request->flags || request->comp_mask || request->reserved0 || request->reserved1 ||
	    request->reserved2)
		return bypass_fail(EOPNOTSUPP,
				   "raw commands to the adapter (DEVX) cannot be had: flags %#x, "
				   "mask %#x",
				   request->flags, request->comp_mask);
	err = query_context(fd, &host);
	if (err)
		return bypass_fail(-err, "the mlx5 driver does not describe a context: %s",
				   strerror(-err));
	*reply = (struct mlx5_ib_alloc_ucontext_resp){
		.qp_tab_size = host.qp_tab_size,
		.bf_reg_size = host.bf_reg_size,
		.tot_bfregs = BFREGS_PER_PAGE,
		.cache_line_size = host.cache_line_size,
		.max_sq_desc_sz = host.max_sq_desc_sz,
		.max_rq_desc_sz = host.max_rq_desc_sz,
		.max_send_wqebb = host.max_send_wqebb,
		.max_recv_wr = host.max_recv_wr,
		.max_srq_recv_wr = host.max_srq_recv_wr,
		.num_ports = host.num_ports,
		.response_length = sizeof(*reply),
		.cqe_version = host.cqe_version,
		.cmds_supp_uhw = host.cmds_supp_uhw & MLX5_USER_CMDS_SUPP_UHW_CREATE_AH,
		.eth_min_inline = host.eth_min_inline,
		.log_uar_size = 12,
		.num_uars_per_page = 1,
	};
	add_clock(reply, &host, clock);
	return 0;
}

/* Asked as a library asks that takes pages one by one. The client of a carrier gets no DEVX either. */
static int begin_context(int fd)
{
	const struct mlx5_ib_alloc_ucontext_req_v2 request = {
		.total_num_bfregs = 16,
		.num_low_latency_bfregs = 4,
		.lib_caps = MLX5_LIB_CAP_4K_UAR | MLX5_LIB_CAP_DYN_UAR,
	};
	struct mlx5_ib_alloc_ucontext_resp reply = {0};
	union rdma_message m =
		rdma_message(RDMA_DRIVER_MLX5, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_GET_CONTEXT);

	rdma_message_in(&m, UVERBS_ATTR_UHW_IN, &request, sizeof(request));
	rdma_message_out(&m, UVERBS_ATTR_UHW_OUT, &reply, sizeof(reply));
	return rdma_message_send(fd, &m);
}

static int take_page(int fd, struct rdma_doorbell_page *page, uint64_t type)
{
	union rdma_message m =
		rdma_message(RDMA_DRIVER_MLX5, MLX5_IB_OBJECT_UAR, MLX5_IB_METHOD_UAR_OBJ_ALLOC);
	struct ib_uverbs_attr *handle = rdma_message_add(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_HANDLE, 0);
	uint32_t length;
	int err;

	rdma_message_in(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_TYPE, &type, sizeof(type));
	rdma_message_out(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_OFFSET, &page->offset,
			 sizeof(page->offset));
	rdma_message_out(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_LENGTH, &length, sizeof(length));
	rdma_message_out(&m, MLX5_IB_ATTR_UAR_OBJ_ALLOC_PAGE_ID, &page->page_id,
			 sizeof(page->page_id));
	err = rdma_message_send(fd, &m);
	page->handle = handle->data;
	page->combining = type == MLX5_IB_UAPI_UAR_ALLOC_TYPE_BF;
	return err;
}

static int page_give(int fd, uint32_t handle)
{
	union rdma_message m =
		rdma_message(RDMA_DRIVER_MLX5, MLX5_IB_OBJECT_UAR, MLX5_IB_METHOD_UAR_OBJ_DESTROY);

	rdma_message_add(&m, MLX5_IB_ATTR_UAR_OBJ_DESTROY_HANDLE, 0)->data = handle;
	return rdma_message_send(fd, &m);
}

/* The blob of a CQ has 16 bits for the page. The driver refuses BF where nothing combines writes. */
static int page_take(int fd, struct rdma_doorbell_page *page)
{
	int err = take_page(fd, page, MLX5_IB_UAPI_UAR_ALLOC_TYPE_BF);

	if (err == -EOPNOTSUPP)
		err = take_page(fd, page, MLX5_IB_UAPI_UAR_ALLOC_TYPE_NC);
	if (!err && page->page_id > UINT16_MAX) {
		page_give(fd, page->handle);
		err = -ENOSPC;
	}
	return err;
}

static const struct rdma_user_queues user_queues = {
	.find = find,
	.place = place,
	.answer = answer,
	.open = open_context,
	.clock = {SHOWN(SHOWN_TIMER), SHOWN(SHOWN_CONVERTER)},
	.begin = begin_context,
	.page_take = page_take,
	.page_give = page_give,
};

const struct rdma_dialect rdma_dialect_mlx5 = {
	.name = "mlx5",
	.stem = "mlx5_",
	.driver_id = RDMA_DRIVER_MLX5,
	.dmabuf = true,
	.cq_flags = IB_UVERBS_CQ_FLAGS_TIMESTAMP_COMPLETION, /* each completion has one */
	.xrc = true,
	.host_gids = true,
	.rules = rules,
	.n_rules = sizeof(rules) / sizeof(rules[0]),
	.user_queues = &user_queues,
};
