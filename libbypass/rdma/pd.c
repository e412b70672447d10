// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Protection domains, and what needs nothing but one: memory windows, address handles.
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

/* Take a handle, and give it back unless the uverbs command works. */
static int create(struct rdma_slice *s, struct rdma_command *c, enum rdma_kind kind,
		  uint32_t uverbs, const void *in, size_t in_size, void *out, size_t out_size,
		  uint32_t *handle)
{
	struct rdma_table *table = &s->tables[kind];
	const struct rdma_mapping owner = {.ucontext = c->ucontext, .kind = kind};
	struct rdma_blob blob;
	int err;

	err = rdma_blob_in(s, c, &blob);
	if (!err)
		err = rdma_table_take(table, c->ucontext, handle);
	if (err)
		return err;
	err = rdma_uverbs(&s->hca, uverbs, in, in_size, out, out_size, &blob.udata);
	if (err) {
		rdma_table_put(table, *handle);
		return bypass_fail(-err, "%s refuses to add to the guest's %s: %s", s->hca.name,
				   table->what, strerror(-err));
	}
	rdma_count(&s->stats.objects, 1);
	return rdma_blob_out(s, c, &blob, &owner, 0);
}

int rdma_alloc_pd(struct rdma_slice *s, struct rdma_command *c)
{
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct ib_uverbs_alloc_pd in = {0};
	struct ib_uverbs_alloc_pd_resp out;
	uint32_t handle;
	int err;

	err = create(s, c, RDMA_PD, IB_USER_VERBS_CMD_ALLOC_PD, &in, sizeof(in), &out, sizeof(out),
		     &handle);
	if (err)
		return err;
	s->tables[RDMA_PD].objects[handle].host = out.pd_handle;
	reply->handle = htole32(handle);
	return 0;
}

int rdma_alloc_mw(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_alloc_mw *body = c->body;
	struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->pd));
	struct bypass_rdma_mr *reply = (void *)c->reply;
	uint32_t type = le32toh(body->type), handle;
	struct ib_uverbs_alloc_mw in = {.mw_type = type};
	struct ib_uverbs_alloc_mw_resp out;
	int err;

	if (!pd)
		return -EBADF;
	if (type != 1 && type != 2)
		return bypass_fail(EINVAL, "There is no memory window of type %u", type);
	if (s->guarded && s->dialect->guard->no_windows)
		return bypass_fail(EOPNOTSUPP,
				   "A guest that is not trusted gets no memory windows: %s",
				   s->dialect->guard->no_windows);
	in.pd_handle = pd->host;
	err = create(s, c, RDMA_MW, IB_USER_VERBS_CMD_ALLOC_MW, &in, sizeof(in), &out, sizeof(out),
		     &handle);
	if (err)
		return err;
	s->tables[RDMA_MW].objects[handle].host = out.mw_handle;
	reply->handle = htole32(handle);
	reply->rkey = htole32(out.rkey);
	return 0;
}

int rdma_create_ah(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_create_ah *body = c->body;
	const struct bypass_rdma_ah_attr *attr = &body->attr;
	struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->pd));
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct ib_uverbs_create_ah_resp out;
	struct ib_uverbs_create_ah in = {
		.attr =
			{
				.grh =
					{
						.flow_label = le32toh(attr->flow_label),
						.sgid_index = attr->sgid_index,
						.hop_limit = attr->hop_limit,
						.traffic_class = attr->traffic_class,
					},
				.dlid = le16toh(attr->dlid),
				.sl = attr->sl,
				.src_path_bits = attr->src_path_bits,
				.static_rate = attr->static_rate,
				.is_global = attr->is_global,
				.port_num = attr->port,
			},
	};
	uint32_t handle;
	int err;

	if (!pd)
		return -EBADF;
	memcpy(in.attr.grh.dgid, attr->dgid, sizeof(in.attr.grh.dgid));
	in.pd_handle = pd->host;
	err = create(s, c, RDMA_AH, IB_USER_VERBS_CMD_CREATE_AH, &in, sizeof(in), &out, sizeof(out),
		     &handle);
	if (err)
		return err;
	s->tables[RDMA_AH].objects[handle].host = out.ah_handle;
	reply->handle = htole32(handle);
	return 0;
}
