// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Addresses, between a process, which has sockaddrs, and the host.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <net/ipv6.h>

#include "ucma.h"

/* Return: 0, or -EINVAL for what is no address. No family: there is no address, which is no error. */
int ucma_pack_addr(struct bypass_rdma_cm_addr *to, const void *from, size_t size)
{
	const struct sockaddr *any = from;
	const struct sockaddr_in6 *in6 = from;
	const struct sockaddr_in *in = from;
	struct in6_addr ip = {};

	memset(to, 0, sizeof(*to));
	if (any->sa_family == AF_INET && size >= sizeof(*in)) {
		ipv6_addr_set_v4mapped(in->sin_addr.s_addr, &ip);
		to->port = in->sin_port;
	} else if (any->sa_family == AF_INET6 && size >= sizeof(*in6)) {
		ip = in6->sin6_addr;
		to->port = in6->sin6_port;
	} else {
		return any->sa_family || !size ? -EINVAL : 0;
	}
	to->family = cpu_to_le16(any->sa_family);
	memcpy(to->ip, &ip, sizeof(to->ip));
	return 0;
}

void ucma_unpack_addr(struct sockaddr_in6 *to, const struct bypass_rdma_cm_addr *from)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (le16_to_cpu(from->family) == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = from->port;
		memcpy(&in->sin_addr, from->ip + 12, sizeof(in->sin_addr));
	} else if (le16_to_cpu(from->family) == AF_INET6) {
		to->sin6_family = AF_INET6;
		to->sin6_port = from->port;
		memcpy(&to->sin6_addr, from->ip, sizeof(to->sin6_addr));
	}
}
