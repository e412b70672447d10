// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Address vectors: what address handles and queue pairs have in common. Each field is in its
 * range before the kernel sees it, and what means nothing is 0.
 */
#include <errno.h>
#include <string.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#include <bypass/error.h>

#include "internal.h"

/*
 * A flow label has 20 bits (IBTA, 8.3: the GRH). HCAs drop the bits above, and programs count on
 * that: UCX sets all 32 for "any". rxe would put them into other fields of the header.
 */
#define FLOW_LABEL	  0xfffffu
#define SL_MAX		  15
#define SRC_PATH_BITS_MAX 127
#define STATIC_RATE_MAX	  24 /* 1200 Gbit/s */

/* enum ibv_rate: 0 is the port's own rate, 1 is not defined. */
static bool rate_exists(uint8_t rate)
{
	return rate != 1 && rate <= STATIC_RATE_MAX;
}

static int check(struct rdma_slice *s, const struct bypass_rdma_ah_attr *av)
{
	struct bypass_rdma_port port;
	int err;

	if (!av->port || av->port > s->hca.ports)
		return bypass_fail(EINVAL, "an address vector names port %u of %u", av->port,
				   s->hca.ports);
	if (av->is_global > 1)
		return bypass_fail(EINVAL, "is_global of an address vector is neither 0 nor 1");
	if (av->sl > SL_MAX || av->src_path_bits > SRC_PATH_BITS_MAX ||
	    !rate_exists(av->static_rate))
		return bypass_fail(EINVAL,
				   "an address vector has SL %u, path bits %u, static rate %u: at "
				   "most %u, %u, %u",
				   av->sl, av->src_path_bits, av->static_rate, SL_MAX,
				   SRC_PATH_BITS_MAX, STATIC_RATE_MAX);
	err = rdma_hca_query_port(&s->hca, av->port, &port);
	if (err)
		return err;
	if (!av->is_global && port.link_layer == IBV_LINK_LAYER_ETHERNET)
		return bypass_fail(EINVAL, "an address vector without GRH on Ethernet");
	return 0;
}

int rdma_av_to_dest(struct rdma_slice *s, const struct bypass_rdma_ah_attr *av,
		    struct ib_uverbs_qp_dest *dest)
{
	int err = check(s, av);

	if (err)
		return err;
	*dest = (struct ib_uverbs_qp_dest){
		.dlid = le16toh(av->dlid),
		.sl = av->sl,
		.src_path_bits = av->src_path_bits,
		.static_rate = av->static_rate,
		.port_num = av->port,
	};
	if (!av->is_global)
		return 0;
	dest->is_global = 1;
	memcpy(dest->dgid, av->dgid, sizeof(dest->dgid));
	dest->flow_label = le32toh(av->flow_label) & FLOW_LABEL;
	dest->hop_limit = av->hop_limit;
	dest->traffic_class = av->traffic_class;
	return rdma_scope_gid_to_host(s, av->port, av->sgid_index, &dest->sgid_index);
}

void rdma_av_from_dest(struct rdma_slice *s, const struct ib_uverbs_qp_dest *dest,
		       struct bypass_rdma_ah_attr *av)
{
	*av = (struct bypass_rdma_ah_attr){
		.flow_label = htole32(dest->flow_label),
		.dlid = htole16(dest->dlid),
		.hop_limit = dest->hop_limit,
		.traffic_class = dest->traffic_class,
		.sl = dest->sl,
		.src_path_bits = dest->src_path_bits,
		.static_rate = dest->static_rate,
		.is_global = dest->is_global,
		.port = dest->port_num,
	};
	memcpy(av->dgid, dest->dgid, sizeof(av->dgid));
	if (dest->is_global && dest->port_num && dest->port_num <= s->hca.ports)
		av->sgid_index = rdma_scope_gid_from_host(s, dest->port_num, dest->sgid_index);
}
