// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Descriptors with a message to a peer, and from one.
 */
#include <string.h>
#include <sys/socket.h>

#include "descriptors.h"

unsigned int descriptors_take(struct msghdr *hdr, int *fds)
{
	unsigned int n = 0;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

void descriptors_attach(struct msghdr *hdr, const int *fds, unsigned int n)
{
	struct cmsghdr *c = hdr->msg_control;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	hdr->msg_controllen = CMSG_SPACE(n * sizeof(int));
}
