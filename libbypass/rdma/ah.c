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
	struct rdma_object *pd = rdma_table_get(&s->tables[RDMA_PD], le32toh(body->pd));
	struct bypass_rdma_handle *reply = (void *)c->reply;
	struct ib_uverbs_create_ah_resp out;
	struct ib_uverbs_create_ah in = {0};
	struct ib_uverbs_qp_dest dest;
	uint32_t handle;
	int err;

	if (!pd)
		return -EBADF;
	err = rdma_av_to_dest(s, &body->attr, &dest);
	if (err)
		return err;
	in.attr = (struct ib_uverbs_ah_attr){
		.grh =
			{
				.flow_label = dest.flow_label,
				.sgid_index = dest.sgid_index,
				.hop_limit = dest.hop_limit,
				.traffic_class = dest.traffic_class,
			},
		.dlid = dest.dlid,
		.sl = dest.sl,
		.src_path_bits = dest.src_path_bits,
		.static_rate = dest.static_rate,
		.is_global = dest.is_global,
		.port_num = dest.port_num,
	};
	memcpy(in.attr.grh.dgid, dest.dgid, sizeof(in.attr.grh.dgid));
	in.pd_handle = pd->host;
	err = rdma_object_create(s, c, RDMA_AH, IB_USER_VERBS_CMD_CREATE_AH, &in, sizeof(in), &out,
				 sizeof(out), &handle);
	if (err)
		return err;
	reply->handle = htole32(handle);
	return 0;
}
