/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The laboratory: devices, their server, the native side and the guest, ready to
 * do one job after the other.
 */
#ifndef BENCH_LAB_H
#define BENCH_LAB_H

#include <sched.h>

#include "measure.h"
#include "native.h"
#include "server.h"
#include "stats.h"
#include "vm.h"

enum bench_which {
	BENCH_NATIVE,
	BENCH_GUEST,
	BENCH_SIDES,
};

/**
 * struct bench_cost - what a job has cost the host
 * @server_ns: CPU time of the device's thread
 * @kernel_ns: CPU time that the requester's thread spent in the kernel: for a guest,
 *	in KVM and in the VMM's system calls
 * @user_exits: returns from KVM_RUN, less the one that ends the job
 * @counters: KVM's own, of the vCPU
 */
struct bench_cost {
	uint64_t server_ns;
	uint64_t kernel_ns;
	uint64_t user_exits;
	struct bench_counters counters;
};

/* Requests are numbered through by device, whichever side makes them. */
enum bench_numbers {
	BENCH_OF_LINES,
	BENCH_OF_RING,
	BENCH_OF_TRAP,
	BENCH_OF_NATIVE_RING,
	BENCH_OF_NATIVE_TRAP,
	BENCH_OF_VIRTQ,
	BENCH_OF_WRITE,
	BENCH_NUMBERS,
};

/**
 * struct bench_lab - all of it
 * @allowed: where the calling thread could run before it was pinned
 * @requester_cpu: where both the native side and the guest run
 * @device_cpu: where the device's thread runs; the same when there is but one
 * @cycle_ns: length of a TSC cycle
 * @tick: the TSC counts in steps of so many cycles
 * @timeout_s: how long to wait for a completion
 * @has_guest: @vm works
 * @slices: the guest's ring and trap, the native side's ring and trap
 * @ram: the guest's
 * @vm: the guest
 * @server: the device's thread
 * @virtq: the device's half of the virtqueue
 * @link: two functions of the ConnectX model
 * @echo: what the devices do
 * @native: the native side
 * @native_job: its job
 * @next: number of the next request of each device
 * @stats: KVM's counters
 */
struct bench_lab {
	cpu_set_t allowed;
	int requester_cpu;
	int device_cpu;
	double cycle_ns;
	uint64_t tick;
	unsigned int timeout_s;
	bool has_guest;
	struct bypass_slice *slices[4];
	struct bench_ram ram;
	struct bench_vm vm;
	struct bench_server server;
	struct bench_virtq_device virtq;
	struct bench_link link;
	struct bench_echo echo;
	struct bench_native native;
	struct bench_job native_job;
	uint32_t next[BENCH_NUMBERS];
	struct bench_stats stats;
};

/* Can the path be measured with the CPUs that there are? Polling needs two. */
bool bench_lab_can(const struct bench_lab *lab, enum bench_path path);

/**
 * bench_lab_open() - set up everything but the guest
 * @lab: filled; to be given to bench_lab_close()
 *
 * Pins the calling thread, which must be the one that runs jobs.
 *
 * Return: 0 or a negative errno with bypass_error().
 */
int bench_lab_open(struct bench_lab *lab);

/* Starts the guest. 0, or a negative errno: the native side can be measured still. */
int bench_lab_start_guest(struct bench_lab *lab);

/**
 * bench_lab_run() - do one job
 * @lab: the laboratory
 * @which: side
 * @wanted: path, size, depth, check, warmup and operations; the rest is ignored
 * @cost: filled
 *
 * Return: the job with its results, valid until the next call; NULL with
 * bypass_error() when it failed.
 */
const struct bench_job *bench_lab_run(struct bench_lab *lab, enum bench_which which,
				      const struct bench_job *wanted, struct bench_cost *cost);

/* Bytes of host memory that a path has in use: rings, payloads, the server's stack. */
uint64_t bench_lab_resident(const struct bench_lab *lab, enum bench_which which,
			    enum bench_path path);

/* Puts back where the calling thread may run, too. */
void bench_lab_close(struct bench_lab *lab);

/* What a path is called. */
extern const char *const bench_path_names[BENCH_PATHS];

#endif
