// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The network devices of a port's GIDs, as verbs name them: a line for each GID, with its index and the device's
 * name, or - where there is none. Both ways of asking must agree.
 *
 *	rdma-gids DEVICE
 */
#include <net/if.h>

#include "rdma-verbs.h"

#define MOST 256

int main(int argc, char **argv)
{
	static struct ibv_gid_entry table[MOST];
	struct ibv_gid_entry one;
	char name[IF_NAMESIZE];
	struct ibv_context *context;
	ssize_t count;

	if (argc != 2) {
		fprintf(stderr, "usage: rdma-gids DEVICE\n");
		return 2;
	}
	context = open_context(argv[1]);
	if (!context)
		fail("%s", argv[1]);
	count = ibv_query_gid_table(context, table, MOST, 0);
	if (count < 0)
		fail("ibv_query_gid_table");
	for (ssize_t i = 0; i < count; i++) {
		if (ibv_query_gid_ex(context, table[i].port_num, table[i].gid_index, &one, 0))
			fail("ibv_query_gid_ex of %u", table[i].gid_index);
		if (one.ndev_ifindex != table[i].ndev_ifindex)
			fail("GID %u: network device %u, or %u in the table", one.gid_index,
			     one.ndev_ifindex, table[i].ndev_ifindex);
		if (one.ndev_ifindex && !if_indextoname(one.ndev_ifindex, name))
			fail("GID %u: no network device is %u", one.gid_index, one.ndev_ifindex);
		printf("%u %s\n", one.gid_index, one.ndev_ifindex ? name : "-");
	}
	ibv_close_device(context);
	return 0;
}
