// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the library of a ConnectX (libmlx5) asks its driver by ioctls of the driver's own. None of it goes
 * to the host as it is.
 *
 * - A process that imports a context gets the answer that the context's own process got, but without a
 *   static doorbell page: the library asks for a page then, and names it when it creates queues. To the host
 *   such a page is one more context of the same guest. The queues of the page are created in that context.
 * - The number that the host gave a protection domain.
 * - The place of a port in the host's embedded switch: none, as a slice is no port of that switch.
 */
#include <rdma/mlx5-abi.h>
#include <rdma/mlx5_user_ioctl_cmds.h>
#include <rdma/mlx5_user_ioctl_verbs.h>
#include <rdma/uverbs_std_types.h>
#include <rdma/uverbs_types.h>

#define UVERBS_MODULE_NAME bypass
#include <rdma/uverbs_named_ioctl.h>

#include "internal.h"

/* The first of these is the static page's; the blob of a CQ has 16 bits for a page. */
#define PAGE_FIRST 1
#define PAGE_LAST  U16_MAX

/* A context answers what it answered to its own process, but for what is static in that process. */
int bypass_query_ucontext(struct ib_ucontext *ibuc, struct uverbs_attr_bundle *attrs)
{
	struct mlx5_ib_alloc_ucontext_resp answer = to_ucontext(ibuc)->mlx5;

	answer.tot_bfregs = 0;
	answer.bf_reg_size = 0; /* all queues on one page, as of a process of its own */
	answer.response_length =
		min_t(size_t, uverbs_attr_get_len(attrs, MLX5_IB_ATTR_QUERY_CONTEXT_RESP_UCTX),
		      sizeof(answer));
	return uverbs_copy_to_struct_or_zero(attrs, MLX5_IB_ATTR_QUERY_CONTEXT_RESP_UCTX, &answer,
					     sizeof(answer));
}

/* A doorbell page, which the host gives with a context. Return: its mapping, or an ERR_PTR(). */
static struct bypass_mmap_entry *take_page(struct bypass_ucontext *ucontext)
{
	const struct mlx5_ib_alloc_ucontext_req request = {.total_num_bfregs = 16};
	struct bypass_rdma_handle response;
	struct bypass_mmaps mmaps = {};
	struct bypass_command command = {
		.number = BYPASS_RDMA_ALLOC_UCONTEXT,
		.undo = BYPASS_RDMA_DEALLOC_UCONTEXT,
		.ucontext = ucontext,
		.response = &response,
		.response_size = sizeof(response),
		.blob = &request,
		.blob_size = sizeof(request),
		.mmaps = &mmaps,
		.place_first = PAGE_FIRST,
		.place_last = PAGE_LAST,
	};
	struct bypass_dev *dev = to_dev(ucontext->ibuc.device);
	struct bypass_mmap_entry *entry;
	int err = bypass_ask_context(dev, &command);

	if (err)
		return ERR_PTR(err);
	/* The page is the first offer. The others are of the clock, which the process has already. */
	while (mmaps.count > 1)
		rdma_user_mmap_entry_remove(mmaps.entry[--mmaps.count]);
	if (!mmaps.count) {
		bypass_destroy_handle(dev, BYPASS_RDMA_DEALLOC_UCONTEXT, NULL,
				      le32_to_cpu(response.handle));
		return ERR_PTR(-EPROTO);
	}
	entry = container_of(mmaps.entry[0], struct bypass_mmap_entry, rdma_entry);
	entry->context = le32_to_cpu(response.handle);
	return entry;
}

static int set_type(struct bypass_mmap_entry *entry, u64 type)
{
	switch (type) {
	case MLX5_IB_UAPI_UAR_ALLOC_TYPE_BF:
		return entry->flags & BYPASS_RDMA_MMAP_WC ? 0 : -EOPNOTSUPP;
	case MLX5_IB_UAPI_UAR_ALLOC_TYPE_NC:
		entry->flags &= ~BYPASS_RDMA_MMAP_WC;
		entry->flags |= BYPASS_RDMA_MMAP_UC;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int UVERBS_HANDLER(MLX5_IB_METHOD_UAR_OBJ_ALLOC)(struct uverbs_attr_bundle *attrs)
{
	struct ib_uobject *uobject =
		uverbs_attr_get_uobject(attrs, MLX5_IB_ATTR_UAR_OBJ_ALLOC_HANDLE);
	struct ib_ucontext *ibuc = ib_uverbs_get_ucontext(attrs);
	enum mlx5_ib_uapi_uar_alloc_type type;
	struct bypass_mmap_entry *entry;
	u32 number, length = PAGE_SIZE;
	u64 offset;
	int err;

	if (IS_ERR(ibuc))
		return PTR_ERR(ibuc);
	err = uverbs_get_const(&type, attrs, MLX5_IB_ATTR_UAR_OBJ_ALLOC_TYPE);
	if (err)
		return err;
	entry = take_page(to_ucontext(ibuc));
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	err = set_type(entry, type);
	if (err) {
		rdma_user_mmap_entry_remove(&entry->rdma_entry);
		return err;
	}
	number = entry->rdma_entry.start_pgoff;
	offset = rdma_user_mmap_get_offset(&entry->rdma_entry);
	uobject->object = entry;
	uverbs_finalize_uobj_create(attrs, MLX5_IB_ATTR_UAR_OBJ_ALLOC_HANDLE);

	err = uverbs_copy_to(attrs, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_OFFSET, &offset,
			     sizeof(offset));
	if (!err)
		err = uverbs_copy_to(attrs, MLX5_IB_ATTR_UAR_OBJ_ALLOC_PAGE_ID, &number,
				     sizeof(number));
	if (!err)
		err = uverbs_copy_to(attrs, MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_LENGTH, &length,
				     sizeof(length));
	return err;
}

/* The page goes back to the host when neither a queue nor a mapping uses it: object.c. */
static int end_page(struct ib_uobject *uobject, enum rdma_remove_reason why,
		    struct uverbs_attr_bundle *attrs)
{
	struct bypass_mmap_entry *entry = uobject->object;

	rdma_user_mmap_entry_remove(&entry->rdma_entry);
	return 0;
}

static int UVERBS_HANDLER(MLX5_IB_METHOD_PD_QUERY)(struct uverbs_attr_bundle *attrs)
{
	struct ib_pd *ibpd = uverbs_attr_get_obj(attrs, MLX5_IB_ATTR_QUERY_PD_HANDLE);
	u32 pdn = to_pd(ibpd)->mlx5.pdn;

	return uverbs_copy_to(attrs, MLX5_IB_ATTR_QUERY_PD_RESP_PDN, &pdn, sizeof(pdn));
}

static int UVERBS_HANDLER(MLX5_IB_METHOD_QUERY_PORT)(struct uverbs_attr_bundle *attrs)
{
	const struct mlx5_ib_uapi_query_port nothing = {};
	struct ib_ucontext *ibuc = ib_uverbs_get_ucontext(attrs);
	u32 port;
	int err;

	if (IS_ERR(ibuc))
		return PTR_ERR(ibuc);
	err = uverbs_copy_from(&port, attrs, MLX5_IB_ATTR_QUERY_PORT_PORT_NUM);
	if (err)
		return err;
	if (!rdma_is_port_valid(ibuc->device, port))
		return -EINVAL;
	return uverbs_copy_to_struct_or_zero(attrs, MLX5_IB_ATTR_QUERY_PORT, &nothing,
					     sizeof(nothing));
}

DECLARE_UVERBS_NAMED_METHOD(MLX5_IB_METHOD_UAR_OBJ_ALLOC,
			    UVERBS_ATTR_IDR(MLX5_IB_ATTR_UAR_OBJ_ALLOC_HANDLE, MLX5_IB_OBJECT_UAR,
					    UVERBS_ACCESS_NEW, UA_MANDATORY),
			    UVERBS_ATTR_CONST_IN(MLX5_IB_ATTR_UAR_OBJ_ALLOC_TYPE,
						 enum mlx5_ib_uapi_uar_alloc_type, UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(MLX5_IB_ATTR_UAR_OBJ_ALLOC_PAGE_ID,
						UVERBS_ATTR_TYPE(u32), UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_LENGTH,
						UVERBS_ATTR_TYPE(u32), UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(MLX5_IB_ATTR_UAR_OBJ_ALLOC_MMAP_OFFSET,
						UVERBS_ATTR_TYPE(u64), UA_MANDATORY));

DECLARE_UVERBS_NAMED_METHOD_DESTROY(MLX5_IB_METHOD_UAR_OBJ_DESTROY,
				    UVERBS_ATTR_IDR(MLX5_IB_ATTR_UAR_OBJ_DESTROY_HANDLE,
						    MLX5_IB_OBJECT_UAR, UVERBS_ACCESS_DESTROY,
						    UA_MANDATORY));

DECLARE_UVERBS_NAMED_OBJECT(MLX5_IB_OBJECT_UAR, UVERBS_TYPE_ALLOC_IDR(end_page),
			    &UVERBS_METHOD(MLX5_IB_METHOD_UAR_OBJ_ALLOC),
			    &UVERBS_METHOD(MLX5_IB_METHOD_UAR_OBJ_DESTROY));

DECLARE_UVERBS_NAMED_METHOD(MLX5_IB_METHOD_PD_QUERY,
			    UVERBS_ATTR_IDR(MLX5_IB_ATTR_QUERY_PD_HANDLE, UVERBS_OBJECT_PD,
					    UVERBS_ACCESS_READ, UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(MLX5_IB_ATTR_QUERY_PD_RESP_PDN,
						UVERBS_ATTR_TYPE(u32), UA_MANDATORY));

ADD_UVERBS_METHODS(mlx5_pd, UVERBS_OBJECT_PD, &UVERBS_METHOD(MLX5_IB_METHOD_PD_QUERY));

DECLARE_UVERBS_NAMED_METHOD(
	MLX5_IB_METHOD_QUERY_PORT,
	UVERBS_ATTR_PTR_IN(MLX5_IB_ATTR_QUERY_PORT_PORT_NUM, UVERBS_ATTR_TYPE(u32), UA_MANDATORY),
	UVERBS_ATTR_PTR_OUT(MLX5_IB_ATTR_QUERY_PORT,
			    UVERBS_ATTR_STRUCT(struct mlx5_ib_uapi_query_port, reg_c0),
			    UA_MANDATORY));

ADD_UVERBS_METHODS(mlx5_device, UVERBS_OBJECT_DEVICE, &UVERBS_METHOD(MLX5_IB_METHOD_QUERY_PORT));

ADD_UVERBS_ATTRIBUTES_SIMPLE(
	mlx5_context, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_CONTEXT,
	UVERBS_ATTR_PTR_OUT(MLX5_IB_ATTR_QUERY_CONTEXT_RESP_UCTX,
			    UVERBS_ATTR_STRUCT(struct mlx5_ib_alloc_ucontext_resp, dump_fill_mkey),
			    UA_MANDATORY));

const struct uapi_definition bypass_mlx5_uapi[] = {
	UAPI_DEF_CHAIN_OBJ_TREE_NAMED(MLX5_IB_OBJECT_UAR),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_PD, &mlx5_pd),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_DEVICE, &mlx5_device),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_DEVICE, &mlx5_context),
	{},
};
