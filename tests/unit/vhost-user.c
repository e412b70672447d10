// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vhost-user back end against a front end that the test plays: what a correct one
 * gets, and what an incorrect one is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <bypass/error.h>
#include <bypass/memory.h>
#include <bypass/vhost-user.h>

#include "../../libbypass/base/descriptors.h"
#include "../../libbypass/vhost-user/internal.h"

#define RAM_SIZE 0x100000
#define RAM_USER 0x7f0000000000ull
#define RAM_GPA	 0x40000000ull

/* A device that notes what it is asked to do. */
static struct fake {
	struct bypass_virtio_device dev;
	const struct bypass_virtio_carrier *carrier;
	void *transport;
	struct bypass_virtio_queue queue[2];
	int running, resets, memories, calls;
	uint64_t accepted;
	void *ram;
} fake;

static int fake_attach(struct bypass_virtio_device *dev, const struct bypass_virtio_carrier *c,
		       void *transport)
{
	assert_ptr_equal(dev, &fake.dev);
	fake.carrier = c;
	fake.transport = transport;
	return 0;
}

static int fake_memory(struct bypass_virtio_device *dev, const struct bypass_memory *mem)
{
	(void)dev;
	fake.memories++;
	fake.ram = mem ? bypass_memory_hva(mem, RAM_GPA, RAM_SIZE) : NULL;
	return 0;
}

static int fake_accept(struct bypass_virtio_device *dev, uint64_t features)
{
	(void)dev;
	fake.accepted = features;
	return 0;
}

static void fake_config_read(struct bypass_virtio_device *dev, uint32_t offset, void *data,
			     uint32_t size)
{
	(void)dev;
	memset(data, 'a' + offset, size);
}

static void fake_config_write(struct bypass_virtio_device *dev, uint32_t offset, const void *data,
			      uint32_t size)
{
	(void)dev, (void)offset, (void)data, (void)size;
}

/* The thread of the device that asks for a page of the shared memory; queues and resets wait for it. */
static pthread_t mapper;
static bool mapping;
static int map_fd, map_result;

static void await_mapper(void)
{
	if (mapping)
		pthread_join(mapper, NULL);
	mapping = false;
}

static int fake_start(struct bypass_virtio_device *dev, unsigned int index,
		      const struct bypass_virtio_queue *queue)
{
	(void)dev;
	await_mapper();
	fake.queue[index] = *queue;
	fake.running++;
	return 0;
}

static int fake_call(struct bypass_virtio_device *dev, unsigned int index, int fd)
{
	(void)dev;
	fake.queue[index].call_fd = fd;
	fake.calls++;
	return 0;
}

static int fake_stop(struct bypass_virtio_device *dev, unsigned int index)
{
	(void)dev, (void)index;
	await_mapper();
	fake.running--;
	return 7;
}

static void fake_reset(struct bypass_virtio_device *dev)
{
	(void)dev;
	await_mapper();
	usleep(10000); /* there is much to destroy */
	fake.resets++;
	bypass_fail(EIO, "what a device says while it is reset");
}

static const struct bypass_virtio_ops fake_ops = {
	.attach = fake_attach,
	.set_memory = fake_memory,
	.accept = fake_accept,
	.config_read = fake_config_read,
	.config_write = fake_config_write,
	.queue_start = fake_start,
	.queue_call = fake_call,
	.queue_stop = fake_stop,
	.reset = fake_reset,
};

static const uint16_t queue_size[] = {64, 16};

/* The front end: one end of the socket, and a thread that serves the other. */
static int front, requests;
static pthread_t server;
static int served;
static char served_error[512];

static void *device_thread(void *fd)
{
	served = bypass_vhost_user_serve(&fake.dev, (int)(intptr_t)fd, -1);
	snprintf(served_error, sizeof(served_error), "%s", bypass_error());
	shutdown((int)(intptr_t)fd, SHUT_RDWR);
	close((int)(intptr_t)fd);
	return NULL;
}

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.dev = (struct bypass_virtio_device){
		.ops = &fake_ops,
		.name = "fake",
		.features = 1ull << 32 | 1,
		.config_size = 8,
		.n_queues = 2,
		.queue_size = queue_size,
		.shm = {.size = 0x10000, .fd = -1},
		.event_fd = -1,
	};
	requests = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	front = map_fd = fds[0];
	return pthread_create(&server, NULL, device_thread, (void *)(intptr_t)fds[1]);
}

/* Hang up, and wait until the back end has put everything away. */
static int hang_up(void)
{
	close(front);
	pthread_join(server, NULL);
	if (requests >= 0)
		close(requests);
	assert_int_equal(fake.running, 0);
	assert_null(fake.carrier);
	assert_null(fake.ram);
	return served;
}

static void send_message(uint32_t request, const void *data, uint32_t size, int fd, uint32_t flags)
{
	struct vu_header header = {request, VU_VERSION | flags, size};
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov[] = {{&header, sizeof(header)}, {(void *)data, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	assert_int_equal(sendmsg(front, &msg, MSG_NOSIGNAL), sizeof(header) + size);
}

/* Send, and receive the answer's payload; false when the back end hung up instead. */
static bool request_reply(uint32_t request, void *data, uint32_t size, int fd, void *reply,
			  uint32_t expect)
{
	struct vu_header header;

	send_message(request, data, size, fd, VU_NEED_REPLY);
	if (recv(front, &header, sizeof(header), MSG_WAITALL) != sizeof(header))
		return false;
	assert_int_equal(header.request, request);
	assert_int_equal(header.flags, VU_VERSION | VU_REPLY);
	assert_int_equal(header.size, expect);
	assert_int_equal(recv(front, reply, expect, MSG_WAITALL), expect);
	return true;
}

/* A request that is only acknowledged: 0, or what is not. */
static uint64_t request_ack(uint32_t request, void *data, uint32_t size, int fd)
{
	uint64_t result = ~0ull;

	return request_reply(request, data, size, fd, &result, sizeof(result)) ? result : ~0ull;
}

static uint64_t request_u64(uint32_t request, uint64_t value, int fd)
{
	return request_ack(request, &value, sizeof(value), fd);
}

static void negotiate(uint64_t protocol)
{
	uint64_t u64;
	int pair[2];

	assert_true(request_reply(VU_GET_FEATURES, NULL, 0, -1, &u64, sizeof(u64)));
	assert_int_equal(u64, fake.dev.features | VU_F_PROTOCOL_FEATURES);
	assert_true(request_reply(VU_GET_PROTOCOL_FEATURES, NULL, 0, -1, &u64, sizeof(u64)));
	assert_int_equal(protocol & ~u64, 0);
	send_message(VU_SET_PROTOCOL_FEATURES, &protocol, sizeof(protocol), -1, 0);
	if (!(protocol & VU_P_SHMEM))
		return;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(request_ack(VU_SET_BACKEND_REQ_FD, NULL, 0, pair[1]), 0);
	close(pair[1]);
	requests = pair[0];
	assert_int_equal(
		request_u64(VU_SET_FEATURES, fake.dev.features | VU_F_PROTOCOL_FEATURES, -1), 0);
	assert_int_equal(fake.accepted, fake.dev.features);
}

#define PROTOCOL                                                                                   \
	(VU_P_MQ | VU_P_REPLY_ACK | VU_P_BACKEND_REQ | VU_P_CONFIG | VU_P_BACKEND_SEND_FD |        \
	 VU_P_CONFIGURE_MEM_SLOTS | VU_P_SHMEM)

static int add_ram(int type_fd)
{
	struct vu_slot_region slot = {
		.region = {.gpa = RAM_GPA, .size = RAM_SIZE, .user_addr = RAM_USER},
	};

	return request_ack(VU_ADD_MEM_REG, &slot, sizeof(slot), type_fd);
}

static int make_ram(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
	return fd;
}

static void start_ring(unsigned int index, int kick)
{
	struct vu_vring_state num = {index, 16}, base = {index, 3}, on = {index, 1};
	struct vu_vring_addr addr = {
		.index = index,
		.desc = RAM_USER + 0x1000,
		.avail = RAM_USER + 0x2000,
		.used = RAM_USER + 0x3000,
	};

	assert_int_equal(request_ack(VU_SET_VRING_NUM, &num, sizeof(num), -1), 0);
	assert_int_equal(request_ack(VU_SET_VRING_BASE, &base, sizeof(base), -1), 0);
	assert_int_equal(request_ack(VU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 0);
	assert_int_equal(request_u64(VU_SET_VRING_KICK, index, kick), 0);
	assert_int_equal(request_ack(VU_SET_VRING_ENABLE, &on, sizeof(on), -1), 0);
}

static void test_life(void **state)
{
	int kick = eventfd(0, EFD_CLOEXEC), call = eventfd(0, EFD_CLOEXEC), ram = make_ram();
	struct vu_vring_state base = {0, 0};
	struct vu_config config = {.size = 4};
	struct vu_shmem_config shmem;

	(void)state;
	negotiate(PROTOCOL);
	assert_true(request_reply(VU_GET_SHMEM_CONFIG, NULL, 0, -1, &shmem, sizeof(shmem)));
	assert_int_equal(shmem.count, 1);
	assert_int_equal(shmem.size[0], 0x10000);
	assert_true(request_reply(VU_GET_CONFIG, &config, 16, -1, &config, 16));
	assert_memory_equal(config.data, "aaaa", 4);

	assert_int_equal(add_ram(ram), 0);
	assert_non_null(fake.ram);
	start_ring(0, kick);
	assert_int_equal(fake.running, 1);
	assert_int_equal(fake.queue[0].size, 16);
	assert_int_equal(fake.queue[0].next, 3);
	assert_int_equal(fake.queue[0].desc, RAM_GPA + 0x1000);
	assert_int_equal(fake.queue[0].used, RAM_GPA + 0x3000);

	/* Descriptors arrive as the same objects under other numbers. */
	eventfd_write(kick, 5);
	eventfd_t count;
	assert_int_equal(eventfd_read(fake.queue[0].kick_fd, &count), 0);
	assert_int_equal(count, 5);
	assert_int_equal(request_u64(VU_SET_VRING_CALL, 0, call), 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(request_u64(VU_SET_VRING_CALL, VU_VRING_NO_FD, -1), 0);
	assert_int_equal(fake.queue[0].call_fd, -1);

	assert_true(request_reply(VU_GET_VRING_BASE, &base, sizeof(base), -1, &base, sizeof(base)));
	assert_int_equal(base.num, 7);
	assert_int_equal(fake.running, 0);
	/* The answer comes last: upon it the guest takes its memory back. */
	assert_int_equal(fake.resets, 1);
	assert_int_equal(hang_up(), 0);
	assert_int_equal(fake.resets, 2);
	close(kick), close(call), close(ram);
}

/* A front end that dies with rings running leaves nothing behind. */
static void test_death(void **state)
{
	int kick = eventfd(0, EFD_CLOEXEC), ram = make_ram();

	(void)state;
	negotiate(PROTOCOL);
	assert_int_equal(add_ram(ram), 0);
	start_ring(0, kick);
	start_ring(1, kick);
	assert_int_equal(fake.running, 2);
	assert_int_equal(hang_up(), 0);
	close(kick), close(ram);
}

static void test_no_shmem(void **state)
{
	(void)state;
	negotiate(PROTOCOL & ~VU_P_SHMEM);
	assert_int_equal(hang_up(), -EOPNOTSUPP);
	assert_non_null(strstr(served_error, "SHMEM"));
	assert_non_null(strstr(served_error, "QEMU 11.1"));
}

/* Pages of the shared memory come back as memory regions: known, but not RAM. */
static void test_shm_is_not_ram(void **state)
{
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct vu_slot_region slot = {
		.region = {.gpa = RAM_GPA, .size = RAM_SIZE, .user_addr = RAM_USER},
	};

	(void)state;
	negotiate(PROTOCOL);
	assert_int_equal(add_ram(zero), 0);
	assert_int_equal(fake.memories, 0);
	assert_int_equal(request_ack(VU_REM_MEM_REG, &slot, sizeof(slot), -1), 0);
	assert_int_equal(fake.memories, 0);
	assert_int_equal(hang_up(), 0);
	close(zero);
}

static void test_memory_table(void **state)
{
	struct vu_table table = {
		.count = 1,
		.region = {{.gpa = RAM_GPA, .size = RAM_SIZE, .user_addr = RAM_USER}},
	};
	int ram = make_ram();

	(void)state;
	negotiate(PROTOCOL);
	assert_int_equal(request_ack(VU_SET_MEM_TABLE, &table, 8 + 32, ram), 0);
	assert_non_null(fake.ram);
	/* The same again replaces it. */
	assert_int_equal(request_ack(VU_SET_MEM_TABLE, &table, 8 + 32, ram), 0);
	assert_non_null(fake.ram);
	/* More than the file holds would be SIGBUS later. */
	table.region[0].offset = 0x1000;
	assert_int_not_equal(request_ack(VU_SET_MEM_TABLE, &table, 8 + 32, ram), 0);
	assert_int_equal(hang_up(), -EPROTO);
	assert_non_null(strstr(served_error, "does not fit"));
	close(ram);
}

static void *map_page(void *unused)
{
	(void)unused;
	map_result = fake.carrier->shm_map(fake.transport, 0x2000, 0x1000, map_fd, 0x5000, true);
	return NULL;
}

static void *unmap_page(void *unused)
{
	(void)unused;
	map_result = fake.carrier->shm_unmap(fake.transport, 0x2000, 0x1000);
	return NULL;
}

static void must_be_file(int fd, int other)
{
	struct stat one, two;

	assert_int_equal(fstat(fd, &one) | fstat(other, &two), 0);
	assert_true(one.st_dev == two.st_dev && one.st_ino == two.st_ino);
}

/* A request to map carries the file of map_fd, any other no descriptor. */
static void receive_request(uint32_t request, struct vu_shmem_map *map)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct vu_header header;
	struct iovec iov = {&header, sizeof(header)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	unsigned int n = request == VU_BACKEND_SHMEM_MAP;
	int fds[2];

	assert_int_equal(recvmsg(requests, &hdr, MSG_WAITALL), sizeof(header));
	assert_int_equal(descriptors_take(&hdr, fds), n);
	if (n) {
		must_be_file(fds[0], map_fd);
		close(fds[0]);
	}
	assert_int_equal(header.request, request);
	assert_int_equal(header.size, sizeof(*map));
	assert_int_equal(recv(requests, map, sizeof(*map), MSG_WAITALL), sizeof(*map));
}

static void answer_request(uint32_t request, uint64_t result)
{
	struct {
		struct vu_header header;
		uint64_t result;
	} __attribute__((packed)) reply = {{request, VU_VERSION | VU_REPLY, 8}, result};

	assert_int_equal(send(requests, &reply, sizeof(reply), 0), sizeof(reply));
}

static void start_mapping(void)
{
	mapping = true;
	assert_int_equal(pthread_create(&mapper, NULL, map_page, NULL), 0);
}

static void test_shm_map(void **state)
{
	struct vu_shmem_map map;

	(void)state;
	negotiate(PROTOCOL);
	for (uint64_t result = 0; result < 2; result++) {
		start_mapping();
		receive_request(VU_BACKEND_SHMEM_MAP, &map);
		assert_int_equal(map.offset, 0x2000);
		assert_int_equal(map.fd_offset, 0x5000);
		assert_int_equal(map.size, 0x1000);
		assert_int_equal(map.flags, VU_SHMEM_WRITE);
		answer_request(VU_BACKEND_SHMEM_MAP, result);
		pthread_join(mapper, NULL);
		assert_int_equal(map_result, result ? -EIO : 0);
	}
	for (int i = 1; i < VU_SHOWS_MAX; i++) {
		answer_request(VU_BACKEND_SHMEM_MAP, 0);
		assert_null(map_page(NULL));
		assert_int_equal(map_result, 0);
		receive_request(VU_BACKEND_SHMEM_MAP, &map);
	}
	/* One more would be QEMU's end. */
	assert_null(map_page(NULL));
	assert_int_equal(map_result, -ENOSPC);
	answer_request(VU_BACKEND_SHMEM_UNMAP, 0);
	assert_null(unmap_page(NULL));
	assert_int_equal(map_result, 0);
	receive_request(VU_BACKEND_SHMEM_UNMAP, &map);
	answer_request(VU_BACKEND_SHMEM_MAP, 0);
	assert_null(map_page(NULL));
	assert_int_equal(map_result, 0);
	receive_request(VU_BACKEND_SHMEM_MAP, &map); /* it carries our end of the socket */
	/* With a reset all pages are gone. */
	mapping = false;
	assert_int_equal(request_ack(VU_RESET_DEVICE, NULL, 0, -1), 0);
	answer_request(VU_BACKEND_SHMEM_MAP, 0);
	assert_null(map_page(NULL));
	assert_int_equal(map_result, 0);
	receive_request(VU_BACKEND_SHMEM_MAP, &map);
	assert_int_equal(hang_up(), 0);
}

/* A file that the shared memory shows comes back as a memory region too. It is the device's, not RAM. */
static void test_file_is_not_ram(void **state)
{
	struct vu_slot_region slot = {
		.region = {.gpa = RAM_GPA, .size = RAM_SIZE, .user_addr = RAM_USER},
	};
	int ram = make_ram(), ring = make_ram();
	struct vu_shmem_map map;

	(void)state;
	negotiate(PROTOCOL);
	map_fd = ring;
	start_mapping();
	receive_request(VU_BACKEND_SHMEM_MAP, &map);
	/* A front end may tell before it answers. */
	assert_int_equal(add_ram(ring), 0);
	answer_request(VU_BACKEND_SHMEM_MAP, 0);
	await_mapper();
	assert_int_equal(map_result, 0);
	assert_int_equal(fake.memories, 0);
	assert_int_equal(request_ack(VU_REM_MEM_REG, &slot, sizeof(slot), -1), 0);
	assert_int_equal(add_ram(ram), 0);
	assert_int_equal(fake.memories, 1);
	assert_int_equal(request_ack(VU_REM_MEM_REG, &slot, sizeof(slot), -1), 0);

	assert_int_equal(pthread_create(&mapper, NULL, unmap_page, NULL), 0);
	mapping = true;
	receive_request(VU_BACKEND_SHMEM_UNMAP, &map);
	answer_request(VU_BACKEND_SHMEM_UNMAP, 0);
	await_mapper();
	assert_int_equal(map_result, 0);
	assert_int_equal(add_ram(ring), 0);
	assert_int_equal(fake.memories, 3);
	assert_int_equal(hang_up(), 0);
	close(ram), close(ring);
}

/*
 * A front end that stops a ring while the ring's thread waits for it: that must not
 * end in a deadlock, and the answer that comes later must not be taken for another's.
 */
static void test_stop_while_mapping(void **state)
{
	int kick = eventfd(0, EFD_CLOEXEC), ram = make_ram();
	struct vu_vring_state base = {0, 0};
	struct vu_shmem_map map;

	(void)state;
	negotiate(PROTOCOL);
	assert_int_equal(add_ram(ram), 0);
	start_ring(0, kick);
	start_mapping();
	receive_request(VU_BACKEND_SHMEM_MAP, &map);
	assert_true(request_reply(VU_GET_VRING_BASE, &base, sizeof(base), -1, &base, sizeof(base)));
	assert_int_equal(map_result, -ECANCELED);
	assert_int_equal(fake.resets, 1);
	/* From there on nothing comes, of which a front end that has stopped the device might die. */
	assert_int_equal(fake.carrier->shm_map(fake.transport, 0, 0x1000, map_fd, 0, true),
			 -ECANCELED);
	assert_null(unmap_page(NULL));
	assert_int_equal(map_result, 0);
	assert_int_equal(recv(requests, &map, sizeof(map), MSG_DONTWAIT), -1);
	start_ring(0, eventfd(0, EFD_CLOEXEC));

	start_mapping();
	receive_request(VU_BACKEND_SHMEM_MAP, &map);
	answer_request(VU_BACKEND_SHMEM_MAP, 1); /* the cancelled one failed */
	answer_request(VU_BACKEND_SHMEM_MAP, 0); /* this one did not */
	pthread_join(mapper, NULL);
	mapping = false;
	assert_int_equal(map_result, 0);
	assert_int_equal(hang_up(), 0);
	close(kick), close(ram);
}

/* Likewise when it starts another ring, or resets the device. */
static void test_change_while_mapping(void **state)
{
	int kick = eventfd(0, EFD_CLOEXEC), ram = make_ram();
	struct vu_shmem_map map;

	(void)state;
	negotiate(PROTOCOL);
	assert_int_equal(add_ram(ram), 0);
	start_mapping();
	receive_request(VU_BACKEND_SHMEM_MAP, &map);
	start_ring(1, kick);
	assert_int_equal(map_result, -ECANCELED);
	receive_request(VU_BACKEND_SHMEM_UNMAP, &map);
	start_mapping();
	receive_request(VU_BACKEND_SHMEM_MAP, &map);
	map_result = 0;
	assert_int_equal(request_ack(VU_RESET_DEVICE, NULL, 0, -1), 0);
	assert_int_equal(map_result, -ECANCELED);
	assert_int_equal(recv(requests, &map, sizeof(map), MSG_DONTWAIT), -1);
	assert_int_equal(hang_up(), 0);
	close(kick), close(ram);
}

/* A front end may give any descriptor: the device shall not wait in a read or write of it. */
static void test_descriptors_do_not_block(void **state)
{
	int pipes[2], ram = make_ram();

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	negotiate(PROTOCOL);
	assert_int_equal(add_ram(ram), 0);
	start_ring(0, pipes[0]);
	assert_int_equal(request_u64(VU_SET_VRING_CALL, 0, pipes[1]), 0);
	assert_true(fcntl(fake.queue[0].kick_fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fake.queue[0].call_fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(hang_up(), 0);
	close(pipes[0]), close(pipes[1]), close(ram);
}

/* What a broken front end may send: each ends the service with -EPROTO, and with nothing worse. */
static void test_breaches(void **state)
{
	static const struct {
		const char *name;
		uint32_t request;
		uint32_t size;
		uint64_t data[5];
	} breaches[] = {
		{"no such queue", VU_SET_VRING_NUM, 8, {2 | 16ull << 32}},
		{"size not a power of two", VU_SET_VRING_NUM, 8, {0 | 15ull << 32}},
		{"size too large", VU_SET_VRING_NUM, 8, {0 | 128ull << 32}},
		{"short state", VU_SET_VRING_BASE, 4, {}},
		{"short address", VU_SET_VRING_ADDR, 16, {}},
		{"descriptor missing", VU_SET_VRING_KICK, 8, {0}},
		{"table without descriptors", VU_SET_MEM_TABLE, 40, {1}},
		{"table too long", VU_SET_MEM_TABLE, 40, {9}},
		{"memory never added", VU_REM_MEM_REG, 40, {}},
		{"write past the configuration", VU_SET_CONFIG, 16, {6 | 4ull << 32}},
		{"configuration without end", VU_SET_CONFIG, 16, {0 | 0xffffffffull << 32}},
		{"features not offered", VU_SET_FEATURES, 8, {1ull << 40}},
		{"second channel", VU_SET_BACKEND_REQ_FD, 0, {}},
	};

	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		if (i)
			set_up(state);
		negotiate(PROTOCOL);
		request_ack(breaches[i].request, (void *)breaches[i].data, breaches[i].size, -1);
		if (hang_up() != -EPROTO)
			fail_msg("%s: not refused (%d)", breaches[i].name, served);
		if (strstr(served_error, "reset"))
			fail_msg("%s: refused with '%s'", breaches[i].name, served_error);
	}
}

static void test_rings_outside_ram(void **state)
{
	struct vu_vring_state num = {0, 16}, on = {0, 1};
	struct vu_vring_addr addr = {.desc = RAM_USER + RAM_SIZE};
	int kick = eventfd(0, EFD_CLOEXEC), ram = make_ram();

	(void)state;
	negotiate(PROTOCOL);
	assert_int_equal(add_ram(ram), 0);
	assert_int_equal(request_ack(VU_SET_VRING_NUM, &num, sizeof(num), -1), 0);
	assert_int_equal(request_ack(VU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 0);
	assert_int_equal(request_u64(VU_SET_VRING_KICK, 0, kick), 0);
	assert_int_not_equal(request_ack(VU_SET_VRING_ENABLE, &on, sizeof(on), -1), 0);
	assert_int_equal(hang_up(), -EPROTO);
	close(kick), close(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_life, set_up),
		cmocka_unit_test_setup(test_death, set_up),
		cmocka_unit_test_setup(test_no_shmem, set_up),
		cmocka_unit_test_setup(test_shm_is_not_ram, set_up),
		cmocka_unit_test_setup(test_file_is_not_ram, set_up),
		cmocka_unit_test_setup(test_memory_table, set_up),
		cmocka_unit_test_setup(test_shm_map, set_up),
		cmocka_unit_test_setup(test_stop_while_mapping, set_up),
		cmocka_unit_test_setup(test_change_while_mapping, set_up),
		cmocka_unit_test_setup(test_descriptors_do_not_block, set_up),
		cmocka_unit_test_setup(test_breaches, set_up),
		cmocka_unit_test_setup(test_rings_outside_ram, set_up),
	};

	return cmocka_run_group_tests_name("vhost-user", tests, NULL, NULL);
}
