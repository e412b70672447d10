// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Address handles.
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_verbs.h>

#include "internal.h"

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
	err = rdma_object_create(s, c, RDMA_AH, IB_USER_VERBS_CMD_CREATE_AH, &in, sizeof(in), &out,
				 sizeof(out), &handle);
	if (err)
		return err;
	reply->handle = htole32(handle);
	return 0;
}
