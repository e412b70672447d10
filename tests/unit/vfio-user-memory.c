// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A client's memory at the vfio-user server: mappings with a descriptor, and without.
 */
#include <poll.h>
#include <pthread.h>

#include "vfio-user-server.h"

static int unmap(uint64_t address, uint64_t size)
{
	struct vfu_dma_unmap gone = {sizeof(gone), 0, address, size};

	return ask(VFU_DMA_UNMAP, &gone, sizeof(gone));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory),
		TEST(test_seals),
		TEST(test_many_mappings),
		TEST(test_memory_by_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
