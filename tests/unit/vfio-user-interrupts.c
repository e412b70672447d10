// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Interrupts of the vfio-user server: vectors, masks, INTx, and the request to unplug.
 */
#include "vfio-user-server.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vectors),
		TEST(test_bools),
		TEST(test_intx),
		TEST(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
