// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Doorbell pages that are laid out when the slice is opened: as windows of a BAR, by a vfio-user
 * client, and for the processes of a guest.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <bypass/error.h>
#include <bypass/slice.h>
#include <bypass/socket.h>
#include <bypass/vfio-user.h>
#include <bypass/virtio-pci.h>

#include "rdma_mlx5.h"

#define BAR 2

static int set_up(void **state)
{
	(void)state;
	mock.driver = &mock_mlx5_driver;
	memset(&mock_mlx5, 0, sizeof(mock_mlx5));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mock.driver = NULL;
	assert_int_equal(mock_objects(), 0);
	assert_int_equal(mock.page_fd, -1);
	return 0;
}

static struct bypass_slice *open_slice(const char *text)
{
	struct bypass_virtio_device *dev = mock_open_for(text, true);
	struct bypass_slice *slice;

	assert_non_null(dev);
	assert_int_equal(bypass_virtio_pci_new(dev, &slice), 0);
	return slice;
}

/* What is stored through @hva must be in the file that the window names, at its place. */
static void check_window(const struct bypass_window *w, void *hva, unsigned int number)
{
	char ring[8];

	snprintf(hva, sizeof(ring), "page %u", number);
	assert_int_equal(pread(mock.page_fd, ring, sizeof(ring), w->fd_offset), sizeof(ring));
	assert_string_equal(ring, (char *)hva);
}

/* Each page is a window. One base leads to all, in a descriptor that is not the one of the queues. */
static void test_windows(void **state)
{
	struct bypass_slice *slice = open_slice("mock0,ucontexts=3");
	const struct bypass_bar *bar = &slice->bars[BAR];

	(void)state;
	assert_int_equal(bar->size, 8 * GUEST_PAGE); /* two for the clock */
	assert_int_equal(bar->n_windows, 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct bypass_window *w = &bar->windows[i];

		assert_true(w->offset == i * GUEST_PAGE && w->size == GUEST_PAGE);
		assert_int_equal(w->fd, mock.page_fd);
		assert_int_not_equal(w->fd, mock.cmd_fd);
		assert_int_equal(w->fd_offset - w->offset, MOCK_FIRST_OFFSET);
		check_window(w, w->hva, i);
	}
	bypass_slice_close(slice);
}

/* What nobody has said, and what is too much. */
static void test_numbers(void **state)
{
	struct bypass_slice *slice = open_slice("mock0,shm=1G");

	(void)state;
	assert_int_equal(slice->bars[BAR].n_windows, 64);
	assert_int_equal(slice->bars[BAR].size, 128 * GUEST_PAGE);
	bypass_slice_close(slice);
	mock_mlx5.begun = false;
	slice = open_slice("mock0,ucontexts=256");
	assert_int_equal(slice->bars[BAR].n_windows, 256);
	bypass_slice_close(slice);
	assert_null(mock_open_for("mock0,ucontexts=257", true));
	assert_non_null(strstr(bypass_error(), "256"));
}

/* The HCA gives less. */
static void test_fewer(void **state)
{
	struct bypass_slice *slice;

	(void)state;
	mock_mlx5.room = 2;
	slice = open_slice("mock0,ucontexts=5");
	assert_int_equal(slice->bars[BAR].n_windows, 2);
	bypass_slice_close(slice);
	mock_mlx5 = (typeof(mock_mlx5)){.fail = ENOSPC};
	assert_null(mock_open_for("mock0", true));
	assert_non_null(strstr(bypass_error(), "no doorbell page"));
	mock_mlx5 = (typeof(mock_mlx5)){.begin_fails = EPERM};
	assert_null(mock_open_for("mock0", true));
	assert_non_null(strstr(bypass_error(), "no context"));
}

static uint32_t release_pages(struct rdma_guest *g, const struct bypass_rdma_release_mmap *pages)
{
	return rdma_guest_call(g, &(struct rdma_guest_call){.command = BYPASS_RDMA_RELEASE_MMAP,
							    .body = pages,
							    .body_size = sizeof(*pages)});
}

static unsigned int count_pages(void)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < MOCK_OBJECTS; i++)
		n += mock.kind[i] == MOCK_PAGE;
	return n;
}

/*
 * Pages that do not follow one another cannot be windows of one base: the first one elsewhere ends
 * the row, and goes back to the HCA, wherever it lies.
 */
static void test_gap(void **state)
{
	static const int64_t pages[] = {1, 16, -1, -3};

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		for (uint32_t gap = 1; gap < 5; gap++) {
			struct bypass_slice *slice;

			mock_mlx5 = (typeof(mock_mlx5)){.gap = gap,
							.jump = pages[i] * (int64_t)GUEST_PAGE};
			slice = open_slice("mock0,ucontexts=5");
			assert_int_equal(slice->bars[BAR].n_windows, gap);
			assert_int_equal(count_pages(), gap);
			bypass_slice_close(slice);
		}
	}
}

/*
 * A process of the guest has the page of its context. None is taken or given back meanwhile, and a
 * page shows the same for life.
 */
static void test_processes(void **state)
{
	struct rdma_guest g = {0};
	struct bypass_virtio_device *dev = mock_open_for("mock0,ucontexts=3,vectors=2", true);
	const struct bypass_rdma_release_mmap release = {.shm_offset = GUEST_PAGE,
							 .size = GUEST_PAGE};
	uint32_t handle[4], objects = mock_objects();
	const struct bypass_window *w;
	struct rdma_slice *s;

	(void)state;
	assert_non_null(dev);
	w = dev->shm.windows;
	s = rdma_slice(dev);
	guest_init(&g.guest, 4 << 20);
	rdma_guest_start(&g, dev);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(mlx5_open(&g, &handle[i]), 0);
		/* Its queues are made with the page that it sees. */
		assert_int_equal(s->tables[RDMA_UCONTEXT].objects[i].page_id,
				 s->pages.page[i].page_id);
		assert_true(!i || s->pages.page[i].page_id != s->pages.page[0].page_id);
		assert_int_equal(handle[i], i);
		assert_int_equal(g.mmaps[0].shm_offset, i * GUEST_PAGE);
		assert_int_equal(g.mmaps[0].size, GUEST_PAGE);
		check_window(&w[i], (char *)dev->shm.hva + i * GUEST_PAGE, i);
	}
	assert_int_equal(mlx5_open(&g, &handle[3]), BYPASS_RDMA_E_QUOTA);
	assert_int_equal(rdma_guest_stats(&g).shm_bytes, 3 * GUEST_PAGE);
	/* As the guest's kernel ends a process. */
	assert_int_equal(release_pages(&g, &release), 0);
	assert_int_equal(rdma_guest_destroy(&g, BYPASS_RDMA_DEALLOC_UCONTEXT, handle[1]), 0);
	assert_int_equal(rdma_guest_stats(&g).shm_bytes, 2 * GUEST_PAGE);
	check_window(&w[1], (char *)dev->shm.hva + GUEST_PAGE, 7);
	assert_int_equal(mlx5_open(&g, &handle[3]), 0);
	assert_int_equal(handle[3], handle[1]);
	assert_int_equal(g.mmaps[0].shm_offset, GUEST_PAGE);
	assert_int_equal(mock_objects(), objects);
	dev->ops->reset(dev);
	assert_int_equal(rdma_guest_stats(&g).shm_bytes, 0);
	for (unsigned int i = 0; i < 3; i++)
		check_window(&w[i], (char *)dev->shm.hva + i * GUEST_PAGE, 10 + i);
	assert_int_equal(mock_objects(), objects);
	rdma_guest_stop(&g);
}

static int map_nowhere(void *transport, uint64_t offset, uint64_t size, int fd, uint64_t fd_offset,
		       bool writable)
{
	(void)transport, (void)offset, (void)size, (void)fd, (void)fd_offset, (void)writable;
	return -EIO;
}

/* Who maps pages as they come, and whose pages come, do not fit. */
static void test_other_carriers(void **state)
{
	const struct bypass_virtio_carrier carrier = {.shm_map = map_nowhere};
	struct bypass_virtio_device *dev = mock_open_for("mock0", true);

	(void)state;
	assert_non_null(dev);
	assert_int_equal(dev->ops->attach(dev, &carrier, NULL), -EINVAL);
	bypass_virtio_close(dev);
	mock.driver = NULL;
	assert_null(mock_open_for("mock0,trust-guest", true));
	assert_non_null(strstr(bypass_error(), "vhost-user"));
	dev = mock_open_for("mock0", true);
	assert_non_null(dev); /* guarded: one file */
	assert_null(dev->shm.windows);
	bypass_virtio_close(dev);
}

/* What a process of the guest sees of the clock, and what is left of it when the process has gone. */
static void check_clock_page(struct rdma_guest *g, unsigned int i, uint64_t shown)
{
	const struct bypass_rdma_mmap *m = &g->mmaps[1 + i];
	const struct bypass_rdma_release_mmap release = {.shm_offset = m->shm_offset,
							 .size = m->size};
	struct bypass_virtio_device *dev = g->dev;
	uint64_t value = 0x1122334455667788 + i, got = 0;

	assert_int_equal(m->offset, shown);
	assert_int_equal(m->flags, BYPASS_RDMA_MMAP_UC);
	assert_int_equal(pwrite(mock.cmd_fd, &value, 8, shown + 8), 8);
	dev->ops->shm_read(dev, m->shm_offset + 8, &got, 8);
	assert_true(got == value);
	got = 0;
	dev->ops->shm_read(dev, m->shm_offset + 12, &got, 4);
	assert_int_equal(got, 0x11223344);
	got = 0;
	dev->ops->shm_read(dev, m->shm_offset + 8, &got, 2);
	assert_int_equal(got, 0x7788 + i);
	assert_int_equal(release_pages(g, &release), 0);
	dev->ops->shm_read(dev, m->shm_offset + 8, &got, 8);
	assert_true(got == value);
}

static const uint64_t clock_shown[] = {0x500000, 0x700000};

/* Beside the windows lies the HCA's clock: for reads alone, the same for all processes. */
static void test_clock(void **state)
{
	(void)state;
	for (int fixed = 0; fixed < 2; fixed++) {
		struct bypass_virtio_device *dev =
			mock_open_for("mock0,ucontexts=2,shm=64K,vectors=2", fixed);
		struct rdma_guest g = {0};
		uint32_t handle;

		assert_non_null(dev);
		guest_init(&g.guest, 4 << 20);
		rdma_guest_start(&g, dev);
		assert_int_equal(mlx5_open(&g, &handle), 0);
		assert_int_equal(g.n_mmaps, 3);
		assert_int_equal(ftruncate(mock.cmd_fd, 0x800000), 0);
		check_clock_page(&g, 0, clock_shown[0]);
		check_clock_page(&g, 1, clock_shown[1]);
		rdma_guest_stop(&g);
	}
}

/* The BAR's window ends before the clock, and a write does not reach the clock. */
static void test_clock_in_bar(void **state)
{
	struct bypass_virtio_device *dev = mock_open("mock0,shm=64K");
	struct bypass_slice *slice;
	uint32_t value = 7;

	(void)state;
	assert_non_null(dev);
	assert_int_equal(bypass_virtio_pci_new(dev, &slice), 0);
	assert_int_equal(slice->bars[BAR].size, 65536);
	assert_int_equal(slice->bars[BAR].n_windows, 1);
	assert_int_equal(slice->bars[BAR].windows[0].size, 65536 - 2 * GUEST_PAGE);
	assert_int_equal(ftruncate(mock.cmd_fd, 0x800000), 0);
	assert_int_equal(pwrite(mock.cmd_fd, &value, 4, clock_shown[1]), 4);
	value = 0;
	assert_int_equal(slice->ops->bar_write(slice, BAR, 65536 - GUEST_PAGE, &value, 4), 0);
	assert_int_equal(slice->ops->bar_read(slice, BAR, 65536 - GUEST_PAGE, &value, 4), 0);
	assert_int_equal(value, 7);
	bypass_slice_close(slice);
}

/* Where another process maps the pages there is no clock. */
static void test_clock_elsewhere(void **state)
{
	const struct bypass_virtio_carrier carrier = {.shm_map = map_nowhere};
	struct bypass_virtio_device *dev = mock_open("mock0,shm=64K");

	(void)state;
	assert_non_null(dev);
	assert_true(rdma_clock_shown(rdma_slice(dev)));
	assert_int_equal(dev->ops->attach(dev, &carrier, NULL), 0);
	assert_false(rdma_clock_shown(rdma_slice(dev)));
	assert_int_equal(dev->ops->attach(dev, NULL, NULL), 0);
	bypass_virtio_close(dev);
}

static struct service {
	struct bypass_slice *slice;
	char path[64];
	int listener;
} service;

static void serve_one(int fd)
{
	struct bypass_vfio_user_server *server;

	if (bypass_vfio_user_server_new(service.slice, fd, &server))
		return;
	do {
		struct pollfd p = {.fd = bypass_vfio_user_server_fd(server), .events = POLLIN};

		poll(&p, 1, -1);
	} while (bypass_vfio_user_server_dispatch(server) >= 0);
	bypass_vfio_user_server_free(server);
}

static void *serve(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept4(service.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		serve_one(fd);
	return NULL;
}

/* A client of another process maps the same pages at the same places of the BAR, each for itself. */
static void check_client(void)
{
	struct bypass_slice *client;
	const struct bypass_bar *bar;

	assert_int_equal(bypass_vfio_user_open(service.path, &client), 0);
	bar = &client->bars[BAR];
	assert_int_equal(bar->size, 8 * GUEST_PAGE);
	assert_int_equal(bar->n_windows, 5);
	for (unsigned int i = 0; i < bar->n_windows; i++) {
		const struct bypass_window *own = &service.slice->bars[BAR].windows[i];

		assert_true(bar->windows[i].offset == own->offset);
		assert_true(bar->windows[i].size == GUEST_PAGE);
		assert_true(bar->windows[i].hva != own->hva);
		check_window(own, bar->windows[i].hva, i);
		assert_string_equal((char *)own->hva, (char *)bar->windows[i].hva);
	}
	bypass_slice_close(client);
}

/* When a VMM goes, the next may come. */
static void test_clients(void **state)
{
	pthread_t thread;

	(void)state;
	service.slice = open_slice("mock0,ucontexts=5");
	snprintf(service.path, sizeof(service.path), "/tmp/rdma-pages-%d.sock", getpid());
	assert_int_equal(bypass_socket_listen(service.path, NULL, &service.listener), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	check_client();
	check_client();
	shutdown(service.listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(service.listener);
	unlink(service.path);
	bypass_slice_close(service.slice);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_windows), TEST(test_numbers),	     TEST(test_fewer),
		TEST(test_gap),	    TEST(test_processes),    TEST(test_other_carriers),
		TEST(test_clock),   TEST(test_clock_in_bar), TEST(test_clock_elsewhere),
		TEST(test_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
