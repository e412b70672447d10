/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * KVM's own counters of a vCPU, by name (KVM_GET_STATS_FD).
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>

/* Those that tell why a guest was left. KVMs differ in which they count. */
enum bench_counter {
	BENCH_EXITS,
	BENCH_IO_EXITS,
	BENCH_MMIO_EXITS,
	BENCH_HALT_EXITS,
	BENCH_IRQ_WINDOW_EXITS,
	BENCH_IRQ_EXITS, /* the host's own interrupts: no I/O of the guest causes them */
	BENCH_SIGNAL_EXITS,
	BENCH_HYPERCALLS,
	BENCH_PF_TAKEN,
	BENCH_INSN_EMULATION,
	BENCH_IRQ_INJECTIONS,
	BENCH_COUNTERS,
};

extern const char *const bench_counter_names[BENCH_COUNTERS];

struct bench_counters {
	uint64_t value[BENCH_COUNTERS];
};

/**
 * struct bench_stats - where the counters are read
 * @fd: of KVM_GET_STATS_FD
 * @offset: of each counter; 0 when this KVM has none of that name
 */
struct bench_stats {
	int fd;
	uint64_t offset[BENCH_COUNTERS];
};

/* 0 or a negative errno with bypass_error(). */
int bench_stats_open(struct bench_stats *stats, int vcpu);

void bench_stats_read(const struct bench_stats *stats, struct bench_counters *counters);

void bench_stats_close(struct bench_stats *stats);

#endif
