// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as what a vhost-user front end sends: the back end may hang up, and must
 * leave nothing behind.
 *
 * The input is a sequence of messages: one byte that says which descriptor goes with
 * it, one the request, one the flags, one the size, and the payload. All are written
 * to the socket first and then served, so that a run needs no thread.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bypass/memory.h>
#include <bypass/vhost-user.h>

#include "../../libbypass/vhost-user/internal.h"

#define RAM_SIZE     0x10000
#define MESSAGES_MAX 64

static int running;

static int attach(struct bypass_virtio_device *dev, const struct bypass_virtio_carrier *c, void *t)
{
	(void)dev, (void)c, (void)t;
	return 0;
}

/* Touch all of it: what was accepted as guest memory must be there. */
static int memory(struct bypass_virtio_device *dev, const struct bypass_memory *mem)
{
	const struct bypass_memory_range *range;
	unsigned int count;

	(void)dev;
	if (!mem)
		return 0;
	range = bypass_memory_ranges(mem, &count);
	for (unsigned int i = 0; i < count; i++) {
		((volatile char *)range[i].hva)[0] = 1;
		((volatile char *)range[i].hva)[range[i].size - 1] = 1;
	}
	return 0;
}

static int accept_features(struct bypass_virtio_device *dev, uint64_t features)
{
	assert(!(features & ~dev->features));
	return 0;
}

static void config_read(struct bypass_virtio_device *dev, uint32_t offset, void *data,
			uint32_t size)
{
	assert(offset + size <= dev->config_size);
	memset(data, 0x5a, size);
}

static void config_write(struct bypass_virtio_device *dev, uint32_t offset, const void *data,
			 uint32_t size)
{
	char copy[24];

	assert(offset + size <= dev->config_size);
	memcpy(copy + offset, data, size);
}

static int queue_start(struct bypass_virtio_device *dev, unsigned int index,
		       const struct bypass_virtio_queue *queue)
{
	assert(index < dev->n_queues && queue->size && queue->size <= dev->queue_size[index]);
	assert(fcntl(queue->kick_fd, F_GETFD) >= 0);
	running++;
	return 0;
}

static int queue_call(struct bypass_virtio_device *dev, unsigned int index, int fd)
{
	(void)dev, (void)index;
	assert(fd < 0 || fcntl(fd, F_GETFD) >= 0);
	return 0;
}

static int queue_stop(struct bypass_virtio_device *dev, unsigned int index)
{
	(void)dev, (void)index;
	running--;
	return 0;
}

static void reset(struct bypass_virtio_device *dev)
{
	(void)dev;
	assert(!running);
}

static const struct bypass_virtio_ops ops = {
	.attach = attach,
	.set_memory = memory,
	.accept = accept_features,
	.config_read = config_read,
	.config_write = config_write,
	.queue_start = queue_start,
	.queue_call = queue_call,
	.queue_stop = queue_stop,
	.reset = reset,
};

static const uint16_t queue_size[] = {64, 64};

static struct bypass_virtio_device dev = {
	.ops = &ops,
	.name = "fuzzed",
	.features = 1ull << 32 | 1,
	.config_size = 24,
	.n_queues = 2,
	.queue_size = queue_size,
	.shm = {.size = 0x10000, .fd = -1},
	.event_fd = -1,
};

static void send_message(int fd, struct vu_header header, const uint8_t *payload, int extra,
			 unsigned int n_extra)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = {};
	struct iovec iov[] = {{&header, sizeof(header)}, {(void *)payload, header.size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (n_extra) {
		struct cmsghdr *c = (struct cmsghdr *)control;
		int fds[2] = {extra, extra};

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_extra * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_extra * sizeof(int));
		msg.msg_control = control;
		msg.msg_controllen = c->cmsg_len;
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int ram = -1, event, device;
	int pair[2];

	if (ram < 0) {
		ram = memfd_create("ram", MFD_CLOEXEC);
		event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		device = open("/dev/zero", O_RDWR | O_CLOEXEC);
		if (ftruncate(ram, RAM_SIZE))
			abort();
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	for (int i = 0; i < MESSAGES_MAX && size >= 4; i++) {
		const int fds[] = {ram, event, device, pair[0]};
		struct vu_header header = {data[1] % VU_REQUESTS, data[2] ^ VU_VERSION, data[3]};
		unsigned int n_extra = data[0] >> 6;

		data += 4;
		size -= 4;
		if (header.size > size)
			header.size = size;
		send_message(pair[0], header, data, fds[data[-4] & 3], n_extra > 2 ? 2 : n_extra);
		data += header.size;
		size -= header.size;
	}
	shutdown(pair[0], SHUT_WR);
	bypass_vhost_user_serve(&dev, pair[1], -1);
	assert(!running);
	close(pair[0]);
	close(pair[1]);
	/* A descriptor that leaked shows as numbers that grow. */
	assert(pair[1] < 64);
	return 0;
}
