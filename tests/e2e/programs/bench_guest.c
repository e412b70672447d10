// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The measuring guest on the KVM at hand: it boots, its counts are exact, no payload
 * goes wrong unnoticed, and a device that dies ends the run. Skipped where there is no
 * KVM or only one core. The argument is for slow KVMs: operations in place of a million.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../examples/bypass-bench/lab.h"
#include "../../../examples/bypass-bench/machine.h"
#include "expect.h"

#define MILLION 1000000u
#define SKIPPED 77

static uint64_t many = MILLION;

static struct bench_lab lab;

static void open_lab(void)
{
	expect(!bench_lab_open(&lab));
	expect(!bench_lab_start_guest(&lab));
}

static const struct bench_job *run(enum bench_which which, enum bench_path path, uint32_t size,
				   uint32_t depth, uint64_t operations, struct bench_cost *cost)
{
	const struct bench_job job = {
		.path = path, .size = size, .depth = depth, .check = 1, .operations = operations};
	const struct bench_job *done = bench_lab_run(&lab, which, &job, cost);

	expect(done);
	expect(done->done == operations);
	return done;
}

static void test_million(void)
{
	struct bench_cost cost;

	run(BENCH_GUEST, BENCH_BYPASS, 48, 8, 1000, &cost); /* touches all the memory */
	lab.echo.served = 0;
	run(BENCH_GUEST, BENCH_BYPASS, 48, 8, many, &cost);
	expect(lab.echo.served == many);
	expect(lab.echo.corrupt == 0);
	expect(cost.user_exits == 0);
	/* Nothing but the host's own interrupts made the guest leave. */
	expect(cost.counters.value[BENCH_EXITS] - cost.counters.value[BENCH_IRQ_EXITS] <= 10);
}

static void test_sizes(void)
{
	static const uint32_t sizes[] = {8, 40, 48, 56, 64, 1024, 65536, 1 << 20};
	struct bench_cost cost;

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned int which = 0; which < BENCH_SIDES; which++) {
			run(which, BENCH_BYPASS, sizes[i], 8, 40, &cost);
			run(which, BENCH_VIRTQ, sizes[i], 8, 40, &cost);
			if (sizes[i] <= BENCH_RDMA_MAX_SIZE)
				run(which, BENCH_WRITE, sizes[i], 8, 400, &cost);
			run(which, BENCH_EXIT, sizes[i], 1, 4, &cost);
			run(which, BENCH_KICK, sizes[i], 3, 10, &cost);
		}
}

static struct bypass_slice_stats glue_stats(struct bypass_slice *slice)
{
	struct bypass_slice_stats stats = {0};

	expect(bypass_vm_stats(lab.vm.glue, slice, &stats) == 0);
	return stats;
}

static void test_exact_counts(void)
{
	struct bypass_slice *ring = lab.slices[0], *trap = lab.slices[1];
	struct bypass_slice_stats before, after;
	const struct bench_job *job;
	struct bench_cost cost;
	uint64_t raised;

	run(BENCH_GUEST, BENCH_WRITE, 64, 1, 500, &cost);
	expect(cost.user_exits == 0);

	run(BENCH_GUEST, BENCH_EXIT, 48, 1, 10, &cost);
	before = glue_stats(trap);
	run(BENCH_GUEST, BENCH_EXIT, 48, 1, 500, &cost);
	after = glue_stats(trap);
	expect(cost.user_exits == 500);
	expect(after.mmio_writes - before.mmio_writes == 500);
	expect(after.mmio_reads == before.mmio_reads);

	before = glue_stats(ring);
	raised = ring->ops->interrupts(ring);
	job = run(BENCH_GUEST, BENCH_KICK, 48, 1, 500, &cost);
	after = glue_stats(ring);
	expect(cost.user_exits == 0);
	expect(job->interrupts == 500);
	expect(ring->ops->interrupts(ring) - raised == 500);
	expect(after.mmio_writes == before.mmio_writes);

	job = run(BENCH_GUEST, BENCH_HALT, 48, 1, 500, &cost);
	expect(job->interrupts == 500);
	expect(cost.user_exits == 0);

	/* In depth, one interrupt for all that is under way. */
	job = run(BENCH_GUEST, BENCH_KICK, 48, 10, 500, &cost);
	expect(job->interrupts == 50);
}

/* Interrupts of the device's vector, at any time. */
static void *interrupt_often(void *stop)
{
	const struct kvm_msi msi = {.address_lo = 0xfee00000, .data = BENCH_VECTOR};
	const struct timespec moment = {.tv_nsec = 20000};

	while (!atomic_load((atomic_bool *)stop)) {
		expect(ioctl(lab.vm.fd, KVM_SIGNAL_MSI, &msi) > 0);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

/* Wherever an interrupt finds the guest, the guest goes on there. */
static void test_interrupts_anywhere(void)
{
	atomic_bool stop = false;
	struct bench_cost cost;
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(lab.device_cpu, &cpus);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	expect(pthread_create(&thread, &attr, interrupt_often, &stop) == 0);
	pthread_attr_destroy(&attr);
	for (unsigned int i = 0; i < 10; i++) {
		run(BENCH_GUEST, BENCH_HALT, 48, 1, 100, &cost);
		run(BENCH_GUEST, BENCH_KICK, 48, 8, 100, &cost);
		run(BENCH_GUEST, BENCH_BYPASS, 48, 8, 100, &cost);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

/* The device echoes where the requester expects the complement. */
static void test_corruption_is_noticed(void)
{
	struct bench_target target = {.serving = BENCH_POLL_RING,
				      .slice = lab.native.side.own ? lab.slices[0] : NULL};
	struct bench_job *job = &lab.native_job;

	*job = (struct bench_job){
		.path = BENCH_BYPASS,
		.size = 64,
		.depth = 1,
		.check = 1,
		.operations = 100,
		.timeout = 10000000000,
	};
	lab.echo.check = false;
	bench_server_serve(&lab.server, &target);
	bench_measure(&lab.native.side, job);
	expect(job->error == BENCH_CORRUPT);
	expect(job->done == 1);

	/* And the other way: the requester does not send the pattern. */
	bench_server_serve(&lab.server, &(struct bench_target){.serving = BENCH_IDLE});
	lab.echo.check = true;
	job->check = 0;
	bench_server_serve(&lab.server, &target);
	bench_measure(&lab.native.side, job);
	expect(lab.echo.corrupt > 0);
}

#define SOME 100 /* operations, before the device dies */

static uint64_t served(void)
{
	return __atomic_load_n(&lab.echo.served, __ATOMIC_RELAXED);
}

/* When it has served some, the device's thread serves nothing more; or says so before. */
static void *end_device(void *says_so)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int ms = 0; served() < SOME && ms < 30000; ms++)
		nanosleep(&moment, NULL);
	bench_server_serve(&lab.server, &(struct bench_target){.serving = BENCH_IDLE});
	if (says_so)
		bypass_loop_dead(lab.slices[0]);
	return NULL;
}

static void die_under(enum bench_path path, bool says_so, const char *expected)
{
	const struct bench_job job = {
		.path = path, .size = 48, .depth = 1, .check = 1, .operations = UINT64_MAX / 2};
	struct bench_cost cost;
	pthread_t thread;

	lab.timeout_s = 2;
	lab.echo.served = 0;
	expect(pthread_create(&thread, NULL, end_device, says_so ? &lab : NULL) == 0);
	expect(!bench_lab_run(&lab, BENCH_GUEST, &job, &cost));
	pthread_join(thread, NULL);
	expect(strstr(bypass_error(), expected));
	expect(lab.echo.served >= SOME);
}

static void test_device_dies_polled(void)
{
	die_under(BENCH_BYPASS, false, "no completion came in time");
}

static void test_device_dies_asleep(void)
{
	die_under(BENCH_HALT, false, "stuck");
}

static void test_device_says_that_it_dies(void)
{
	die_under(BENCH_HALT, true, "its device has ended");
}

static void test_device_process_is_killed(void)
{
	struct bench_job *job = &lab.native_job;
	pid_t server;

	*job = (struct bench_job){
		.path = BENCH_BYPASS,
		.size = 48,
		.depth = 1,
		.operations = UINT64_MAX / 2,
		.timeout = 1000000000,
	};
	server = fork();
	if (!server) {
		for (int polled = 0; polled < SOME;)
			polled += bypass_loop_poll(lab.slices[0], 1);
		kill(getpid(), SIGKILL);
	}
	bench_measure(&lab.native.side, job);
	expect(job->error == BENCH_TIMEOUT);
	expect(job->done == SOME + 1); /* the last one waited in vain */
	waitpid(server, NULL, 0);
}

/* Status 0 when all that it does is good. */
static void one_of_two(void)
{
	struct bench_cost cost;

	open_lab();
	for (unsigned int i = 0; i < 8; i++) {
		const struct bench_job job = {.path = i % 2 ? BENCH_BYPASS : BENCH_VIRTQ,
					      .size = 64 << i % 5,
					      .depth = 8,
					      .check = 1,
					      .operations = 1000};

		if (!bench_lab_run(&lab, i % 3 ? BENCH_GUEST : BENCH_NATIVE, &job, &cost) ||
		    lab.echo.corrupt)
			_exit(2);
	}
	bench_lab_close(&lab);
	_exit(0);
}

static void test_two_at_once(void)
{
	pid_t pids[2];

	for (unsigned int i = 0; i < 2; i++) {
		pids[i] = fork();
		expect(pids[i] >= 0);
		if (!pids[i])
			one_of_two();
	}
	for (unsigned int i = 0; i < 2; i++) {
		int status = 0;

		expect(waitpid(pids[i], &status, 0) == pids[i]);
		expect(WIFEXITED(status));
		expect(WEXITSTATUS(status) == 0);
	}
}

/* In a laboratory of its own. */
static void test(const char *name, void (*body)(void))
{
	printf("%s\n", name);
	fflush(stdout);
	open_lab();
	body();
	bench_lab_close(&lab);
}

int main(int argc, char **argv)
{
	bool can = access("/dev/kvm", R_OK | W_OK) == 0;
	int requester, device;

	bench_machine_cpus(&requester, &device);
	if (!can || requester == device) {
		puts(can ? "needs two cores" : "needs /dev/kvm");
		return SKIPPED;
	}
	if (argc > 1)
		many = strtoul(argv[1], NULL, 10);
	test("a million operations", test_million);
	test("all sizes", test_sizes);
	test("exact counts", test_exact_counts);
	test("interrupts at any time", test_interrupts_anywhere);
	test("corruption is noticed", test_corruption_is_noticed);
	test("the device dies while it is polled", test_device_dies_polled);
	test("the device dies while the guest sleeps", test_device_dies_asleep);
	test("the device says that it dies", test_device_says_that_it_dies);
	test("the device's process is killed", test_device_process_is_killed);
	puts("two at once");
	fflush(stdout);
	test_two_at_once();
	return 0;
}
