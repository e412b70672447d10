// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The device's side of a virtqueue against drivers that keep the rules, and such as break
 * each of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <bypass/virtqueue.h>

#include "../guest.h"

#define SIZE 8

struct test {
	struct guest guest;
	struct guest_queue queue;
	struct bypass_virtqueue vq;
	struct bypass_chain chain;
	uint64_t data; /* a page */
};

static int set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	guest_init(&t->guest, 1 << 20);
	guest_queue_init(&t->queue, &t->guest, SIZE);
	t->data = guest_alloc(&t->guest, GUEST_PAGE);
	assert_int_equal(bypass_virtqueue_start(&t->vq, t->guest.mem, &t->queue.setup, SIZE), 0);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	guest_queue_free(&t->queue);
	guest_free(&t->guest);
	free(t);
	return 0;
}

static int pop(struct test *t)
{
	return bypass_virtqueue_pop(&t->vq, t->guest.mem, &t->chain);
}

static void assert_broken(struct test *t, const char *why)
{
	assert_int_equal(pop(t), -EPROTO);
	assert_non_null(strstr(bypass_error(), why));
	assert_true(t->vq.broken);
	assert_int_equal(pop(t), -EPROTO);
}

static void test_start(void **state)
{
	struct test *t = *state;
	struct bypass_virtqueue vq = {0};
	struct bypass_virtio_queue q = t->queue.setup;

	assert_int_equal(bypass_virtqueue_start(&vq, t->guest.mem, &q, SIZE / 2), -EINVAL);
	q.size = 6;
	assert_int_equal(bypass_virtqueue_start(&vq, t->guest.mem, &q, SIZE), -EINVAL);
	q.size = 0;
	assert_int_equal(bypass_virtqueue_start(&vq, t->guest.mem, &q, SIZE), -EINVAL);
	q = t->queue.setup;
	q.desc += 8;
	assert_int_equal(bypass_virtqueue_start(&vq, t->guest.mem, &q, SIZE), -EINVAL);
	q = t->queue.setup;
	q.used = t->guest.size - 8;
	assert_int_equal(bypass_virtqueue_start(&vq, t->guest.mem, &q, SIZE), -EFAULT);
	q = t->queue.setup;
	q.avail = -2ull;
	assert_int_equal(bypass_virtqueue_start(&vq, t->guest.mem, &q, SIZE), -EFAULT);
	assert_false(bypass_virtqueue_started(&vq));
}

static void test_round(void **state)
{
	struct test *t = *state;
	char text[16] = "";
	uint32_t head, len;

	assert_int_equal(pop(t), 0);
	/* "hello, world" in two parts, then room of 4 and 8 bytes. */
	memcpy(t->guest.ram + t->data, "hello, ", 7);
	memcpy(t->guest.ram + t->data + 100, "world", 6);
	guest_desc(&t->queue, 5, t->data, 7, VRING_DESC_F_NEXT, 2);
	guest_desc(&t->queue, 2, t->data + 100, 6, VRING_DESC_F_NEXT, 0);
	guest_desc(&t->queue, 0, t->data + 200, 4, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 7);
	guest_desc(&t->queue, 7, t->data + 300, 8, VRING_DESC_F_WRITE, 0);
	guest_avail(&t->queue, 5);
	assert_int_equal(pop(t), 1);
	assert_int_equal(t->chain.head, 5);
	assert_int_equal(t->chain.readable, 13);
	assert_int_equal(t->chain.writable, 12);
	assert_int_equal(bypass_chain_read(&t->chain, t->guest.mem, 0, text, 13), 0);
	assert_string_equal(text, "hello, world");
	assert_int_equal(bypass_chain_read(&t->chain, t->guest.mem, 5, text, 4), 0);
	assert_memory_equal(text, ", wo", 4);
	assert_int_equal(bypass_chain_read(&t->chain, t->guest.mem, 0, text, 14), -EINVAL);
	assert_int_equal(bypass_chain_write(&t->chain, t->guest.mem, 2, "abcdef", 6), 0);
	assert_memory_equal(t->guest.ram + t->data + 202, "ab", 2);
	assert_memory_equal(t->guest.ram + t->data + 300, "cdef", 4);
	assert_int_equal(bypass_chain_write(&t->chain, t->guest.mem, 8, "abcde", 5), -EINVAL);

	assert_int_equal(bypass_virtqueue_push(&t->vq, t->guest.mem, &t->chain, 8), 0);
	bypass_virtqueue_signal(&t->vq, t->guest.mem);
	assert_true(guest_wait(&t->queue, 0, &head, &len));
	assert_int_equal(head, 5);
	assert_int_equal(len, 8);
	assert_int_equal(t->vq.interrupts, 1);
	assert_int_equal(pop(t), 0);
	assert_int_equal(bypass_virtqueue_stop(&t->vq), 1);
}

static void test_wraps(void **state)
{
	struct test *t = *state;
	uint32_t head, len;

	t->vq.queue.next = t->vq.used = t->queue.used = 0xfffe;
	t->queue.ring.avail->idx = t->queue.ring.used->idx = 0xfffe;
	for (uint32_t i = 0; i < 3 * SIZE; i++) {
		guest_desc(&t->queue, i % SIZE, t->data, 1, 0, 0);
		guest_avail(&t->queue, i % SIZE);
		assert_int_equal(pop(t), 1);
		assert_int_equal(bypass_virtqueue_push(&t->vq, t->guest.mem, &t->chain, i), 0);
		assert_true(guest_wait(&t->queue, 0, &head, &len));
		assert_int_equal(head, i % SIZE);
		assert_int_equal(len, i);
	}
}

static void test_no_interrupt(void **state)
{
	struct test *t = *state;

	guest_desc(&t->queue, 0, t->data, 1, 0, 0);
	guest_avail(&t->queue, 0);
	t->queue.ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_int_equal(pop(t), 1);
	assert_int_equal(bypass_virtqueue_push(&t->vq, t->guest.mem, &t->chain, 0), 0);
	bypass_virtqueue_signal(&t->vq, t->guest.mem);
	assert_int_equal(t->vq.interrupts, 0);
}

static void test_indirect(void **state)
{
	struct test *t = *state;
	struct vring_desc *table = (void *)(t->guest.ram + t->data);

	table[0] = (struct vring_desc){t->data + 1024, 10, VRING_DESC_F_NEXT, 2};
	table[2] = (struct vring_desc){t->data + 2048, 20, VRING_DESC_F_WRITE, 0};
	guest_desc(&t->queue, 3, t->data, 48, VRING_DESC_F_INDIRECT, 0);
	guest_avail(&t->queue, 3);
	assert_int_equal(pop(t), 1);
	assert_int_equal(t->chain.head, 3);
	assert_int_equal(t->chain.n, 2);
	assert_int_equal(t->chain.readable, 10);
	assert_int_equal(t->chain.writable, 20);

	table[2].flags = VRING_DESC_F_INDIRECT;
	guest_avail(&t->queue, 3);
	assert_broken(t, "indirect descriptor is not the last");
}

static void test_indirect_length(void **state)
{
	struct test *t = *state;

	guest_desc(&t->queue, 0, t->data, 40, VRING_DESC_F_INDIRECT, 0);
	guest_avail(&t->queue, 0);
	assert_broken(t, "not a multiple of 16");
}

static void test_indirect_elsewhere(void **state)
{
	struct test *t = *state;

	guest_desc(&t->queue, 0, t->guest.size, 32, VRING_DESC_F_INDIRECT, 0);
	guest_avail(&t->queue, 0);
	assert_broken(t, "not in RAM");
}

static void test_indirect_wraps(void **state)
{
	struct test *t = *state;

	guest_desc(&t->queue, 0, -16ull, 32, VRING_DESC_F_INDIRECT, 0);
	guest_avail(&t->queue, 0);
	assert_broken(t, "wraps around");
}

static void test_loop(void **state)
{
	struct test *t = *state;

	guest_desc(&t->queue, 0, t->data, 1, VRING_DESC_F_NEXT, 1);
	guest_desc(&t->queue, 1, t->data, 1, VRING_DESC_F_NEXT, 0);
	guest_avail(&t->queue, 0);
	assert_broken(t, "loops");
}

static void test_long(void **state)
{
	struct test *t = *state;
	uint64_t gpa = guest_alloc(&t->guest, 4 * GUEST_PAGE);
	struct vring_desc *table = (void *)(t->guest.ram + gpa);

	for (uint16_t i = 0; i < 200; i++)
		table[i] = (struct vring_desc){t->data, 1, VRING_DESC_F_NEXT, i + 1};
	guest_desc(&t->queue, 0, gpa, 201 * 16, VRING_DESC_F_INDIRECT, 0);
	guest_avail(&t->queue, 0);
	assert_broken(t, "too many descriptors");
}

static void test_order(void **state)
{
	struct test *t = *state;

	guest_desc(&t->queue, 0, t->data, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	guest_desc(&t->queue, 1, t->data, 1, 0, 0);
	guest_avail(&t->queue, 0);
	assert_broken(t, "readable descriptor follows");
}

static void test_head(void **state)
{
	struct test *t = *state;

	guest_avail(&t->queue, SIZE);
	assert_broken(t, "beyond its table");
}

static void test_too_much(void **state)
{
	struct test *t = *state;

	t->queue.ring.avail->idx = SIZE + 1;
	assert_broken(t, "more is available");
}

static void test_buffer_elsewhere(void **state)
{
	struct test *t = *state;
	char byte;

	guest_desc(&t->queue, 0, t->guest.size - 1, 2, VRING_DESC_F_NEXT, 1);
	guest_desc(&t->queue, 1, -1ull, 2, VRING_DESC_F_WRITE, 0);
	guest_avail(&t->queue, 0);
	assert_int_equal(pop(t), 1);
	assert_int_equal(bypass_chain_read(&t->chain, t->guest.mem, 1, &byte, 1), -EFAULT);
	assert_int_equal(bypass_chain_write(&t->chain, t->guest.mem, 0, "x", 1), -EFAULT);
	/* The queue itself is sound. */
	assert_false(t->vq.broken);
}

/* RAM that goes on in another range, at another address of ours, is RAM. */
static void test_adjacent_ranges(void **state)
{
	struct test *t = *state;
	struct bypass_memory_range first =
		bypass_memory_ranges(t->guest.mem, &(unsigned int){0})[0];
	struct bypass_memory_range second = first;
	struct bypass_memory *mem = bypass_memory_new();
	const uint64_t edge = t->data + 8;
	char text[16] = "";

	/* The second half of the page, in a second mapping; the first lacks it. */
	first.size = (edge & ~4095ull);
	second.gpa = second.offset = first.size;
	second.size -= first.size;
	second.hva = mmap(NULL, second.size, PROT_READ | PROT_WRITE, MAP_SHARED, second.fd,
			  second.offset);
	assert_ptr_not_equal(second.hva, MAP_FAILED);
	assert_int_equal(bypass_memory_add(mem, &first), 0);
	assert_int_equal(bypass_memory_add(mem, &second), 0);

	memcpy(t->guest.ram + first.size - 5, "hello, world", 13);
	guest_desc(&t->queue, 0, first.size - 5, 13, VRING_DESC_F_NEXT, 1);
	guest_desc(&t->queue, 1, first.size - 2, 4, VRING_DESC_F_WRITE, 0);
	guest_avail(&t->queue, 0);
	assert_int_equal(bypass_virtqueue_pop(&t->vq, mem, &t->chain), 1);
	assert_int_equal(bypass_chain_read(&t->chain, mem, 0, text, 13), 0);
	assert_string_equal(text, "hello, world");
	assert_int_equal(bypass_chain_write(&t->chain, mem, 0, "abcd", 4), 0);
	assert_memory_equal(t->guest.ram + first.size - 2, "abcd", 4);
	bypass_memory_free(mem);
	munmap(second.hva, second.size);
}

static void test_ram_goes(void **state)
{
	struct test *t = *state;
	struct bypass_memory *none = bypass_memory_new();

	guest_desc(&t->queue, 0, t->data, 1, 0, 0);
	guest_avail(&t->queue, 0);
	assert_int_equal(pop(t), 1);
	assert_int_equal(bypass_virtqueue_push(&t->vq, none, &t->chain, 0), -EFAULT);
	assert_int_equal(bypass_virtqueue_pop(&t->vq, none, &t->chain), -EPROTO);
	bypass_memory_free(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_round),
		TEST(test_wraps),
		TEST(test_no_interrupt),
		TEST(test_indirect),
		TEST(test_indirect_length),
		TEST(test_indirect_elsewhere),
		TEST(test_indirect_wraps),
		TEST(test_loop),
		TEST(test_long),
		TEST(test_order),
		TEST(test_head),
		TEST(test_too_much),
		TEST(test_buffer_elsewhere),
		TEST(test_ram_goes),
		TEST(test_adjacent_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
