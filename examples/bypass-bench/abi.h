/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the measuring code and the program that drives it share: jobs, results,
 * and where things lie in the guest's RAM. Compiled into the guest and the host.
 */
#ifndef BENCH_ABI_H
#define BENCH_ABI_H

#include <stdint.h>

/*
 * The ways to do I/O. Each operation sends a payload and gets one of the same size back, but for
 * BENCH_WRITE: what another guest has got comes back when payloads are checked.
 */
enum bench_path {
	BENCH_LINES,	/* bare ping-pong of two cache lines: the floor */
	BENCH_BYPASS,	/* ring in the window, polled by both sides */
	BENCH_HALT,	/* device polls; completion by interrupt to an idle requester */
	BENCH_HALTPOLL, /* the same; the requester looks for the interrupt before it idles */
	BENCH_KICK,	/* doorbell wakes a sleeping server (ioeventfd), completion by interrupt */
	BENCH_EXIT,	/* doorbell traps to the VMM, which serves the request */
	BENCH_VIRTQ,	/* polled split virtqueue in the guest's RAM */
	BENCH_WRITE,	/* RDMA write to another guest's memory, through the ConnectX model */
	BENCH_PATHS,
};

/* Histogram: buckets of equal width, BENCH_STEPS to each doubling; exact below BENCH_STEPS. */
#define BENCH_STEP_BITS 7
#define BENCH_STEPS	(1u << BENCH_STEP_BITS)
#define BENCH_BUCKETS	((37 - BENCH_STEP_BITS) * BENCH_STEPS)

/**
 * struct bench_histogram - round-trip times in TSC cycles
 * @count: samples
 * @min: shortest
 * @max: longest
 * @sum: of all
 * @buckets: samples in each; the last takes whatever is longer
 */
struct bench_histogram {
	uint64_t count;
	uint64_t min;
	uint64_t max;
	uint64_t sum;
	uint32_t buckets[BENCH_BUCKETS];
};

static inline unsigned int bench_bucket(uint64_t cycles)
{
	unsigned int octave, index;

	if (cycles < BENCH_STEPS)
		return (unsigned int)cycles;
	octave = 63u - (unsigned int)__builtin_clzll(cycles) - BENCH_STEP_BITS;
	index = (octave << BENCH_STEP_BITS) + (unsigned int)(cycles >> octave);
	return index < BENCH_BUCKETS ? index : BENCH_BUCKETS - 1;
}

/* First value of a bucket. */
static inline uint64_t bench_bucket_floor(unsigned int bucket)
{
	unsigned int octave = bucket >> BENCH_STEP_BITS;

	if (octave < 2)
		return bucket;
	return (uint64_t)(BENCH_STEPS + (bucket & (BENCH_STEPS - 1))) << (octave - 1);
}

enum bench_error {
	BENCH_OK,
	BENCH_TIMEOUT,	 /* no completion came */
	BENCH_DEAD,	 /* the device says that nobody serves it */
	BENCH_REFUSED,	 /* a completion carries an error */
	BENCH_CORRUPT,	 /* a payload came back wrong */
	BENCH_NO_DEVICE, /* the guest does not find its device */
};

/**
 * struct bench_job - one measurement, and what came of it
 * @path: of enum bench_path
 * @size: payload in bytes, a multiple of 8, at least 8
 * @depth: requests under way at once
 * @check: verify every byte of every payload, on both sides
 * @warmup: operations before the clock starts, a multiple of @depth
 * @operations: measured
 * @timeout: TSC cycles after which a missing completion is an error
 * @halt_poll: TSC cycles that BENCH_HALTPOLL polls before it idles
 * @next: number of the first operation; moved on by what was done
 * @error: of enum bench_error
 * @done: operations completed, warm-up included; seen to move while it runs
 * @cycles: TSC cycles of all the measured operations
 * @interrupts: taken meanwhile, warm-up included
 * @histogram: of the measured operations: times for every @depth of them
 */
struct bench_job {
	uint32_t path;
	uint32_t size;
	uint32_t depth;
	uint32_t check;
	uint64_t warmup;
	uint64_t operations;
	uint64_t timeout;
	uint64_t halt_poll;
	uint32_t next;
	uint32_t error;
	volatile uint64_t done;
	uint64_t cycles;
	uint64_t interrupts;
	struct bench_histogram histogram;
};

#define BENCH_DEPTH    32u
#define BENCH_MAX_SIZE (1u << 20)
#define BENCH_ENTRIES  256u

/*
 * Guest RAM. The tables of the CPU are written by the program before it starts
 * the guest; the guest finds its job at BENCH_JOB.
 */
#define BENCH_PML4	    0x1000u
#define BENCH_PDPT	    0x2000u
#define BENCH_PD	    0x3000u /* four: 4 GiB in pages of 2 MiB, one to one */
#define BENCH_GDT	    0x7000u
#define BENCH_IDT	    0x8000u
#define BENCH_TSS	    0x9000u  /* with a bitmap that opens all I/O ports */
#define BENCH_STACK0	    0x10000u /* top of the stack at CPL0 */
#define BENCH_JOB	    0x10000u
#define BENCH_IMAGE	    0x100000u
#define BENCH_STACK3	    0x200000u /* top of the stack at CPL3 */
#define BENCH_SOURCE	    0x200000u /* private payload buffers of the requester */
#define BENCH_SINK	    (BENCH_SOURCE + BENCH_MAX_SIZE)
#define BENCH_QUEUE	    0x400000u /* virtqueue */
#define BENCH_QUEUE_BUFFERS 0x410000u /* its payloads, to the end of RAM */
#define BENCH_RAM	    (64u << 20)

/* Queues of BENCH_WRITE: 1 << BENCH_RDMA_LOG entries of 64 bytes, requests and completions */
#define BENCH_RDMA_LOG		 7
#define BENCH_RDMA		 (BENCH_RAM - (1u << 20))
#define BENCH_RDMA_QP_RECORD	 (BENCH_RDMA + 0x1000)
#define BENCH_RDMA_CQ_RECORD	 (BENCH_RDMA + 0x1040)
#define BENCH_RDMA_EVENTS	 (BENCH_RDMA + 0x2000)
#define BENCH_RDMA_REQUESTS	 (BENCH_RDMA + 0x4000)
#define BENCH_RDMA_COMPLETIONS	 (BENCH_RDMA + 0x6000)
#define BENCH_RDMA_BUFFERS	 (BENCH_RDMA + 0x8000)
#define BENCH_RDMA_MAX_SIZE	 1024u
#define BENCH_RDMA_DOORBELL	 0x800 /* in the UAR page */
#define BENCH_RDMA_NO_COMPLETION 0xf1  /* last byte of an entry that was never written */

/**
 * struct bench_rdma - what both sides know of the connection, at BENCH_RDMA
 * @qpn: number of the queue pair
 * @key: of the guest's memory
 * @remote_key: of the other guest's
 * @doorbell: offset in BAR 0 of the function
 * @posted: requests so far
 * @taken: completions so far
 */
struct bench_rdma {
	uint32_t qpn;
	uint32_t key;
	uint32_t remote_key;
	uint64_t doorbell;
	uint32_t posted;
	uint32_t taken;
};

#define BENCH_CS0 0x08
#define BENCH_DS0 0x10
#define BENCH_DS3 0x1b
#define BENCH_CS3 0x23
#define BENCH_TR  0x28

#define BENCH_VECTOR	0x40 /* interrupt vector of the device */
#define BENCH_IDLE_GATE 3    /* the guest idles by int3: "int n" is not to be had on every KVM */

/* Slices on the guest's PCI bus. */
#define BENCH_DEVFN_RING (1 << 3)
#define BENCH_DEVFN_TRAP (2 << 3)
#define BENCH_DEVFN_HCA	 (3 << 3)

/* I/O port by which the guest speaks to the program. */
#define BENCH_PORT	0x5f0
#define BENCH_SAY_READY 0x01 /* the job at BENCH_JOB is done; come back with the next one */
#define BENCH_SAY_FAULT 0x02 /* an exception; frame on the stack */

/**
 * struct bench_image - first bytes of the guest's image
 * @magic: BENCH_IMAGE_MAGIC
 * @entry: where it starts, at CPL3
 * @fault: first of 32 exception handlers, @fault_size bytes apart
 * @fault_size: bytes
 * @interrupt: handler of BENCH_VECTOR
 * @idle: handler of BENCH_IDLE_GATE
 * @end: first address after its data
 */
struct bench_image {
	uint64_t magic;
	uint64_t entry;
	uint64_t fault;
	uint64_t fault_size;
	uint64_t interrupt;
	uint64_t idle;
	uint64_t end;
};
#define BENCH_IMAGE_MAGIC 0x6567616d69707962ull

#endif
