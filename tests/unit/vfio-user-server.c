// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The vfio-user server: messages and their order, regions, reset. What a correct client gets, and
 * what an incorrect one is told.
 */
#include <poll.h>

#include "vfio-user-server.h"

static void test_version(void **state)
{
	static const uint16_t newer[2] = {0, 7};

	(void)state;
	assert_int_equal(ask(VFU_VERSION, newer, sizeof(newer)), 0);
	assert_int_equal(in.in.version.major, 0);
	assert_int_equal(in.in.version.minor, 1);
	assert_non_null(strstr((char *)in.in.data + 4, "\"max_msg_fds\":8"));
	assert_int_equal(in.in.data[vfu_payload(&in.in) - 1], 0);
	assert_int_equal(ask(VFU_VERSION, newer, sizeof(newer)), EINVAL);
	assert_int_equal(ended, 0);
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
	const struct CMUnitTest tests[] = {
		TEST(test_version),
		TEST(test_version_first),
		TEST(test_device),
		TEST(test_regions),
		TEST(test_doorbells),
		TEST(test_config),
		TEST(test_bars),
		TEST(test_reset),
		TEST(test_stream),
		TEST(test_headers),
		TEST(test_too_many_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
