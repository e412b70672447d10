// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vfio-user client against the server, over a socket; and both ends when somebody between them
 * cuts, doubles, replays, lengthens or inverts messages.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <bypass/socket.h>

#include "../../libbypass/vfio-user/server.h"
#include "fake_slice.h"

#define PAGE 4096u

enum harm {
	NONE,
	SHORTER,  /* a payload that lacks its last bytes */
	LONGER,	  /* a payload with bytes too many */
	DOUBLED,  /* twice */
	REPLAYED, /* the message before comes once more, before this one */
	EARLIER,  /* the message before comes once more, in its place */
	INVERTED, /* each byte of the payload inverted */
	HUGE,	  /* a size that no message has */
	CUT,	  /* half of the header, and the end */
	CUT_LATE, /* half of the payload, and the end */
	LOST,	  /* the end in its place */
	HARMS,
};

/* The process between client and server, and the server itself: one thread. */
static struct between {
	char path[64];
	int listener;
	pthread_t thread;
	sem_t over; /* a connection has ended, and nobody reads what follows */
	enum harm harm;
	bool to_server;	   /* which direction is harmed */
	unsigned int at;   /* which message */
	unsigned int seen; /* messages in that direction */
	struct vfu_message earlier;
	struct vfu_letter *asks;   /* goes to the client before the next answer */
	struct vfu_message answer; /* to @asks; its size is 0 until the answer is there */
} between;

static struct fake_slice *fake;

static void fake_open(void)
{
	struct bypass_window *w;

	fake = fake_slice_open();
	w = &fake->window;
	munmap(w->hva, w->size);
	w->fd = memfd_create("window", MFD_CLOEXEC);
	w->offset = w->fd_offset = 0x4000;
	w->size = 0x4000;
	assert_int_equal(ftruncate(w->fd, 0x8000), 0);
	w->hva = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, w->fd_offset);
	assert_ptr_not_equal(w->hva, MAP_FAILED);
}

static void fake_shut(void)
{
	int fd = fake->window.fd;

	bypass_slice_close(&fake->slice);
	close(fd);
}

static int pass(struct vfu_stream *to, struct vfu_message *msg, uint32_t size)
{
	struct vfu_letter letter = {
		.header = msg->header,
		.piece = {{msg->data, size}},
		.fds = msg->fds,
		.n_fds = msg->n_fds,
	};

	return vfu_send(to, &letter);
}

static int pass_earlier(struct vfu_stream *to)
{
	struct vfu_message *msg = &between.earlier;

	return pass(to, msg, msg->header.size ? vfu_payload(msg) : 0);
}

/* The first @n bytes of a message, as its header stands. */
static int pass_bytes(struct vfu_stream *to, const struct vfu_message *msg, size_t n)
{
	const struct iovec iov[] = {
		{(void *)&msg->header, n < sizeof(msg->header) ? n : sizeof(msg->header)},
		{(void *)msg->data, n < sizeof(msg->header) ? 0 : n - sizeof(msg->header)},
	};
	const struct msghdr hdr = {.msg_iov = (struct iovec *)iov, .msg_iovlen = 2};

	return sendmsg(to->fd, &hdr, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EIO;
}

/* Passes a message on, harmed when it is its turn. Returns an error when the connection is to end. */
static int pass_on(struct vfu_stream *from, struct vfu_stream *to, bool to_server)
{
	struct vfu_message *msg = &from->in;
	uint32_t size = vfu_payload(msg);
	int ret = 0;

	if (to_server && msg->header.flags & VFU_REPLY) {
		vfu_take(from, &between.answer);
		return 0;
	}
	if (!to_server && between.asks) {
		ret = vfu_send(to, between.asks);
		between.asks = NULL;
		if (ret < 0)
			goto out;
	}
	if (between.harm == NONE || to_server != between.to_server) {
		ret = pass(to, msg, size);
		goto out;
	}
	if (between.seen++ != between.at) {
		between.earlier.header = msg->header;
		memcpy(between.earlier.data, msg->data, size);
		ret = pass(to, msg, size);
		goto out;
	}
	switch (between.harm) {
	case SHORTER:
		ret = pass(to, msg, size > 3 ? size - 3 : 0);
		break;
	case LONGER:
		memset(msg->data + size, 0xff, 24);
		ret = pass(to, msg, size + 24);
		break;
	case DOUBLED:
		ret = pass(to, msg, size);
		ret = ret ? ret : pass(to, msg, size);
		break;
	case REPLAYED:
		ret = pass_earlier(to);
		ret = ret ? ret : pass(to, msg, size);
		break;
	case EARLIER:
		ret = pass_earlier(to);
		break;
	case INVERTED:
		for (uint32_t i = 0; i < size; i++)
			msg->data[i] = ~msg->data[i];
		ret = pass(to, msg, size);
		break;
	case HUGE:
		msg->header.size = sizeof(msg->header) + VFU_PAYLOAD + 1;
		ret = pass_bytes(to, msg, sizeof(msg->header));
		break;
	case CUT:
		ret = pass_bytes(to, msg, 9) ? -EIO : -EPIPE;
		break;
	case CUT_LATE:
		ret = pass_bytes(to, msg, sizeof(msg->header) + size / 2) ? -EIO : -EPIPE;
		break;
	default:
		ret = -EPIPE;
	}
out:
	vfu_consume(from);
	return ret;
}

/* One connection: what comes from either side goes to the other, until one ends. */
static void serve_connection(int connection)
{
	static struct vfu_stream client, server_side;
	struct bypass_vfio_user_server *server;
	int pair[2], ret = 0;

	memset(&client, 0, sizeof(client));
	memset(&server_side, 0, sizeof(server_side));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(bypass_vfio_user_server_new(&fake->slice, pair[1], &server), 0);
	assert_int_equal(vfu_stream_open(&client, connection, VFU_FDS_MAX), 0);
	assert_int_equal(vfu_stream_open(&server_side, pair[0], VFU_FDS_MAX), 0);
	while (ret >= 0) {
		struct pollfd p[] = {
			{.fd = connection, .events = POLLIN},
			{.fd = pair[0], .events = POLLIN},
			{.fd = bypass_vfio_user_server_fd(server), .events = POLLIN},
		};

		poll(p, 3, -1);
		ret = vfu_receive(&client);
		if (ret > 0)
			ret = pass_on(&client, &server_side, true);
		if (ret >= 0)
			ret = bypass_vfio_user_server_dispatch(server);
		if (ret >= 0)
			ret = vfu_receive(&server_side);
		if (ret > 0)
			ret = pass_on(&server_side, &client, false);
	}
	/* The client goes first, so that the server frees what the client's end left. */
	vfu_stream_close(&client);
	vfu_stream_close(&server_side);
	bypass_vfio_user_server_free(server);
}

static void *serve_connections(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept4(between.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve_connection(fd);
		sem_post(&between.over);
	}
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	fake_open();
	memset(&between, 0, sizeof(between));
	snprintf(between.path, sizeof(between.path), "/tmp/vfio-user-%d.sock", getpid());
	assert_int_equal(bypass_socket_listen(between.path, NULL, &between.listener), 0);
	sem_init(&between.over, 0, 0);
	pthread_create(&between.thread, NULL, serve_connections, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shutdown(between.listener, SHUT_RDWR);
	pthread_join(between.thread, NULL);
	close(between.listener);
	unlink(between.path);
	assert_int_equal(fake->wrong, 0);
	assert_true(fake->ram == 0);
	for (int i = 0; i < BYPASS_IRQS; i++)
		assert_false(fake->on[i]);
	fake_shut();
	return 0;
}

static struct bypass_memory *make_memory(struct bypass_memory_range *ram)
{
	struct bypass_memory *mem = bypass_memory_new();
	struct bypass_memory_range half;

	assert_int_equal(bypass_ram_alloc(4 << 20, false, ram), 0);
	half = *ram;
	half.size = 2 << 20;
	assert_int_equal(bypass_memory_add(mem, &half), 0);
	half.gpa = BYPASS_MEMORY_HIGH;
	half.offset = half.size;
	half.hva = (char *)ram->hva + half.size;
	assert_int_equal(bypass_memory_add(mem, &half), 0);
	return mem;
}

static void test_shape(void **state)
{
	struct bypass_slice *slice;
	const struct bypass_bar *bar;

	(void)state;
	assert_int_equal(bypass_vfio_user_open(between.path, &slice), 0);
	assert_non_null(strstr(between.path, slice->name));
	assert_int_equal(slice->config_size, 4096);
	assert_int_equal(slice->vectors[BYPASS_IRQ_INTX], 1);
	assert_int_equal(slice->vectors[BYPASS_IRQ_MSI], FAKE_MSIS);
	assert_int_equal(slice->vectors[BYPASS_IRQ_MSIX], FAKE_VECTORS);
	bar = &slice->bars[0];
	assert_true(bar->size == 0x8000 && bar->is_64 && bar->prefetchable && !bar->io);
	assert_int_equal(bar->n_windows, 1);
	assert_true(bar->windows[0].offset == 0x4000 && bar->windows[0].size == 0x4000);
	assert_true(bar->windows[0].fd_offset == 0x4000);
	assert_true(slice->bars[1].size == 0);
	bar = &slice->bars[2];
	assert_true(bar->size == 0x1000 && !bar->is_64 && !bar->n_windows);
	assert_int_equal(bar->n_kicks, 1);
	assert_true(bar->kicks[0].offset == 0x80 && bar->kicks[0].size == 4);
	assert_true(slice->bars[4].io && slice->bars[4].size == 0x20);
	bypass_slice_close(slice);
}

static uint64_t signals(int fd)
{
	eventfd_t count = 0;

	eventfd_read(fd, &count);
	return count;
}

/* What the server has is what the client has: memory, doorbells, interrupts. */
static void test_data_path(void **state)
{
	int fds[12], off[12];
	struct bypass_slice *slice;
	uint32_t value = 0;
	char *window;

	(void)state;
	assert_int_equal(bypass_vfio_user_open(between.path, &slice), 0);
	window = slice->bars[0].windows[0].hva;
	strcpy(window + 16, "from the guest");
	assert_string_equal((char *)fake->window.hva + 16, "from the guest");
	eventfd_write(slice->bars[2].kicks[0].fd, 1);
	assert_int_equal(signals(fake->kick.fd), 1);
	assert_int_equal(slice->ops->config_read(slice, 0, &value, 4), 0);
	assert_int_equal(value, 0x56781234);
	assert_int_equal(slice->ops->bar_read(slice, 2, 0x104, &value, 4), 0);
	assert_int_equal(value, 0x07060504);
	value = 0xabcd;
	assert_int_equal(slice->ops->bar_write(slice, 2, 0x10, &value, 4), 0);
	assert_int_equal(slice->ops->config_read(slice, 0, &value, 4), 0);
	assert_int_equal(fake->last_value, 0xabcd);
	/* More vectors than descriptors in a message, and some that are off. */
	for (int i = 0; i < 12; i++) {
		fds[i] = i == 3 || i == 4 ? -1 : eventfd(0, EFD_NONBLOCK);
		off[i] = -1;
	}
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 2, 12, fds), 0);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(fake->fds[2][2 + i] >= 0, fds[i] >= 0);
		if (fds[i] < 0)
			continue;
		eventfd_write(fake->fds[2][2 + i], i + 1);
		assert_int_equal(signals(fds[i]), i + 1);
	}
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 2, 12, off), 0);
	assert_int_equal(fake->fds[2][13], -1);
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 0, NULL), 0);
	assert_false(fake->on[2]);
	fake->few = 3;
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 12, fds), -ENOSPC);
	assert_non_null(strstr(bypass_error(), slice->name));
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 0, NULL), 0);
	assert_int_equal(slice->ops->resample(slice, fds[0]), 0);
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_INTX, 0, 1, &fds[1]), 0);
	eventfd_write(fds[0], 1);
	assert_int_equal(signals(fake->resample), 1);
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_INTX, 0, 0, NULL), 0);
	assert_int_equal(slice->ops->reset(slice), 0);
	assert_int_equal(fake->resets, 1);
	bypass_slice_close(slice);
	for (int i = 0; i < 12; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void test_memory(void **state)
{
	struct bypass_memory_range ram, bare = {.gpa = 0x80000000, .size = PAGE, .fd = -1};
	struct bypass_memory *mem = make_memory(&ram);
	struct bypass_slice *slice;

	(void)state;
	assert_int_equal(bypass_vfio_user_open(between.path, &slice), 0);
	assert_int_equal(slice->ops->set_memory(slice, mem), 0);
	assert_true(fake->ram == 4 << 20);
	assert_true(slice->ops->dma_bytes(slice) == 4 << 20);
	/* A change that fails changes nothing. */
	bypass_memory_remove(mem, 0);
	bare.hva = ram.hva;
	assert_int_equal(bypass_memory_add(mem, &bare), 0);
	assert_int_equal(slice->ops->set_memory(slice, mem), -EOPNOTSUPP);
	assert_true(fake->ram == 4 << 20);
	bypass_memory_remove(mem, bare.gpa);
	bare.fd = ram.fd;
	assert_int_equal(bypass_memory_add(mem, &bare), 0);
	assert_int_equal(slice->ops->set_memory(slice, mem), 0);
	assert_true(fake->ram == (2 << 20) + PAGE);
	assert_int_equal(slice->ops->set_memory(slice, NULL), 0);
	assert_true(fake->ram == 0);
	bypass_slice_close(slice);
	bypass_memory_free(mem);
	bypass_ram_free(&ram);
}

/* Everything that a VMM does with a slice. Returns whether all of it went well. */
static bool session(struct bypass_memory *mem)
{
	int fds[3] = {eventfd(0, EFD_NONBLOCK), -1, eventfd(0, EFD_NONBLOCK)}, ret;
	struct bypass_event event;
	struct bypass_slice *slice;
	uint32_t value = 0;

	ret = bypass_vfio_user_open(between.path, &slice);
	if (!ret) {
		ret |= slice->ops->set_memory(slice, mem);
		ret |= slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 3, fds);
		ret |= slice->ops->bar_write(slice, 2, 0x10, &value, 4);
		ret |= slice->ops->bar_read(slice, 2, 0x10, &value, 4);
		ret |= slice->ops->config_write(slice, PCI_COMMAND, &value, 2);
		ret |= slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 0, NULL);
		ret |= slice->ops->reset(slice);
		ret |= slice->ops->set_memory(slice, NULL);
		ret |= slice->ops->event(slice, &event);
		bypass_slice_close(slice);
	}
	sem_wait(&between.over);
	close(fds[0]);
	close(fds[2]);
	return !ret;
}

/*
 * Each message of a session, of either direction, in each kind of harm. Nobody crashes, hangs or
 * leaks, and the next session is as if nothing had happened.
 */
static void test_harm(void **state)
{
	struct bypass_memory_range ram;
	struct bypass_memory *mem = make_memory(&ram);
	unsigned int messages = 0;

	(void)state;
	for (enum harm harm = SHORTER; harm < HARMS; harm++) {
		for (int to_server = 0; to_server < 2; to_server++) {
			for (unsigned int at = 0;; at++) {
				between.harm = harm;
				between.to_server = to_server;
				between.at = at;
				between.seen = 0;
				between.earlier.header.size = 0;
				session(mem);
				if (between.seen <= at)
					break;
				messages++;
				between.harm = NONE;
				assert_true(session(mem));
			}
		}
	}
	assert_true(messages > 300);
	bypass_memory_free(mem);
	bypass_ram_free(&ram);
}

/* The server asks for guest RAM by message. Returns the errno of the client's answer. */
static int server_asks(struct bypass_slice *slice, uint16_t command, uint64_t address,
		       uint64_t count, const char *data, uint32_t size)
{
	struct vfu_dma_access access = {address, count};
	struct vfu_letter letter = {
		.header = {.id = 0x7777, .command = command},
		.piece = {{&access, sizeof(access)}, {(void *)data, size}},
	};
	uint32_t value;

	between.answer.header.size = 0;
	between.asks = &letter;
	/* The client waits for the value meanwhile, and gets the right one. */
	assert_int_equal(slice->ops->config_read(slice, 0, &value, 4), 0);
	assert_int_equal(value, 0x56781234);
	/* What the client sends after its answer comes after its answer. */
	assert_int_equal(slice->ops->config_read(slice, 0, &value, 4), 0);
	assert_int_equal(between.answer.header.id, 0x7777);
	assert_int_equal(between.answer.header.command, command);
	return between.answer.header.flags & VFU_ERROR ? (int)between.answer.header.error : 0;
}

/* RAM ends between its two halves, at 2 MiB. */
static void test_server_asks(void **state)
{
	const uint64_t last = (2 << 20) - 4;
	struct bypass_memory_range ram;
	struct bypass_memory *mem = make_memory(&ram);
	const struct vfu_message *answer = &between.answer;
	struct bypass_slice *slice;
	char *bytes = ram.hva;

	(void)state;
	assert_int_equal(bypass_vfio_user_open(between.path, &slice), 0);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, 0, 4, NULL, 0), EFAULT);
	assert_int_equal(slice->ops->set_memory(slice, mem), 0);
	memcpy(bytes + last, "last", 4);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, last, 4, NULL, 0), 0);
	assert_int_equal(vfu_payload(answer), sizeof(answer->dma) + 4);
	assert_memory_equal(answer->data + sizeof(answer->dma), "last", 4);
	assert_int_equal(server_asks(slice, VFU_DMA_WRITE, 8, 4, "word", 4), 0);
	assert_memory_equal(bytes + 8, "word", 4);
	assert_int_equal(server_asks(slice, VFU_DMA_WRITE, BYPASS_MEMORY_HIGH, 4, "high", 4), 0);
	assert_memory_equal(bytes + (2 << 20), "high", 4);
	/* Beyond RAM, and what is no request for it. */
	assert_int_equal(server_asks(slice, VFU_DMA_READ, last, 5, NULL, 0), EFAULT);
	assert_int_equal(server_asks(slice, VFU_DMA_WRITE, last, 8, "too long", 8), EFAULT);
	assert_memory_equal(bytes + last, "last", 4);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, UINT64_MAX, 4, NULL, 0), EFAULT);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, 0, 0, NULL, 0), EINVAL);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, 0, VFU_DATA_MAX + 1, NULL, 0), EINVAL);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, 0, UINT64_MAX, NULL, 0), EINVAL);
	assert_int_equal(server_asks(slice, VFU_DMA_READ, 0, 4, "more", 4), EINVAL);
	assert_int_equal(server_asks(slice, VFU_DMA_WRITE, 0, 8, "less", 4), EINVAL);
	assert_int_equal(server_asks(slice, VFU_DMA_WRITE, 0, 2, "more", 4), EINVAL);
	assert_int_equal(server_asks(slice, VFU_GET_INFO, 0, 4, NULL, 0), ENOTSUP);
	bypass_slice_close(slice);
	bypass_memory_free(mem);
	bypass_ram_free(&ram);
}

static void test_server_dies(void **state)
{
	struct bypass_memory_range ram;
	struct bypass_memory *mem = make_memory(&ram);
	struct bypass_event event;
	struct bypass_slice *slice;
	struct pollfd p;
	uint32_t value = 0;
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	assert_int_equal(bypass_vfio_user_open(between.path, &slice), 0);
	assert_int_equal(slice->ops->set_memory(slice, mem), 0);
	p = (struct pollfd){.fd = slice->event_fd, .events = POLLIN};
	assert_int_equal(slice->ops->event(slice, &event), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	between.harm = LOST;
	between.to_server = true;
	assert_int_equal(slice->ops->bar_read(slice, 2, 0, &value, 4), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(slice->ops->event(slice, &event), 1);
	assert_int_equal(event.kind, BYPASS_EVENT_DEAD);
	assert_non_null(strstr(event.text, between.path));
	/* Told once, and not readable for ever. */
	assert_int_equal(slice->ops->event(slice, &event), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	/* The VMM goes on as with any slice. */
	((char *)slice->bars[0].windows[0].hva)[5] = 1;
	assert_int_equal(slice->ops->bar_write(slice, 2, 0, &value, 4), 0);
	assert_int_equal(slice->ops->vectors(slice, BYPASS_IRQ_MSIX, 0, 1, &fd), 0);
	assert_int_equal(slice->ops->reset(slice), 0);
	assert_int_equal(slice->ops->set_memory(slice, NULL), 0);
	bypass_slice_close(slice);
	sem_wait(&between.over);
	between.harm = NONE;
	assert_true(session(mem));
	close(fd);
	bypass_memory_free(mem);
	bypass_ram_free(&ram);
}

static void test_no_server(void **state)
{
	struct bypass_slice *slice;
	char longer[200];

	(void)state;
	assert_int_equal(bypass_vfio_user_open("/tmp/no-such-socket", &slice), -ENOENT);
	assert_non_null(strstr(bypass_error(), "bypass serve --vfio-user"));
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(bypass_vfio_user_open(longer, &slice), -ENAMETOOLONG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_shape),
		TEST(test_data_path),
		TEST(test_memory),
		TEST(test_harm),
		TEST(test_server_asks),
		TEST(test_server_dies),
		cmocka_unit_test(test_no_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
