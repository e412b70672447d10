// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The host's rdma_cm character device: opening it, and commands by write(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <rdma/rdma_user_cm.h>

#include <bypass/error.h>

#include "ucma.h"

#define UCMA_NODE "/dev/infiniband/rdma_cm"

int ucma_open(void)
{
	int fd = open(UCMA_NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	return bypass_fail(errno, "cannot open " UCMA_NODE " (%m); is rdma_ucm loaded?");
}

int ucma_call(int fd, uint32_t command, const void *in, size_t in_size, size_t out_size)
{
	struct {
		struct rdma_ucm_cmd_hdr header;
		uint8_t body[sizeof(struct rdma_ucm_resolve_addr) + 64];
	} message = {.header = {.cmd = command, .in = in_size, .out = out_size}};
	ssize_t n;

	_Static_assert(sizeof(struct rdma_ucm_accept) <= sizeof(message.body), "the longest fits");
	if (fd < 0)
		return -EOPNOTSUPP;
	memcpy(message.body, in, in_size);
	do {
		n = write(fd, &message, sizeof(message.header) + in_size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}
