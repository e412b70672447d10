// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the device asks of the VMM: map and unmap pages of the window, and tell the
 * guest that its configuration changed.
 *
 * The front end serves these requests in its main loop, and in the same loop it waits
 * for our answers to its own. So the thread that serves the front end must never wait
 * here; nor may it wait for a thread of the device that does, unless it cancels it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "vhost-user.h"

int vu_backend_open(struct vu *vu, int fd)
{
	struct vu_backend *be = &vu->backend;

	be->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (be->cancel_fd < 0)
		return bypass_fail(errno, "cannot make an eventfd: %s", strerror(errno));
	be->fd = fd;
	return 0;
}

void vu_backend_close(struct vu *vu)
{
	struct vu_backend *be = &vu->backend;

	if (be->fd < 0)
		return;
	close(be->fd);
	close(be->cancel_fd);
	be->fd = -1;
	be->cancel_fd = -1;
}

/* While @cancel is on, a thread of the device that waits for the front end gives up. */
void vu_backend_cancel(struct vu *vu, bool cancel)
{
	eventfd_t count;

	if (vu->backend.fd < 0)
		return;
	if (cancel)
		eventfd_write(vu->backend.cancel_fd, 1);
	else
		eventfd_read(vu->backend.cancel_fd, &count);
}

static int send_request(struct vu *vu, uint32_t request, const void *data, uint32_t size, int fd,
			bool need_reply)
{
	struct vu_header header = {
		.request = request,
		.flags = VU_VERSION | (need_reply ? VU_NEED_REPLY : 0),
		.size = size,
	};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov[] = {{&header, sizeof(header)}, {(void *)data, size}};
	struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c = &control.align;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
	}
	pthread_mutex_lock(&vu->backend.lock);
	do {
		n = sendmsg(vu->backend.fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	pthread_mutex_unlock(&vu->backend.lock);
	if (n == (ssize_t)(sizeof(header) + size))
		return 0;
	return bypass_fail(n < 0 ? errno : EPROTO, "cannot send a request to the VMM: %s",
			   n < 0 ? strerror(errno) : "its socket took only part of it");
}

static int read_reply(struct vu *vu, uint64_t *result)
{
	struct {
		struct vu_header header;
		uint64_t result;
	} __attribute__((packed)) reply;
	ssize_t n = recv(vu->backend.fd, &reply, sizeof(reply), MSG_DONTWAIT);

	if (n <= 0)
		return bypass_fail(ENODEV, "the VMM is gone");
	if (n != sizeof(reply) || !(reply.header.flags & VU_REPLY) ||
	    reply.header.size != sizeof(reply.result))
		return bypass_fail(EPROTO, "the VMM sent a malformed reply to a request");
	*result = reply.result;
	return 0;
}

static int await_reply(struct vu *vu, const char *what)
{
	struct vu_backend *be = &vu->backend;
	struct pollfd fds[] = {
		{.fd = be->fd, .events = POLLIN},
		{.fd = be->cancel_fd, .events = POLLIN},
	};
	uint64_t result = 0;
	int ret;

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return bypass_fail(errno, "cannot wait for the VMM: %s", strerror(errno));
		}
		if (!fds[0].revents) {
			be->abandoned++;
			return bypass_fail(ECANCELED, "the guest's device is being stopped");
		}
		ret = read_reply(vu, &result);
		if (ret < 0)
			return ret;
		if (be->abandoned) {
			be->abandoned--;
			continue;
		}
		if (result)
			return bypass_fail(EIO, "the VMM could not %s: it answered %lld", what,
					   (long long)result);
		return 0;
	}
}

static int shm_unmap(void *transport, uint64_t offset, uint64_t size)
{
	struct vu_shmem_map map = {.offset = offset, .size = size};
	struct vu *vu = transport;
	bool wait = !pthread_equal(pthread_self(), vu->thread);
	int ret;

	if (vu->backend.fd < 0)
		return 0;
	ret = send_request(vu, VU_BACKEND_SHMEM_UNMAP, &map, sizeof(map), -1, wait);
	if (ret < 0 || !wait)
		return ret;
	return await_reply(vu, "unmap a page of the window");
}

static int shm_map(void *transport, uint64_t offset, uint64_t size, int fd, uint64_t fd_offset,
		   bool writable)
{
	struct vu_shmem_map map = {
		.fd_offset = fd_offset,
		.offset = offset,
		.size = size,
		.flags = writable ? VU_SHMEM_WRITE : 0,
	};
	struct vu *vu = transport;
	int ret;

	if (vu->backend.fd < 0)
		return bypass_fail(ENOTCONN, "the VMM gave no channel for requests");
	ret = send_request(vu, VU_BACKEND_SHMEM_MAP, &map, sizeof(map), fd, true);
	if (ret < 0)
		return ret;
	ret = await_reply(vu, "map a page of the window");
	/* Requests are served in their order: this one undoes the other, should it take effect. */
	if (ret == -ECANCELED) {
		send_request(vu, VU_BACKEND_SHMEM_UNMAP, &map, sizeof(map), -1, false);
		bypass_fail(ECANCELED, "the guest's device is being stopped");
	}
	return ret;
}

static void config_changed(void *transport)
{
	struct vu *vu = transport;

	if (vu->backend.fd >= 0 && send_request(vu, VU_BACKEND_CONFIG_CHANGE, NULL, 0, -1, false))
		bypass_log(BYPASS_LOG_WARN, "%s", bypass_error());
}

const struct bypass_virtio_carrier vu_carrier = {
	.config_changed = config_changed,
	.shm_map = shm_map,
	.shm_unmap = shm_unmap,
};
