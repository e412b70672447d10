// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as what a vfio-user client sends: the server may hang up, and must leave nothing behind.
 *
 * The input is a sequence of messages: one byte says which descriptors go with the message, one the
 * command, one the flags, one the size, and the payload follows. A size of 255 is a lie of the header.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libbypass/vfio-user/server.h"
#include "../unit/fake_slice.h"

#define RAM_SIZE     0x10000
#define MESSAGES_MAX 64

static int ram, event, device;

/* Touch all of it: what was accepted as guest memory must be there. */
static int touch_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	const struct bypass_memory_range *range;
	unsigned int n;

	(void)slice;
	range = mem ? bypass_memory_ranges(mem, &n) : NULL;
	for (unsigned int i = 0; range && i < n; i++) {
		((volatile char *)range[i].hva)[0] = 1;
		((volatile char *)range[i].hva)[range[i].size - 1] = 1;
	}
	return 0;
}

/* What is connected is open, until it is disconnected. */
static int check_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
			 unsigned int count, const int *fds)
{
	assert(start + count <= slice->vectors[irq]);
	for (unsigned int i = 0; i < count; i++)
		assert(fds[i] < 0 || fcntl(fds[i], F_GETFD) >= 0);
	return fake_vectors(slice, irq, start, count, fds);
}

static void send_message(int fd, struct vfu_header header, const uint8_t *payload, uint32_t size,
			 const int *fds, unsigned int n_fds)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov[] = {{&header, sizeof(header)}, {(void *)payload, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (n_fds) {
		struct cmsghdr *c = &control.align;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = c->cmsg_len;
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_all(int fd, const uint8_t *data, size_t size)
{
	static const uint8_t hello[4] = {0, 0, 1, 0};

	send_message(fd, (struct vfu_header){0, VFU_VERSION, 20, 0, 0}, hello, 4, NULL, 0);
	for (int i = 0; i < MESSAGES_MAX && size >= 4; i++) {
		const int kinds[4][4] = {{ram, event, device, fd},
					 {ram, ram, ram, ram},
					 {event, event, event, event},
					 {fd, fd, ram, event}};
		struct vfu_header header = {i, data[1] % (VFU_COMMANDS + 2), 16u + data[3], data[2],
					    0};
		uint32_t payload = data[3] == 255 ? 32 : data[3];

		if (payload > size - 4)
			payload = size - 4;
		if (data[3] != 255)
			header.size = 16 + payload;
		send_message(fd, header, data + 4, payload, kinds[data[0] & 3], data[0] >> 2 & 3);
		data += 4 + payload;
		size -= 4 + payload;
	}
	shutdown(fd, SHUT_WR);
}

static struct fake_slice *open_slice(void)
{
	static struct bypass_slice_ops ops;
	struct fake_slice *fake = fake_slice_open();

	ops = fake_slice_ops;
	ops.set_memory = touch_memory;
	ops.vectors = check_vectors;
	fake->slice.ops = &ops;
	return fake;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bypass_vfio_user_server *server;
	struct fake_slice *fake = open_slice();
	int pair[2];

	if (!ram) {
		ram = memfd_create("ram", MFD_CLOEXEC);
		event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		device = open("/dev/zero", O_RDWR | O_CLOEXEC);
		if (ftruncate(ram, RAM_SIZE))
			abort();
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    bypass_vfio_user_server_new(&fake->slice, pair[1], &server))
		abort();
	send_all(pair[0], data, size);
	while (!bypass_vfio_user_server_dispatch(server))
		while (recv(pair[0], (char[4096]){}, 4096, MSG_DONTWAIT) > 0)
			;
	bypass_vfio_user_server_free(server);
	assert(!fake->wrong && !fake->on[0] && !fake->on[1] && !fake->on[2]);
	bypass_slice_close(&fake->slice);
	close(pair[0]);
	/* A descriptor that leaked shows as numbers that grow. */
	assert(pair[0] < 64);
	return 0;
}
