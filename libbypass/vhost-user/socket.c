// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vhost-user messages on their socket. A message is received whole into a private copy, with its
 * descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bypass/error.h>

#include "../base/descriptors.h"
#include "internal.h"

void vu_close_fds(struct vu_message *msg)
{
	for (unsigned int i = 0; i < msg->n_fds; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	}
	msg->n_fds = 0;
}

/* Returns 1 when there is something to read or the peer is gone, 0 when stop_fd is readable. */
static int wait_readable(struct vu *vu)
{
	struct pollfd fds[] = {
		{.fd = vu->fd, .events = POLLIN},
		{.fd = vu->stop_fd, .events = POLLIN},
	};

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return bypass_fail(errno, "cannot wait for the VMM: %s", strerror(errno));
	}
	return !(fds[1].revents & POLLIN);
}

static int take_fds(struct vu_message *msg, struct msghdr *hdr)
{
	msg->n_fds = descriptors_take(hdr, msg->fds);
	if (hdr->msg_flags & MSG_CTRUNC)
		return bypass_fail(EPROTO, "the VMM sent more than %d descriptors in one message",
				   VU_TABLE_MAX);
	return 0;
}

/*
 * Read exactly @size bytes. Returns 1, or 0 when the peer closed before the first byte of a message.
 * Descriptors come with the first byte. For any other byte there is no control buffer, so that the
 * kernel drops descriptors there.
 */
static int read_whole(struct vu *vu, struct vu_message *msg, void *data, size_t size, bool first)
{
	union {
		char bytes[CMSG_SPACE(VU_TABLE_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	size_t done = 0;
	ssize_t n;
	int ret;

	while (done < size) {
		struct iovec iov = {(char *)data + done, size - done};
		struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
		bool begins = first && !done;

		ret = wait_readable(vu);
		if (ret < 0)
			return ret;
		if (!ret)
			return bypass_fail(EINTR, "asked to stop");
		if (begins) {
			hdr.msg_control = &control;
			hdr.msg_controllen = sizeof(control);
		}
		n = recvmsg(vu->fd, &hdr, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ECONNRESET)
			return bypass_fail(errno, "cannot read from the VMM: %s", strerror(errno));
		if (n <= 0 && begins)
			return 0;
		if (n <= 0)
			return bypass_fail(EPROTO, "the VMM closed in the middle of a message");
		ret = begins ? take_fds(msg, &hdr) : 0;
		if (ret < 0)
			return ret;
		done += n;
	}
	return 1;
}

/*
 * Returns 1 and a message, whose descriptors the caller closes; or 0 when the front end closed the
 * connection.
 */
int vu_receive(struct vu *vu, struct vu_message *msg)
{
	int ret;

	memset(msg, 0, sizeof(*msg));
	ret = read_whole(vu, msg, &msg->header, sizeof(msg->header), true);
	if (ret <= 0)
		goto out;
	if ((msg->header.flags & VU_VERSION_MASK) != VU_VERSION) {
		ret = bypass_fail(EPROTO, "the VMM speaks vhost-user version %u; this is version 1",
				  msg->header.flags & VU_VERSION_MASK);
		goto out;
	}
	if (msg->header.size > sizeof(msg->bytes)) {
		ret = bypass_fail(EPROTO,
				  "vhost-user message %u has %u bytes; none may have more "
				  "than %zu",
				  msg->header.request, msg->header.size, sizeof(msg->bytes));
		goto out;
	}
	ret = read_whole(vu, msg, msg->bytes, msg->header.size, false);
out:
	if (ret <= 0)
		vu_close_fds(msg);
	return ret;
}

int vu_reply(struct vu *vu, const struct vu_message *msg, const void *data, uint32_t size)
{
	struct vu_header header = {
		.request = msg->header.request,
		.flags = VU_VERSION | VU_REPLY,
		.size = size,
	};
	struct iovec iov[] = {{&header, sizeof(header)}, {(void *)data, size}};
	struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	/*
	 * Do not wait: answers are small and requested one at a time. A full socket means that the
	 * front end does not read, and such a front end must not block this thread.
	 */
	do {
		n = sendmsg(vu->fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)(sizeof(header) + size))
		return 0;
	return bypass_fail(n < 0 ? errno : EPROTO, "cannot answer the VMM: %s",
			   n < 0 ? strerror(errno) : "its socket took only part of the answer");
}
