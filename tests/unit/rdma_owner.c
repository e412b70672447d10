// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The word that says whether the thread behind a doorbell lives: what the kernel makes of the word when
 * the process is killed, and what it leaves alone.
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

#include "../../libbypass/rdma/internal.h"

/* What a guest and its host share. */
static uint32_t *shared;

static int set_up(void **state)
{
	(void)state;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return munmap(shared, 4096);
}

/* A thread that is not the process's first, as the doorbell thread: owns a word, then @what happens. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),	cmocka_unit_test(test_thread_ended),
		cmocka_unit_test(test_moved),	cmocka_unit_test(test_left),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
