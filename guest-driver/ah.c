// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where packets go: address vectors and address handles. The host resolves MAC addresses,
 * because the HCA's network is there.
 */
#include <rdma/ib_cache.h>

#include "internal.h"

void bypass_pack_ah(struct bypass_rdma_ah_attr *to, const struct rdma_ah_attr *from)
{
	const struct ib_global_route *grh = rdma_ah_read_grh(from);

	if (rdma_ah_get_ah_flags(from) & IB_AH_GRH) {
		to->is_global = 1;
		memcpy(to->dgid, grh->dgid.raw, sizeof(to->dgid));
		to->flow_label = cpu_to_le32(grh->flow_label);
		to->sgid_index = grh->sgid_index;
		to->hop_limit = grh->hop_limit;
		to->traffic_class = grh->traffic_class;
	}
	to->dlid = cpu_to_le16(rdma_ah_get_dlid(from));
	to->sl = rdma_ah_get_sl(from);
	to->src_path_bits = rdma_ah_get_path_bits(from);
	to->static_rate = rdma_ah_get_static_rate(from);
	to->port = rdma_ah_get_port_num(from);
}

void bypass_unpack_ah(struct bypass_dev *dev, struct rdma_ah_attr *to,
		      const struct bypass_rdma_ah_attr *from)
{
	union ib_gid dgid;

	/* Before an address is set the port is 0; the host's driver may say more all the same. */
	if (rdma_is_port_valid(&dev->ibdev, from->port))
		to->type = rdma_ah_find_type(&dev->ibdev, from->port);
	rdma_ah_set_port_num(to, from->port);
	rdma_ah_set_dlid(to, le16_to_cpu(from->dlid));
	rdma_ah_set_sl(to, from->sl);
	rdma_ah_set_path_bits(to, from->src_path_bits);
	rdma_ah_set_static_rate(to, from->static_rate);
	if (!from->is_global)
		return;
	rdma_ah_set_grh(to, NULL, le32_to_cpu(from->flow_label), from->sgid_index, from->hop_limit,
			from->traffic_class);
	memcpy(dgid.raw, from->dgid, sizeof(dgid.raw));
	rdma_ah_set_dgid_raw(to, dgid.raw);
}

static const struct bypass_kind kind = {
	.create = BYPASS_RDMA_CREATE_AH,
	.destroy = BYPASS_RDMA_DESTROY_AH,
	.request_size = sizeof(struct bypass_rdma_create_ah),
	.response_size = sizeof(struct bypass_rdma_handle),
};

int bypass_create_ah(struct ib_ah *ibah, struct rdma_ah_init_attr *init, struct ib_udata *udata)
{
	struct bypass_rdma_create_ah request = {
		.pd = cpu_to_le32(to_pd(ibah->pd)->object.handle),
	};
	struct bypass_rdma_handle response;

	bypass_pack_ah(&request.attr, init->ah_attr);
	return bypass_create(to_dev(ibah->device), &to_ah(ibah)->object, &kind, &request, &response,
			     udata);
}

/* Only processes have address handles here, and they may sleep. */
int bypass_destroy_ah(struct ib_ah *ibah, u32 flags)
{
	return bypass_destroy(to_dev(ibah->device), &to_ah(ibah)->object);
}
