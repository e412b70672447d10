/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The machine that is measured on: what it is, its clock, and who else uses it.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct bench_machine - what a reader of the figures must know
 * @cpu: model
 * @kernel: release
 * @kvm: module that runs guests, "none" without one
 * @governor: of CPU frequency, "none" when the host does not scale it
 * @cores: CPUs that this process may use
 * @virtual: it is a virtual machine itself
 */
struct bench_machine {
	char cpu[64];
	char kernel[64];
	char kvm[64];
	char governor[32];
	unsigned int cores;
	bool virtual;
};

/**
 * struct bench_load - what happened on two CPUs
 * @busy: time that somebody ran there, in clock ticks
 * @steal: time that a hypervisor gave to others
 * @total: all time
 * @own_ns: CPU time of this process
 * @preempted: times that a thread of this process had to give way
 */
struct bench_load {
	uint64_t busy;
	uint64_t steal;
	uint64_t total;
	uint64_t own_ns;
	uint64_t preempted;
};

void bench_machine_describe(struct bench_machine *machine);

/*
 * Chooses a CPU for the requester and one for the device among those allowed: two
 * cores, not two threads of one. The same twice when there is but one.
 */
void bench_machine_cpus(int *requester, int *device);

/* The calling thread runs on this CPU only. */
void bench_machine_pin(int cpu);

/* Length of a TSC cycle, and in steps of how many the TSC counts. */
void bench_machine_clock(double *cycle_ns, uint64_t *tick);

/* Time of a clock that only runs forward, in ms. */
double bench_now_ms(void);

void bench_machine_load(int requester, int device, struct bench_load *load);

/* Share of the two CPUs that others had between @before and @after, 0 to 1. */
double bench_load_others(const struct bench_load *before, const struct bench_load *after);
double bench_load_steal(const struct bench_load *before, const struct bench_load *after);

#endif
