/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tests of the vfio-user server share: a server of one slice, and the client that a test plays,
 * message by message.
 */
#ifndef TESTS_UNIT_VFIO_USER_SERVER_H
#define TESTS_UNIT_VFIO_USER_SERVER_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../libbypass/vfio-user/server.h"
#include "fake_slice.h"

#define PAGE	 4096u
#define RAM_SIZE 0x100000
#define RAM_GPA	 0x40000000ull

static struct fake_slice *fake;
static struct bypass_vfio_user_server *server;
static int client = -1;
static uint16_t id;

/* The answer that has arrived last */
static struct vfu_stream in;
static int ended; /* what dispatch() said at last */

/* The window of BAR 0 gets a descriptor: the second half of a memfd. */
static inline void show_window(void)
{
	struct bypass_window *w = &fake->window;

	munmap(w->hva, w->size);
	w->fd = memfd_create("window", MFD_CLOEXEC);
	w->offset = 0x4000;
	w->size = 0x4000;
	w->fd_offset = 0x8000;
	assert_int_equal(ftruncate(w->fd, 0x10000), 0);
	w->hva = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, w->fd_offset);
	assert_ptr_not_equal(w->hva, MAP_FAILED);
}

static inline int setup(void **state)
{
	int fds[2];

	(void)state;
	fake = fake_slice_open();
	show_window();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	client = fds[1];
	assert_int_equal(bypass_vfio_user_server_new(&fake->slice, fds[0], &server), 0);
	memset(&in, 0, sizeof(in));
	assert_int_equal(vfu_stream_open(&in, client, VFU_FDS_MAX), 0);
	ended = 0;
	return 0;
}

static inline int teardown(void **state)
{
	int window = fake->window.fd;

	(void)state;
	bypass_vfio_user_server_free(server);
	vfu_stream_close(&in);
	assert_int_equal(fake->wrong, 0);
	bypass_slice_close(&fake->slice);
	close(window);
	return 0;
}

static inline void put(uint16_t command, uint32_t flags, const void *data, uint32_t size,
		       const int *fds, unsigned int n_fds)
{
	struct vfu_letter letter = {
		.header = {.id = id + 1, .command = command, .flags = flags},
		.piece = {{(void *)data, size}},
		.fds = fds,
		.n_fds = n_fds,
	};

	id++;
	assert_int_equal(vfu_send(&in, &letter), 0);
	assert_null(in.out);
}

/* One request and its answer: the errno that the answer says, or the end of the connection. */
static inline int ask_fds(uint16_t command, const void *data, uint32_t size, const int *fds,
			  unsigned int n_fds)
{
	put(command, 0, data, size, fds, n_fds);
	vfu_consume(&in);
	ended = bypass_vfio_user_server_dispatch(server);
	if (vfu_receive(&in) != 1)
		return -1;
	assert_int_equal(in.in.header.id, id);
	assert_int_equal(in.in.header.command, command);
	assert_true(in.in.header.flags & VFU_REPLY);
	if (!(in.in.header.flags & VFU_ERROR))
		return 0;
	assert_int_equal(vfu_payload(&in.in), 0);
	return in.in.header.error;
}

static inline int ask(uint16_t command, const void *data, uint32_t size)
{
	return ask_fds(command, data, size, NULL, 0);
}

static inline void introduce(void)
{
	static const char hello[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":64}}";

	assert_int_equal(ask(VFU_VERSION, hello, sizeof(hello)), 0);
}

static inline int map_fd(uint64_t address, uint64_t size, uint64_t offset, uint32_t flags, int fd)
{
	struct vfu_dma_map map = {sizeof(map), flags, offset, address, size};

	return ask_fds(VFU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

static inline int ram_file(bool sealed)
{
	int fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

#define EVENTFD	     (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define NONE(action) (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_##action)

static inline int irqs(uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		       const int *fds, unsigned int n_fds)
{
	struct vfu_irq_set set = {sizeof(set), flags, index, start, count};

	return ask_fds(VFU_SET_IRQS, &set, sizeof(set), fds, n_fds);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
