// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vfio-user server against a client that the test plays, message by message: what a correct
 * client gets, and what an incorrect one is told.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
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
static void show_window(void)
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

static int setup(void **state)
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

static int teardown(void **state)
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

static void put(uint16_t command, uint32_t flags, const void *data, uint32_t size, const int *fds,
		unsigned int n_fds)
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
static int ask_fds(uint16_t command, const void *data, uint32_t size, const int *fds,
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

static int ask(uint16_t command, const void *data, uint32_t size)
{
	return ask_fds(command, data, size, NULL, 0);
}

static void introduce(void)
{
	static const char hello[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":64}}";

	assert_int_equal(ask(VFU_VERSION, hello, sizeof(hello)), 0);
}

static void test_version(void **state)
{
	static const uint16_t newer[2] = {0, 7}, wrong[2] = {1, 0};

	(void)state;
	assert_int_equal(ask(VFU_VERSION, newer, sizeof(newer)), 0);
	assert_int_equal(in.in.version.major, 0);
	assert_int_equal(in.in.version.minor, 1);
	assert_non_null(strstr((char *)in.in.data + 4, "\"max_msg_fds\":8"));
	assert_int_equal(in.in.data[vfu_payload(&in.in) - 1], 0);
	assert_int_equal(ask(VFU_VERSION, newer, sizeof(newer)), EINVAL);
	assert_int_equal(ended, 0);
	(void)wrong;
}

static void test_version_first(void **state)
{
	static const uint16_t wrong[2] = {1, 0};

	(void)state;
	assert_int_equal(ask(VFU_VERSION, wrong, sizeof(wrong)), EOPNOTSUPP);
	assert_int_equal(ended, -EOPNOTSUPP);
	teardown(NULL);
	setup(NULL);
	assert_int_equal(ask(VFU_VERSION, wrong, 2), EINVAL);
	assert_int_equal(ended, -EINVAL);
	teardown(NULL);
	setup(NULL);
	assert_int_equal(ask(VFU_RESET, NULL, 0), -1);
	assert_int_equal(ended, -EPROTO);
}

static void test_device(void **state)
{
	struct vfu_device_info info = {.argsz = sizeof(info)};

	(void)state;
	introduce();
	assert_int_equal(ask(VFU_GET_INFO, &info, sizeof(info)), 0);
	assert_int_equal(vfu_payload(&in.in), 16);
	assert_int_equal(in.in.info.regions, 9);
	assert_int_equal(in.in.info.irqs, 5);
	assert_int_equal(in.in.info.flags, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
	assert_int_equal(ask(VFU_GET_INFO, &info, 4), EINVAL);
	info.argsz = 8;
	assert_int_equal(ask(VFU_GET_INFO, &info, sizeof(info)), EINVAL);
	assert_int_equal(ask(14, NULL, 0), ENOTSUP);
	assert_int_equal(ask(0xffff, NULL, 0), ENOTSUP);
	assert_int_equal(ended, 0);
}

static void test_regions(void **state)
{
	struct vfio_region_info info = {.argsz = sizeof(info)};
	const struct vfio_region_info_cap_sparse_mmap *cap;
	struct stat mine, theirs;

	(void)state;
	introduce();
	/* No room for the areas: the answer says how much they need, where they would lie, and no more. */
	assert_int_equal(ask(VFU_GET_REGION_INFO, &info, sizeof(info)), 0);
	assert_int_equal(vfu_payload(&in.in), sizeof(info));
	assert_int_equal(in.in.region.argsz, sizeof(info) + 16 + 16);
	assert_int_equal(in.in.region.cap_offset, sizeof(info));
	assert_int_equal(in.in.n_fds, 0);
	info.argsz = in.in.region.argsz;
	assert_int_equal(ask(VFU_GET_REGION_INFO, &info, sizeof(info)), 0);
	assert_int_equal(vfu_payload(&in.in), info.argsz);
	assert_int_equal(in.in.region.size, 0x8000);
	assert_int_equal(in.in.region.flags, 15);
	assert_int_equal(in.in.region.offset, 0x4000); /* added to the area's: 0x8000 of the file */
	cap = (const void *)(in.in.data + in.in.region.cap_offset);
	assert_int_equal(cap->header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_int_equal(cap->nr_areas, 1);
	assert_int_equal(cap->areas[0].offset, 0x4000);
	assert_int_equal(cap->areas[0].size, 0x4000);
	assert_int_equal(in.in.n_fds, 1);
	assert_int_equal(fstat(fake->window.fd, &mine) | fstat(in.in.fds[0], &theirs), 0);
	assert_int_equal(mine.st_ino, theirs.st_ino);

	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	assert_int_equal(ask(VFU_GET_REGION_INFO, &info, sizeof(info)), 0);
	assert_int_equal(in.in.region.size, 4096);
	assert_int_equal(in.in.region.flags, 3);
	info.index = VFIO_PCI_ROM_REGION_INDEX;
	assert_int_equal(ask(VFU_GET_REGION_INFO, &info, sizeof(info)), 0);
	assert_int_equal(in.in.region.size, 0);
	info.index = 9;
	assert_int_equal(ask(VFU_GET_REGION_INFO, &info, sizeof(info)), EINVAL);
	info.index = 0;
	info.argsz = 31;
	assert_int_equal(ask(VFU_GET_REGION_INFO, &info, sizeof(info)), EINVAL);
}

static void test_doorbells(void **state)
{
	struct vfu_io_fds ask_for = {.argsz = 4096, .index = 2};
	const struct vfu_io_fd *entry = (const void *)(in.in.data + sizeof(ask_for));
	eventfd_t count;

	(void)state;
	introduce();
	assert_int_equal(ask(VFU_GET_REGION_IO_FDS, &ask_for, sizeof(ask_for)), 0);
	assert_int_equal(in.in.io_fds.count, 1);
	assert_int_equal(vfu_payload(&in.in), 16 + 40);
	assert_int_equal(entry->offset, 0x80);
	assert_int_equal(entry->size, 4);
	assert_int_equal(in.in.n_fds, 1);
	eventfd_write(in.in.fds[0], 1);
	assert_int_equal(eventfd_read(fake->kick.fd, &count), 0);
	ask_for.argsz = 16;
	assert_int_equal(ask(VFU_GET_REGION_IO_FDS, &ask_for, sizeof(ask_for)), 0);
	assert_int_equal(vfu_payload(&in.in), 16);
	assert_int_equal(in.in.io_fds.argsz, 56);
	assert_int_equal(in.in.n_fds, 0);
	ask_for.index = 6;
	assert_int_equal(ask(VFU_GET_REGION_IO_FDS, &ask_for, sizeof(ask_for)), EINVAL);
}

/* Access a region: the answer's errno. */
static int region(uint16_t command, uint32_t index, uint64_t offset, uint32_t count,
		  const void *data, uint32_t size)
{
	uint8_t buf[sizeof(struct vfu_region_access) + PAGE];
	struct vfu_region_access a = {offset, index, count};

	memcpy(buf, &a, sizeof(a));
	if (size)
		memcpy(buf + sizeof(a), data, size);
	return ask(command, buf, sizeof(a) + size);
}

static uint32_t config_read(uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	assert_int_equal(region(VFU_REGION_READ, 7, offset, size, NULL, 0), 0);
	assert_int_equal(vfu_payload(&in.in), sizeof(struct vfu_region_access) + size);
	memcpy(&value, in.in.data + sizeof(struct vfu_region_access), size);
	return value;
}

static void config_write(uint32_t offset, uint32_t size, uint32_t value)
{
	assert_int_equal(region(VFU_REGION_WRITE, 7, offset, size, &value, size), 0);
	assert_int_equal(vfu_payload(&in.in), sizeof(struct vfu_region_access));
}

static void test_config(void **state)
{
	(void)state;
	introduce();
	assert_int_equal(config_read(0, 4), 0x56781234);
	assert_int_equal(config_read(1, 2), 0x7812); /* not aligned */
	/* All of it at once, as QEMU reads it. */
	assert_int_equal(region(VFU_REGION_READ, 7, 0, 4096, NULL, 0), 0);
	assert_memory_equal(in.in.data + 16 + 0x40, fake->config + 0x40, 4096 - 0x40);
	/* BARs keep an address and show their size; there is no ROM. */
	assert_int_equal(config_read(PCI_BASE_ADDRESS_0, 4), 0xc);
	config_write(PCI_BASE_ADDRESS_0, 4, ~0u);
	config_write(PCI_BASE_ADDRESS_1, 4, ~0u);
	config_write(PCI_BASE_ADDRESS_2, 4, ~0u);
	config_write(PCI_BASE_ADDRESS_4, 4, ~0u);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_0, 4), 0xffff800c);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_1, 4), ~0u);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_2, 4), 0xfffff000);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_3, 4), 0);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_4, 4), 0xffffffe1);
	config_write(PCI_BASE_ADDRESS_2 + 2, 2, 0xfebf);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_2, 4), 0xfebff000);
	config_write(PCI_ROM_ADDRESS, 4, ~0u);
	assert_int_equal(config_read(PCI_ROM_ADDRESS, 4), 0);
	config_write(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(fake->config[PCI_COMMAND], PCI_COMMAND_MASTER);
	assert_int_equal(region(VFU_REGION_READ, 7, 4094, 4, NULL, 0), EINVAL);
	assert_int_equal(region(VFU_REGION_READ, 7, UINT64_MAX, 4, NULL, 0), EINVAL);
}

static void test_bars(void **state)
{
	uint8_t *window = fake->window.hva;
	uint64_t value = 0x1122334455667788;
	eventfd_t count;

	(void)state;
	introduce();
	assert_int_equal(region(VFU_REGION_READ, 2, 0x100, 4, NULL, 0), 0);
	assert_memory_equal(in.in.data + 16, "\x00\x01\x02\x03", 4);
	assert_int_equal(region(VFU_REGION_WRITE, 2, 0x108, 8, &value, 8), 0);
	assert_int_equal(fake->last_offset, 0x108);
	assert_true(fake->last_value == value);
	/* What no CPU does in one access becomes several aligned ones. */
	assert_int_equal(region(VFU_REGION_WRITE, 2, 0x10e, 6, &value, 6), 0);
	assert_int_equal(fake->writes, 3);
	assert_int_equal(fake->last_offset, 0x110);
	assert_int_equal(fake->last_size, 4);
	/* A doorbell of its width wakes by eventfd, another width is a trap. */
	assert_int_equal(region(VFU_REGION_WRITE, 2, 0x80, 4, &value, 4), 0);
	assert_int_equal(eventfd_read(fake->kick.fd, &count), 0);
	assert_int_equal(fake->writes, 3);
	assert_int_equal(region(VFU_REGION_WRITE, 2, 0x80, 2, &value, 2), 0);
	assert_int_equal(fake->writes, 4);
	/* A window is memory by message too; in front of the window there are traps. */
	assert_int_equal(region(VFU_REGION_WRITE, 0, 0x4008, 8, &value, 8), 0);
	assert_memory_equal(window + 8, &value, 8);
	assert_int_equal(region(VFU_REGION_READ, 0, 0x3ffc, 16, NULL, 0), 0);
	assert_memory_equal(in.in.data + 16 + 12, &value, 4);
	assert_int_equal(fake->reads, 2);
	assert_int_equal(region(VFU_REGION_READ, 0, 0x7ffc, 8, NULL, 0), EINVAL);
	assert_int_equal(region(VFU_REGION_READ, 1, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(region(VFU_REGION_READ, 9, 0, 0, NULL, 0), 0);
	assert_int_equal(region(VFU_REGION_WRITE, 2, 0, 8, &value, 4), EINVAL);
	assert_int_equal(region(VFU_REGION_WRITE, 2, 0, 4, &value, 8), EINVAL);
	assert_int_equal(region(VFU_REGION_READ, 2, 0, UINT32_MAX, NULL, 0), EINVAL);
	assert_int_equal(ended, 0);
}

static int map_fd(uint64_t address, uint64_t size, uint64_t offset, uint32_t flags, int fd)
{
	struct vfu_dma_map map = {sizeof(map), flags, offset, address, size};

	return ask_fds(VFU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

static int unmap(uint64_t address, uint64_t size)
{
	struct vfu_dma_unmap gone = {sizeof(gone), 0, address, size};

	return ask(VFU_DMA_UNMAP, &gone, sizeof(gone));
}

static int ram_file(bool sealed)
{
	int fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

static void test_memory(void **state)
{
	struct vfu_dma_unmap all = {sizeof(all), VFIO_DMA_UNMAP_FLAG_ALL, 0, 0};
	int fd = ram_file(true), null = open("/dev/zero", O_RDWR);
	char text[8];

	(void)state;
	introduce();
	assert_int_equal(map_fd(RAM_GPA, RAM_SIZE, 0, 3, fd), 0);
	assert_true(fake->ram == RAM_SIZE);
	/* The same file again elsewhere, without a second mapping of it; and no two at one place. */
	assert_int_equal(map_fd(0, PAGE, PAGE, 3, fd), 0);
	assert_true(fake->ram == RAM_SIZE + PAGE);
	assert_null(server->space.files->next);
	assert_int_equal(map_fd(RAM_GPA + RAM_SIZE - 1, 2, 0, 3, fd), EEXIST);
	assert_int_equal(map_fd(RAM_GPA - PAGE, 2 * PAGE, 0, 3, fd), EEXIST);
	assert_int_equal(map_fd(RAM_GPA - PAGE, RAM_SIZE * 3, 0, 3, -1), EEXIST);
	/* Read-only memory and memory without a descriptor are no RAM. */
	assert_int_equal(map_fd(0x10000, PAGE, 0, 1, fd), 0);
	assert_int_equal(map_fd(0x20000, 0x123, 0, 3, -1), 0);
	assert_true(fake->ram == RAM_SIZE + PAGE);
	/* The server reads what it has itself. */
	assert_int_equal(pwrite(fd, "bypass", 7, PAGE), 7);
	assert_int_equal(bypass_vfio_user_dma_read(server, 0, text, 7), 0);
	assert_string_equal(text, "bypass");
	assert_int_equal(bypass_vfio_user_dma_write(server, 2, "PASS", 4), 0);
	assert_int_equal(pread(fd, text, 7, PAGE), 7);
	assert_string_equal(text, "byPASS");
	assert_int_equal(bypass_vfio_user_dma_read(server, PAGE, text, 1), -EFAULT);
	assert_int_equal(bypass_vfio_user_dma_write(server, 0x10000, text, 1), -EFAULT);
	/* Impossible ones */
	assert_int_equal(map_fd(0x30000, 0, 0, 3, fd), EINVAL);
	assert_int_equal(map_fd(UINT64_MAX - 8, PAGE, 0, 3, -1), EINVAL);
	assert_int_equal(map_fd(0x30000, PAGE, 0, 0, fd), EINVAL);
	assert_int_equal(map_fd(0x30000, PAGE, 0, 7, fd), EINVAL);
	assert_int_equal(map_fd(0x30000, PAGE, RAM_SIZE, 3, fd), EINVAL);
	assert_int_equal(map_fd(0x30000, PAGE, UINT64_MAX - 4095, 3, fd), EINVAL);
	assert_int_equal(map_fd(0x30000, 100, 0, 3, fd), EINVAL);
	assert_int_equal(map_fd(0x30000, PAGE, 0, 3, null), EINVAL);
	assert_int_equal(ask(VFU_DMA_MAP, &all, sizeof(all)), EINVAL);
	fake->fail_memory = ENOSPC;
	assert_int_equal(map_fd(0x30000, PAGE, 0, 3, fd), ENOSPC);
	fake->fail_memory = 0;
	assert_int_equal(map_fd(0x30000, PAGE, 0, 3, fd), 0);

	assert_int_equal(unmap(0x30000, 2 * PAGE), ENOENT);
	assert_int_equal(unmap(0x30000 + PAGE, PAGE), ENOENT);
	assert_int_equal(unmap(0x30000, PAGE), 0);
	assert_int_equal(vfu_payload(&in.in), sizeof(all));
	assert_true(in.in.unmap.address == 0x30000);
	assert_int_equal(unmap(0x30000, PAGE), ENOENT);
	all.flags = 1;
	assert_int_equal(ask(VFU_DMA_UNMAP, &all, sizeof(all)), EINVAL);
	all.flags = VFIO_DMA_UNMAP_FLAG_ALL;
	assert_int_equal(ask(VFU_DMA_UNMAP, &all, sizeof(all)), 0);
	assert_true(fake->ram == 0);
	assert_null(server->space.files);
	close(null);
	close(fd);
}

static void test_seals(void **state)
{
	int fd = ram_file(false), sealed = ram_file(true);

	(void)state;
	bypass_vfio_user_server_need_seals(server);
	introduce();
	assert_int_equal(map_fd(0, RAM_SIZE, 0, 3, fd), EPERM);
	assert_int_equal(map_fd(0, RAM_SIZE, 0, 3, sealed), 0);
	close(fd);
	close(sealed);
}

/* As many mappings as a guest behind an emulated IOMMU has, in any order. */
static void test_many_mappings(void **state)
{
	int fd = ram_file(true);

	(void)state;
	introduce();
	for (unsigned int i = 0; i < 4096; i++)
		assert_int_equal(map_fd((uint64_t)(i * 2741 % 4096) * 2 * PAGE, PAGE,
					(i % 256) * PAGE, 3, fd),
				 0);
	assert_true(fake->ram == 4096ull * PAGE);
	assert_int_equal(map_fd(777 * 2 * PAGE, PAGE, 0, 3, fd), EEXIST);
	for (unsigned int i = 0; i < 4096; i++)
		assert_int_equal(unmap((uint64_t)(i * 1013 % 4096) * 2 * PAGE, PAGE), 0);
	assert_true(fake->ram == 0);
	close(fd);
}

static int irqs(uint32_t index, uint32_t flags, uint32_t start, uint32_t count, const int *fds,
		unsigned int n_fds)
{
	struct vfu_irq_set set = {sizeof(set), flags, index, start, count};

	return ask_fds(VFU_SET_IRQS, &set, sizeof(set), fds, n_fds);
}

#define EVENTFD	     (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define NONE(action) (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_##action)

static uint64_t signals(int fd)
{
	eventfd_t count = 0;

	eventfd_read(fd, &count);
	return count;
}

static void test_vectors(void **state)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = 2};
	int fds[3] = {eventfd(0, EFD_NONBLOCK), eventfd(0, 0), eventfd(0, 0)}, null;

	(void)state;
	introduce();
	assert_int_equal(ask(VFU_GET_IRQ_INFO, &info, sizeof(info)), 0);
	assert_int_equal(in.in.irq.count, FAKE_VECTORS);
	assert_int_equal(in.in.irq.flags, VFIO_IRQ_INFO_EVENTFD);
	info.index = VFIO_PCI_ERR_IRQ_INDEX;
	assert_int_equal(ask(VFU_GET_IRQ_INFO, &info, sizeof(info)), 0);
	assert_int_equal(in.in.irq.count, 0);
	info.index = 5;
	assert_int_equal(ask(VFU_GET_IRQ_INFO, &info, sizeof(info)), EINVAL);

	assert_int_equal(irqs(2, EVENTFD, 1, 2, fds, 2), 0);
	eventfd_write(fake->fds[2][1], 3);
	assert_int_equal(signals(fds[0]), 3);
	/* The server made the client's eventfd one that never makes the slice wait. */
	assert_true(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	assert_int_equal(irqs(2, NONE(TRIGGER), 2, 1, NULL, 0), 0);
	assert_int_equal(signals(fds[1]), 1);
	/* Another type at the same time */
	assert_int_equal(irqs(1, EVENTFD, 0, 1, fds, 1), EBUSY);
	/* Masked, then raised: comes when unmasked, once */
	assert_int_equal(irqs(2, NONE(MASK), 1, 1, NULL, 0), 0);
	eventfd_write(fake->fds[2][1], 1);
	eventfd_write(fake->fds[2][1], 1);
	assert_int_equal(signals(fds[0]), 0);
	assert_int_equal(irqs(2, NONE(UNMASK), 1, 1, NULL, 0), 0);
	assert_int_equal(signals(fds[0]), 1);
	eventfd_write(fake->fds[2][1], 1);
	assert_int_equal(signals(fds[0]), 1);
	/* Off one by one, then all */
	assert_int_equal(irqs(2, EVENTFD, 1, 1, NULL, 0), 0);
	assert_int_equal(fake->fds[2][1], -1);
	assert_true(fake->fds[2][2] >= 0);
	assert_int_equal(irqs(2, NONE(TRIGGER), 0, 0, NULL, 0), 0);
	assert_false(fake->on[2]);
	/* After a failure the vectors are off. */
	fake->few = 4;
	assert_int_equal(irqs(2, EVENTFD, 5, 1, fds, 1), ENOSPC);
	assert_int_equal(irqs(2, NONE(TRIGGER), 5, 1, NULL, 0), 0);
	assert_int_equal(signals(fds[0]), 0);
	/* Impossible ones */
	assert_int_equal(irqs(2, EVENTFD, FAKE_VECTORS, 1, fds, 1), EINVAL);
	assert_int_equal(irqs(2, EVENTFD, UINT32_MAX, 2, fds, 2), EINVAL);
	assert_int_equal(irqs(2, EVENTFD, 0, 3, fds, 2), EINVAL);
	assert_int_equal(irqs(2, EVENTFD, 0, 0, NULL, 0), EINVAL);
	assert_int_equal(irqs(2, EVENTFD | VFIO_IRQ_SET_DATA_NONE, 0, 1, fds, 1), EINVAL);
	assert_int_equal(irqs(2, NONE(TRIGGER) | VFIO_IRQ_SET_ACTION_MASK, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(irqs(2, 0x80 | NONE(TRIGGER), 0, 1, NULL, 0), EINVAL);
	assert_int_equal(irqs(2, NONE(TRIGGER), 0, 1, fds, 1), EINVAL);
	assert_int_equal(irqs(5, NONE(TRIGGER), 0, 0, NULL, 0), EINVAL);
	assert_int_equal(irqs(3, EVENTFD, 0, 1, fds, 1), EINVAL);
	assert_int_equal(
		irqs(2, VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 2, NULL, 0),
		EINVAL);
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(irqs(2, EVENTFD, 0, 1, &null, 1), EINVAL);
	close(null);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_bools(void **state)
{
	struct {
		struct vfu_irq_set set;
		uint8_t chosen[3];
	} __attribute__((packed)) msg = {
		{sizeof(msg), VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 0, 3},
		{1, 0, 1},
	};
	int fds[3] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};

	(void)state;
	introduce();
	assert_int_equal(irqs(2, EVENTFD, 0, 3, fds, 3), 0);
	assert_int_equal(ask(VFU_SET_IRQS, &msg, sizeof(msg)), 0);
	assert_int_equal(signals(fds[0]), 1);
	assert_int_equal(signals(fds[1]), 0);
	assert_int_equal(signals(fds[2]), 1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_intx(void **state)
{
	int fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};

	(void)state;
	introduce();
	assert_int_equal(irqs(0, EVENTFD, 0, 1, fds, 1), 0);
	eventfd_write(fake->fds[0][0], 1);
	assert_int_equal(signals(fds[0]), 1);
	assert_int_equal(irqs(0, NONE(UNMASK), 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fake->resample), 1);
	assert_int_equal(
		irqs(0, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &fds[1], 1),
		0);
	eventfd_write(fds[1], 1);
	assert_int_equal(signals(fake->resample), 1);
	assert_int_equal(
		irqs(2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &fds[1], 1),
		EINVAL);
	close(fds[0]);
	close(fds[1]);
}

static void test_request(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	introduce();
	assert_int_equal(bypass_vfio_user_server_unplug(server), -ENOTSUP);
	assert_int_equal(irqs(VFIO_PCI_REQ_IRQ_INDEX, EVENTFD, 0, 1, &fd, 1), 0);
	assert_int_equal(bypass_vfio_user_server_unplug(server), 0);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(irqs(VFIO_PCI_REQ_IRQ_INDEX, NONE(TRIGGER), 0, 0, NULL, 0), 0);
	assert_int_equal(bypass_vfio_user_server_unplug(server), -ENOTSUP);
	close(fd);
}

static void test_reset(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK), ram = ram_file(true);

	(void)state;
	introduce();
	assert_int_equal(map_fd(0, RAM_SIZE, 0, 3, ram), 0);
	assert_int_equal(irqs(2, EVENTFD, 0, 1, &fd, 1), 0);
	config_write(PCI_BASE_ADDRESS_2, 4, 0xfe000000);
	assert_int_equal(ask(VFU_RESET, NULL, 0), 0);
	assert_int_equal(fake->resets, 1);
	assert_false(fake->on[2]);
	assert_int_equal(config_read(PCI_BASE_ADDRESS_2, 4), 0);
	assert_true(fake->ram == RAM_SIZE);
	assert_int_equal(ask(VFU_RESET, "1", 1), EINVAL);
	/* The client dies: nothing of it is left. */
	assert_int_equal(irqs(2, EVENTFD, 0, 1, &fd, 1), 0);
	shutdown(client, SHUT_WR);
	assert_int_equal(bypass_vfio_user_server_dispatch(server), -ENOTCONN);
	bypass_vfio_user_server_free(server);
	server = NULL;
	assert_int_equal(fake->resets, 2);
	assert_false(fake->on[2]);
	assert_true(fake->ram == 0);
	close(ram);
	close(fd);
}

/* Wait for the server's request, answer it, and have a request of our own in between. */
static void *answer_reads(void *arg)
{
	static const uint32_t info[4] = {16};
	struct vfu_letter letter = {.header = {.flags = VFU_REPLY}};
	uint8_t *byte = arg;

	for (int i = 0; i < 2; i++) {
		struct pollfd p = {.fd = client, .events = POLLIN};

		vfu_consume(&in);
		while (vfu_receive(&in) == 0)
			poll(&p, 1, -1);
		if (!i)
			put(VFU_GET_INFO, 0, info, sizeof(info), NULL, 0);
		letter.header.id = in.in.header.id;
		letter.header.command = in.in.header.command;
		letter.piece[0] = (struct iovec){in.in.data, 16};
		letter.piece[1] = (struct iovec){NULL, 0};
		if (in.in.header.command == VFU_DMA_READ) {
			memset(in.in.data + 16, *byte, in.in.dma.count);
			letter.piece[1] = (struct iovec){in.in.data + 16, in.in.dma.count};
		} else {
			*byte = in.in.data[16];
		}
		vfu_send(&in, &letter);
	}
	return NULL;
}

static void test_memory_by_message(void **state)
{
	uint8_t byte = 'x', data[5];
	struct pollfd p = {.fd = bypass_vfio_user_server_fd(server), .events = POLLIN};
	pthread_t thread;

	(void)state;
	introduce();
	assert_int_equal(map_fd(0x20000, 0x1000, 0, 3, -1), 0);
	pthread_create(&thread, NULL, answer_reads, &byte);
	assert_int_equal(bypass_vfio_user_dma_read(server, 0x20123, data, 5), 0);
	assert_memory_equal(data, "xxxxx", 5);
	assert_int_equal(bypass_vfio_user_dma_write(server, 0x20ffb, "yyyyy", 5), 0);
	pthread_join(thread, NULL);
	assert_int_equal(byte, 'y');
	/* The request that came in between was kept, and shows. */
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(bypass_vfio_user_server_dispatch(server), 0);
	vfu_consume(&in);
	assert_int_equal(vfu_receive(&in), 1);
	assert_int_equal(in.in.header.command, VFU_GET_INFO);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(bypass_vfio_user_dma_read(server, 0x20ffc, data, 5), -EFAULT);
	/* A client that goes while it is asked */
	shutdown(client, SHUT_RDWR);
	assert_int_equal(bypass_vfio_user_dma_read(server, 0x20000, data, 5), -ENOTCONN);
}

/* Messages in one piece, in single bytes, and many at once; answers that nobody reads yet. */
static void test_stream(void **state)
{
	struct vfu_header header = {77, VFU_GET_INFO, 32, 0, 0};
	uint32_t info[4] = {16}, seen = 0;
	uint8_t bytes[32];
	struct pollfd p = {.fd = bypass_vfio_user_server_fd(server), .events = POLLIN};

	(void)state;
	introduce();
	vfu_consume(&in);
	memcpy(bytes, &header, 16);
	memcpy(bytes + 16, info, 16);
	for (int i = 0; i < 32; i++) {
		assert_int_equal(vfu_receive(&in), 0);
		assert_int_equal(write(client, bytes + i, 1), 1);
		assert_int_equal(bypass_vfio_user_server_dispatch(server), 0);
	}
	assert_int_equal(vfu_receive(&in), 1);
	assert_int_equal(in.in.header.id, 77);
	vfu_consume(&in);
	/* More answers than the socket holds: the server keeps one and reads no more until it is taken. */
	for (int sent = 0, n = 0; sent < 3000;) {
		while (sent < 3000 && write(client, bytes, 32) == 32)
			sent++;
		while (poll(&p, 1, 0) == 1)
			assert_int_equal(bypass_vfio_user_server_dispatch(server), 0);
		for (n = 0; n < 100 && vfu_receive(&in) == 1; n++, seen++)
			vfu_consume(&in);
	}
	while (poll(&p, 1, 0) == 1 || vfu_receive(&in) == 1) {
		assert_int_equal(bypass_vfio_user_server_dispatch(server), 0);
		while (vfu_receive(&in) == 1) {
			vfu_consume(&in);
			seen++;
		}
	}
	assert_int_equal(seen, 3000);
	/* No answer wanted, none given. */
	put(VFU_GET_INFO, VFU_NO_REPLY, info, 16, NULL, 0);
	assert_int_equal(bypass_vfio_user_server_dispatch(server), 0);
	assert_int_equal(vfu_receive(&in), 0);
}

/* Each wrong header ends the connection. */
static void test_headers(void **state)
{
	static const struct vfu_header wrong[] = {
		{1, VFU_GET_INFO, 0, 0, 0},	     {1, VFU_GET_INFO, 15, 0, 0},
		{1, VFU_GET_INFO, ~0u, 0, 0},	     {1, VFU_GET_INFO, 16 + VFU_PAYLOAD + 1, 0, 0},
		{1, VFU_GET_INFO, 16, 2, 0},	     {1, VFU_GET_INFO, 16, VFU_REPLY, 0},
		{1, VFU_GET_INFO, 16, VFU_ERROR, 0},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		introduce();
		assert_int_equal(write(client, &wrong[i], 16), 16);
		assert_int_equal(bypass_vfio_user_server_dispatch(server), -EPROTO);
		teardown(state);
		setup(state);
	}
	introduce();
	assert_int_equal(write(client, wrong, 7), 7);
	shutdown(client, SHUT_WR);
	assert_int_equal(bypass_vfio_user_server_dispatch(server), -EPROTO);
}

static void test_too_many_descriptors(void **state)
{
	int fds[9];

	(void)state;
	for (int i = 0; i < 9; i++)
		fds[i] = client;
	introduce();
	put(VFU_GET_INFO, 0, NULL, 0, fds, 9);
	assert_int_equal(bypass_vfio_user_server_dispatch(server), -EPROTO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_version),
		TEST(test_version_first),
		TEST(test_device),
		TEST(test_regions),
		TEST(test_doorbells),
		TEST(test_config),
		TEST(test_bars),
		TEST(test_memory),
		TEST(test_seals),
		TEST(test_many_mappings),
		TEST(test_vectors),
		TEST(test_bools),
		TEST(test_intx),
		TEST(test_request),
		TEST(test_reset),
		TEST(test_memory_by_message),
		TEST(test_stream),
		TEST(test_headers),
		TEST(test_too_many_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
