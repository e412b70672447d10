// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The word that says whether the thread behind a slice lives: what the kernel makes of the word when
 * the process is killed, and what it leaves alone; and whose word it is while the slice is served.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rdma_mlx5.h"
#include "rdma_slice.h"

/* What a guest and its host share. */
static uint32_t *shared;

static int share(void **state)
{
	(void)state;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int unshare_it(void **state)
{
	(void)state;
	return munmap(shared, 4096);
}

/* A thread that is not the process's first, as the control thread: owns a word, then @what happens. */
struct life {
	void (*what)(struct rdma_owner *owner);
};

static void *live(void *opaque)
{
	const struct life *life = opaque;
	static struct rdma_owner owner; /* a stack goes before its thread */

	if (rdma_owner_begin(&owner))
		_exit(2);
	rdma_owner_take(&owner, &shared[0]);
	if (shared[0] != owner.tid)
		_exit(3);
	life->what(&owner);
	return NULL;
}

/* Returns how the process ended. */
static int process(void (*what)(struct rdma_owner *owner))
{
	struct life life = {what};
	pthread_t thread;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (pthread_create(&thread, NULL, live, &life) || pthread_join(thread, NULL))
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void killed(struct rdma_owner *owner)
{
	(void)owner;
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void test_killed(void **state)
{
	int status = process(killed);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(shared[0], BYPASS_RDMA_OWNER_DIED);
}

static void ended(struct rdma_owner *owner)
{
	(void)owner;
}

/* The process lives, and the thread does not. */
static void test_thread_ended(void **state)
{
	(void)state;
	assert_int_equal(process(ended), 0);
	assert_int_equal(shared[0], BYPASS_RDMA_OWNER_DIED);
}

static void moved(struct rdma_owner *owner)
{
	shared[0] = 7;
	rdma_owner_take(owner, &shared[1]);
	killed(owner);
}

static void test_moved(void **state)
{
	(void)state;
	process(moved);
	assert_int_equal(shared[0], 7);
	assert_int_equal(shared[1], BYPASS_RDMA_OWNER_DIED);
}

static void left(struct rdma_owner *owner)
{
	rdma_owner_take(owner, NULL);
	killed(owner);
}

/* The thread left the word in time: its memory may be another's. */
static void test_left(void **state)
{
	(void)state;
	process(left);
	assert_int_equal(shared[0] & BYPASS_RDMA_OWNER_DIED, 0);
}

static void overwritten(struct rdma_owner *owner)
{
	shared[0] = owner->tid + 1;
	killed(owner);
}

static void unmapped(struct rdma_owner *owner)
{
	munmap(shared, 4096);
	killed(owner);
}

/* The guest writes the word, or its VMM takes the memory away: nothing happens to the host. */
static void test_hostile(void **state)
{
	int status = process(overwritten);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(shared[0] & BYPASS_RDMA_OWNER_DIED, 0);
	status = process(unmapped);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* --- a slice */

static uint32_t read_word(const struct guest *guest, uint64_t gpa)
{
	return __atomic_load_n((uint32_t *)(guest->ram + gpa), __ATOMIC_SEQ_CST);
}

#define OF_NO_THREAD 1u

/* The thread owns the word from the answer on, until the slice is reset or told of another word. */
static void test_served(void **state)
{
	struct test *t = *state;
	struct guest *guest = &t->g.guest;
	uint64_t word = guest_alloc(guest, GUEST_PAGE) + 12, other = word + GUEST_PAGE - 4;

	guest_alloc(guest, GUEST_PAGE);
	assert_int_equal(rdma_guest_set_owner(&t->g, word), 0);
	assert_true(read_word(guest, word) > OF_NO_THREAD);
	assert_int_equal(rdma_guest_set_owner(&t->g, word + 2), BYPASS_RDMA_E_INVALID);
	assert_int_equal(rdma_guest_set_owner(&t->g, guest->size), BYPASS_RDMA_E_FAULT);
	assert_int_equal(rdma_guest_set_owner(&t->g, -4ull), BYPASS_RDMA_E_FAULT);
	assert_int_equal(rdma_guest_set_owner(&t->g, other), 0);
	assert_int_equal(read_word(guest, other), read_word(guest, word));
	t->g.dev->ops->reset(t->g.dev);
	assert_int_equal(read_word(guest, other), 0);
}

/* No word of a guest that takes its word back. */
static void test_taken_back(void **state)
{
	struct test *t = *state;
	uint64_t word = guest_alloc(&t->g.guest, GUEST_PAGE);

	assert_int_equal(rdma_guest_set_owner(&t->g, word), 0);
	assert_int_equal(rdma_guest_set_owner(&t->g, 0), 0);
	*(uint32_t *)(t->g.guest.ram + word) = OF_NO_THREAD;
	t->g.dev->ops->reset(t->g.dev);
	assert_int_equal(read_word(&t->g.guest, word), OF_NO_THREAD);
}

/* The VMM puts other memory at the address of the word, then none, and then the first again. */
static void test_memory_changes(void **state)
{
	struct test *t = *state;
	uint64_t word = guest_alloc(&t->g.guest, GUEST_PAGE);
	struct bypass_memory *none = bypass_memory_new();
	struct bypass_virtio_device *dev = t->g.dev;
	struct guest other;
	uint32_t owner;

	guest_init(&other, 4 << 20);
	assert_int_equal(rdma_guest_set_owner(&t->g, word), 0);
	owner = read_word(&t->g.guest, word);
	assert_true(owner > OF_NO_THREAD);
	assert_int_equal(dev->ops->set_memory(dev, other.mem), 0);
	assert_true(guest_await(read_word(&other, word) == owner));
	assert_int_equal(dev->ops->set_memory(dev, none), 0);
	*(uint32_t *)(t->g.guest.ram + word) = 0;
	assert_int_equal(dev->ops->set_memory(dev, t->g.guest.mem), 0);
	assert_true(guest_await(read_word(&t->g.guest, word) == owner));
	bypass_memory_free(none);
	guest_free(&other);
}

/* The process of a slice on an HCA of this kind is killed while its guest waits. */
static void kill_service(const struct mock_driver *driver, const char *options)
{
	struct rdma_guest g = {0};
	uint64_t word;
	int status;
	pid_t pid;

	guest_init(&g.guest, 4 << 20);
	word = guest_alloc(&g.guest, GUEST_PAGE);
	pid = fork();
	if (!pid) {
		mock.driver = driver;
		rdma_guest_start(&g, mock_open(options));
		if (rdma_guest_set_owner(&g, word) || read_word(&g.guest, word) <= OF_NO_THREAD)
			_exit(2);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(read_word(&g.guest, word), BYPASS_RDMA_OWNER_DIED);
	guest_free(&g.guest);
}

/* Whatever the doorbell of the HCA is: the guest hears of its service's death. */
static void test_service_killed(void **state)
{
	(void)state;
	kill_service(NULL, OPTIONS);
	kill_service(&mock_mlx5_driver, "mock0,shm=64K,vectors=2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_thread_ended),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_service_killed),
		TEST(test_served),
		TEST(test_taken_back),
		TEST(test_memory_changes),
	};

	return cmocka_run_group_tests(tests, share, unshare_it);
}
