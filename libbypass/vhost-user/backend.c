// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Requests of the device to the VMM: map and unmap shared pages, and tell the guest that its
 * configuration changed.
 *
 * The front end handles these requests in its main loop. In the same loop it waits for the answers
 * to its own requests. The thread that serves the front end must therefore never wait here. That
 * thread may wait for a thread of the device that waits here only after vu_backend_cancel().
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bypass/error.h>
#include <bypass/log.h>

#include "../base/descriptors.h"
#include "internal.h"

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

	free(be->shown);
	if (be->fd < 0)
		return;
	close(be->fd);
	close(be->cancel_fd);
	be->fd = -1;
	be->cancel_fd = -1;
}

/* While @cancel is set, a thread of the device that waits for the front end gives up. */
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

/*
 * While @mute is set, no request is sent to the front end. QEMU 11.1 crashes on a request that it
 * reads after it has stopped the device. QEMU unmaps all shared pages when it resets the device.
 */
void vu_backend_mute(struct vu *vu, bool mute)
{
	pthread_mutex_lock(&vu->backend.lock);
	vu->backend.mute = mute;
	pthread_mutex_unlock(&vu->backend.lock);
}

/* Returns -ECANCELED when nothing was sent. */
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
	ssize_t n = 0;
	bool mute;

	if (fd >= 0) {
		hdr.msg_control = &control;
		descriptors_attach(&hdr, &fd, 1);
	}
	pthread_mutex_lock(&vu->backend.lock);
	mute = vu->backend.mute;
	while (!mute && (n = sendmsg(vu->backend.fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 &&
	       errno == EINTR)
		;
	pthread_mutex_unlock(&vu->backend.lock);
	if (mute)
		return bypass_fail(ECANCELED, "the guest's device is being stopped");
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

/* The caller holds the lock. */
static void forget_shown(struct vu_backend *be, const struct vu_shmem_map *map)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < be->n_shown; i++) {
		const struct vu_shown *s = &be->shown[i];

		if (s->offset >= map->offset + map->size || map->offset >= s->offset + s->size)
			be->shown[kept++] = *s;
	}
	be->n_shown = kept;
}

/* Record that the region shows @fd (-1: nothing) at this place from now on. */
static int note_shown(struct vu *vu, const struct vu_shmem_map *map, int fd)
{
	struct vu_backend *be = &vu->backend;
	struct vu_shown *shown;
	struct stat st = {};
	int ret = 0;

	if (fd >= 0 && fstat(fd, &st))
		return bypass_fail(errno,
				   "cannot stat what the shared memory region is to show: %s",
				   strerror(errno));
	pthread_mutex_lock(&be->lock);
	forget_shown(be, map);
	if (S_ISREG(st.st_mode)) {
		shown = reallocarray(be->shown, be->n_shown + 1, sizeof(*shown));
		if (shown) {
			shown[be->n_shown++] =
				(struct vu_shown){map->offset, map->size, st.st_dev, st.st_ino};
			be->shown = shown;
		} else {
			ret = bypass_fail(ENOMEM, "no memory for a shared page");
		}
	}
	pthread_mutex_unlock(&be->lock);
	return ret;
}

/*
 * Whether the shared memory region shows this file. The front end reports the region's pages as
 * memory too. Only this back end can tell that such a file is not RAM.
 */
bool vu_backend_shows(struct vu *vu, const struct stat *file)
{
	struct vu_backend *be = &vu->backend;
	bool found = false;

	pthread_mutex_lock(&be->lock);
	for (unsigned int i = 0; i < be->n_shown && !found; i++)
		found = be->shown[i].dev == file->st_dev && be->shown[i].ino == file->st_ino;
	pthread_mutex_unlock(&be->lock);
	return found;
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
		return ret == -ECANCELED ? 0 : ret;
	ret = await_reply(vu, "unmap a shared page");
	if (ret < 0)
		return ret;
	vu->backend.shows--;
	return note_shown(vu, &map, -1);
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
	/* Each shared page is a memory region of QEMU 11.1, which aborts when it has too many. */
	if (vu->backend.shows == VU_SHOWS_MAX)
		return bypass_fail(ENOSPC,
				   "the guest has %u queues mapped, and the VMM can show no more "
				   "(a QP is two, a CQ and an SRQ one each)",
				   VU_SHOWS_MAX);
	/* Record the file first: the front end may report the page before it answers. */
	ret = note_shown(vu, &map, fd);
	if (!ret)
		ret = send_request(vu, VU_BACKEND_SHMEM_MAP, &map, sizeof(map), fd, true);
	if (ret < 0)
		return ret;
	ret = await_reply(vu, "map a shared page");
	if (!ret)
		vu->backend.shows++;
	/* The front end handles requests in order: this unmap undoes the map if that took effect. */
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
