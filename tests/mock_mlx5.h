/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The HCA that is not there, as mlx5: it reads the memory of queues as the driver pins that memory,
 * and has doorbell pages.
 */
#ifndef TESTS_MOCK_MLX5_H
#define TESTS_MOCK_MLX5_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <rdma/mlx5-abi.h>
#include <rdma/mlx5_user_ioctl_cmds.h>
#include <rdma/mlx5_user_ioctl_verbs.h>

#include "mock_uverbs.h"

#define MOCK_FIRST_PAGE 0x100u /* the number of a doorbell page is this and its handle */

static struct {
	/* Of the last queue: */
	uint64_t buffer, size, record;
	uint64_t sum;	  /* of its bytes */
	uint8_t recorded; /* the first byte of the doorbell record */
	uint32_t page_id, flags;
	bool no_bf; /* there is no write combining */
	int fail;   /* errno of the next doorbell page */
	/* Of the descriptor of doorbell pages alone: */
	bool begun;	      /* it has a context */
	int begin_fails;      /* errno */
	uint64_t next_offset; /* for mmap */
	uint32_t room;	      /* so many pages and no more; 0: any number */
	uint32_t gap;	      /* this page is not behind the one before; 0: none … */
	int64_t jump;	      /* … but so many bytes from there */
	uint32_t n;	      /* pages */
	/* Of the last dma-buf, and of the region that it became: */
	uint32_t runs;
	uint64_t gathered; /* sum of its bytes */
	uint64_t offset, length, iova;
	uint32_t access;
	int gather_fails; /* errno of the next one */
} mock_mlx5;

/* The first page of a context begins here. */
#define MOCK_FIRST_OFFSET 0x900000u

/* /dev/udmabuf is there, and the HCA's node for one more descriptor. */
int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!strncmp(path, RDMA_NODES "/", strlen(RDMA_NODES "/"))) {
		mock_mlx5.next_offset = MOCK_FIRST_OFFSET;
		mock.page_fd = memfd_create("pages", MFD_CLOEXEC);
		return mock.page_fd;
	}
	return syscall(SYS_openat, AT_FDCWD, strcmp(path, "/dev/udmabuf") ? path : "/dev/null",
		       flags, mode);
}

/* With the descriptor of doorbell pages its pages end. */
int close(int fd)
{
	for (uint32_t i = 0; fd >= 0 && fd == mock.page_fd && i < MOCK_OBJECTS; i++) {
		if (mock.kind[i] == MOCK_PAGE && mock.user_handle[i])
			mock.kind[i] = MOCK_NONE;
	}
	if (fd == mock.page_fd)
		mock.page_fd = -1;
	return syscall(SYS_close, fd);
}

static inline int mock_mlx5_gather(const struct udmabuf_create_list *list)
{
	int err = mock_mlx5.gather_fails;
	uint8_t page[4096];

	mock_mlx5.gather_fails = 0;
	if (err)
		return -err;
	mock_mlx5.runs = list->count;
	mock_mlx5.gathered = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		for (uint64_t at = 0; at < list->list[i].size; at += sizeof(page)) {
			if (pread(list->list[i].memfd, page, sizeof(page),
				  list->list[i].offset + at) != sizeof(page))
				mock_die("a run that is not in its file");
			for (size_t b = 0; b < sizeof(page); b++)
				mock_mlx5.gathered = mock_mlx5.gathered * 31 + page[b];
		}
	}
	return memfd_create("dma-buf", MFD_CLOEXEC);
}

static inline uint64_t mock_mlx5_round(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* The page must be one that the HCA gave out. */
static inline void mock_mlx5_need_page(uint32_t page_id)
{
	mock_mlx5.page_id = page_id;
	mock_need(page_id - MOCK_FIRST_PAGE, MOCK_PAGE);
}

static inline int mock_mlx5_pin(uint64_t buffer, uint64_t size, uint64_t record)
{
	mock_mlx5.buffer = buffer;
	mock_mlx5.size = size;
	mock_mlx5.record = record;
	mock_mlx5.sum = 0;
	for (uint64_t i = 0; i < size; i++)
		mock_mlx5.sum = mock_mlx5.sum * 31 + *(uint8_t *)(uintptr_t)(buffer + i);
	if (record)
		mock_mlx5.recorded = *(uint8_t *)(uintptr_t)record;
	return 0;
}

static inline int mock_mlx5_cq(const struct mock_call *c)
{
	const struct ib_uverbs_create_cq *in = c->in;
	const struct mlx5_ib_create_cq *blob = c->udata_in;

	if (c->udata_in_size != sizeof(*blob) ||
	    blob->flags & ~(MLX5_IB_CREATE_CQ_FLAGS_UAR_PAGE_INDEX |
			    MLX5_IB_CREATE_CQ_FLAGS_CQE_128B_PAD) ||
	    !(blob->flags & MLX5_IB_CREATE_CQ_FLAGS_UAR_PAGE_INDEX))
		mock_die("a CQ that no slice may ask for");
	mock_mlx5_need_page(blob->uar_page_index);
	return mock_mlx5_pin(blob->buf_addr, mock_mlx5_round(in->cqe + 1ull) * blob->cqe_size,
			     blob->db_addr);
}

static inline int mock_mlx5_resize(const struct mock_call *c)
{
	const struct ib_uverbs_resize_cq *in = c->in;
	const struct mlx5_ib_resize_cq *blob = c->udata_in;

	return mock_mlx5_pin(blob->buf_addr, mock_mlx5_round(in->cqe + 1ull) * blob->cqe_size, 0);
}

static inline int mock_mlx5_srq(const struct mock_call *c, uint32_t max_wr, uint32_t max_sge)
{
	const struct mlx5_ib_create_srq *blob = c->udata_in;
	uint64_t request = mock_mlx5_round(16 + 16ull * max_sge);

	return mock_mlx5_pin(blob->buf_addr,
			     mock_mlx5_round(max_wr + 1ull) * (request < 32 ? 32 : request),
			     blob->db_addr);
}

static inline int mock_mlx5_qp(const struct mock_call *c)
{
	const struct mlx5_ib_create_qp *blob = c->udata_in;
	struct mlx5_ib_create_qp_resp out = {.bfreg_index = -1, .ece_options = 0x10000000};

	mock_mlx5.flags = blob->flags;
	if (c->udata_in_size != sizeof(*blob) || !(blob->flags & MLX5_QP_FLAG_UAR_PAGE_INDEX) ||
	    blob->flags & (MLX5_QP_FLAG_BFREG_INDEX | MLX5_QP_FLAG_TYPE_DCI) || blob->sq_buf_addr ||
	    blob->ece_options)
		mock_die("a queue pair that no slice may ask for");
	mock_mlx5_need_page(blob->bfreg_index);
	memcpy(c->udata_out, &out,
	       c->udata_out_size < sizeof(out) ? c->udata_out_size : sizeof(out));
	return mock_mlx5_pin(blob->buf_addr,
			     ((uint64_t)blob->rq_wqe_count << blob->rq_wqe_shift) +
				     ((uint64_t)blob->sq_wqe_count << 6),
			     blob->db_addr);
}

static inline int mock_mlx5_queue(uint32_t command, const struct mock_call *c)
{
	const struct ib_uverbs_create_srq *srq = c->in;
	const struct ib_uverbs_create_xsrq *xsrq = c->in;

	switch (command) {
	case IB_USER_VERBS_CMD_CREATE_CQ:
		return mock_mlx5_cq(c);
	case IB_USER_VERBS_CMD_RESIZE_CQ:
		return mock_mlx5_resize(c);
	case IB_USER_VERBS_CMD_CREATE_SRQ:
		return mock_mlx5_srq(c, srq->max_wr, srq->max_sge);
	case IB_USER_VERBS_CMD_CREATE_XSRQ:
		return mock_mlx5_srq(c, xsrq->max_wr, xsrq->max_sge);
	}
	return mock_mlx5_qp(c);
}

static inline struct ib_uverbs_attr *mock_mlx5_attr(struct ib_uverbs_ioctl_hdr *header, uint16_t id)
{
	for (unsigned int i = 0; i < header->num_attrs; i++) {
		if (header->attrs[i].attr_id == id)
			return &header->attrs[i];
	}
	mock_die("an attribute is missing");
	return NULL;
}

static inline void mock_mlx5_out(struct ib_uverbs_ioctl_hdr *header, uint16_t id, const void *data,
				 uint16_t size)
{
	struct ib_uverbs_attr *attr = mock_mlx5_attr(header, id);

	if (attr->len != size)
		mock_die("an attribute of another size");
	memcpy((void *)(uintptr_t)attr->data, data, size);
}

static inline int mock_mlx5_page(struct ib_uverbs_ioctl_hdr *header)
{
	bool nc = mock_mlx5_attr(header, MLX5_IB_ATTR_UAR_OBJ_ALLOC_TYPE)->data ==
		  MLX5_IB_UAPI_UAR_ALLOC_TYPE_NC;
	bool alone = mock.fd == mock.page_fd;
	uint64_t *next = alone ? &mock_mlx5.next_offset : &mock.next_offset, offset;
	uint32_t handle, page_id, length = 4096;
	int err = mock_mlx5.fail;

	mock_mlx5.fail = 0;
	if (err)
		return err;
	if (mock_mlx5.no_bf && !nc)
		return EOPNOTSUPP;
	if (alone && mock_mlx5.room && mock_mlx5.n == mock_mlx5.room)
		return ENOMEM;
	if (alone && mock_mlx5.n++ == mock_mlx5.gap && mock_mlx5.gap)
		*next += mock_mlx5.jump;
	offset = *next;
	*next += length;
	if (ftruncate(mock.fd, *next))
		mock_die("no doorbell page");
	handle = mock_new(MOCK_PAGE, alone);
	page_id = MOCK_FIRST_PAGE + handle;
	mock_mlx5_attr(header, MLX5_IB_ATTR_UAR_OBJ_ALLOC_HANDLE)->data = handle;
	mock_mlx5_out(header, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_OFFSET, &offset, sizeof(offset));
	mock_mlx5_out(header, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_LENGTH, &length, sizeof(length));
	mock_mlx5_out(header, MLX5_IB_ATTR_UAR_OBJ_ALLOC_PAGE_ID, &page_id, sizeof(page_id));
	return 0;
}

/* What a message has in itself, which is @size bytes long. */
static inline uint64_t mock_mlx5_in(struct ib_uverbs_ioctl_hdr *header, uint16_t id, uint16_t size)
{
	struct ib_uverbs_attr *attr = mock_mlx5_attr(header, id);

	if (attr->len != size)
		mock_die("an attribute of another size");
	return attr->data;
}

static inline int mock_mlx5_region(struct ib_uverbs_ioctl_hdr *header)
{
	const uint32_t key = 0x200;

	mock_need(mock_mlx5_in(header, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0), MOCK_PD);
	if (fcntl(mock_mlx5_in(header, UVERBS_ATTR_REG_DMABUF_MR_FD, 4), F_GETFD) < 0)
		mock_die("a dma-buf that is not open");
	mock_mlx5.offset = mock_mlx5_in(header, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, 8);
	mock_mlx5.length = mock_mlx5_in(header, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, 8);
	mock_mlx5.iova = mock_mlx5_in(header, UVERBS_ATTR_REG_DMABUF_MR_IOVA, 8);
	mock_mlx5.access = mock_mlx5_in(header, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, 4);
	mock_mlx5_attr(header, UVERBS_ATTR_REG_DMABUF_MR_HANDLE)->data = mock_new(MOCK_MR, 0);
	mock_mlx5_out(header, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, &key, sizeof(key));
	mock_mlx5_out(header, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, &key, sizeof(key));
	return 0;
}

/*
 * On the descriptor of doorbell pages there is a context first, without DEVX and without pages that
 * are not asked for, and then nothing but pages.
 */
static inline bool mock_mlx5_begin(struct ib_uverbs_ioctl_hdr *header)
{
	const struct mlx5_ib_alloc_ucontext_req_v2 *request;

	if (mock_mlx5.begun) {
		if (header->object_id != MLX5_IB_OBJECT_UAR)
			mock_die("more than pages in the context of doorbell pages");
		return false;
	}
	if (header->object_id != UVERBS_OBJECT_DEVICE ||
	    header->method_id != UVERBS_METHOD_GET_CONTEXT)
		mock_die("no context for doorbell pages");
	request = (const void *)(uintptr_t)mock_mlx5_attr(header, UVERBS_ATTR_UHW_IN)->data;
	if (request->flags || !(request->lib_caps & MLX5_LIB_CAP_DYN_UAR))
		mock_die("a context for doorbell pages that has more");
	mock_mlx5.begun = true;
	return true;
}

static inline int mock_mlx5_ioctl(struct ib_uverbs_ioctl_hdr *header)
{
	/* As the driver describes a context whose process asked for no static pages. */
	static const struct mlx5_ib_alloc_ucontext_resp context = {
		.qp_tab_size = 1 << 18,
		.bf_reg_size = 512,
		.cache_line_size = 64,
		.max_sq_desc_sz = 1008,
		.max_rq_desc_sz = 512,
		.max_send_wqebb = 1 << 15,
		.max_recv_wr = 1 << 15,
		.max_srq_recv_wr = 1 << 15,
		.num_ports = 1,
		.comp_mask = 0x3f,
		.response_length = sizeof(context),
		.cqe_version = 1,
		.cmds_supp_uhw = 3,
		.clock_info_versions = 1,
		.hca_core_clock_offset = 0x800,
		.log_uar_size = 12,
		.num_uars_per_page = 1,
		.dump_fill_mkey = 7,
	};
	uint32_t handle;

	if (mock.fd == mock.page_fd && mock_mlx5_begin(header))
		return mock_mlx5.begin_fails;
	if (header->object_id == UVERBS_OBJECT_DEVICE &&
	    header->method_id == UVERBS_METHOD_QUERY_CONTEXT) {
		mock_mlx5_out(header, MLX5_IB_ATTR_QUERY_CONTEXT_RESP_UCTX, &context,
			      sizeof(context));
		return 0;
	}
	if (header->object_id == UVERBS_OBJECT_MR &&
	    header->method_id == UVERBS_METHOD_REG_DMABUF_MR)
		return mock_mlx5_region(header);
	if (header->object_id != MLX5_IB_OBJECT_UAR)
		mock_die("an object that no slice may have");
	if (header->method_id == MLX5_IB_METHOD_UAR_OBJ_ALLOC)
		return mock_mlx5_page(header);
	handle = mock_mlx5_attr(header, MLX5_IB_ATTR_UAR_OBJ_DESTROY_HANDLE)->data;
	return mock_end(&handle, MOCK_PAGE);
}

static const struct mock_driver mock_mlx5_driver = {
	.dialect = &rdma_dialect_mlx5,
	.queue = mock_mlx5_queue,
	.ioctl = mock_mlx5_ioctl,
	.gather = mock_mlx5_gather,
};

#endif
