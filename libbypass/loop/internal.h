/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A loop slice from inside: what the VMM's side (slice.c) and the serving side
 * (ring.c) share.
 */
#ifndef BYPASS_LOOP_INTERNAL_H
#define BYPASS_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <bypass/loop.h>
#include <bypass/memory.h>

#define LOOP_PAGE	  4096u
#define LOOP_CONFIG_SIZE  256u
#define LOOP_MSIX_CAP	  0x40u
#define LOOP_MSIX_TABLE	  0x1000u
#define LOOP_MSIX_PBA	  0x1800u
#define LOOP_DOORBELL_BAR (2 * LOOP_PAGE)
#define LOOP_RANGES	  256 /* of guest RAM; a PC has two, and some twenty as QEMU tells them */

/**
 * struct loop - a loop slice; lies in memory that a forked server shares
 * @slice: first member, what the VMM sees
 * @window: windows of BAR 0
 * @kick: kicks of BAR 2
 * @config: as opened
 * @config_space: what config_read returns
 * @header: start of the window
 * @requests: private copies of what the header says, which the guest can write
 * @completions: likewise
 * @data: likewise
 * @data_size: likewise
 * @mask: entries - 1
 * @kick_fd: signalled by the guest's doorbell
 * @raise_fd: always open, so that raising needs no lock: the vector's eventfd, or
 *	one that nobody listens to
 * @mute_fd: that one
 * @connected: vector 0 has an eventfd
 * @bus_master: the command register allows DMA, which interrupts are too
 * @dead: nobody serves the device any more, which the VMM has not been told yet
 * @interrupts: vectors raised
 * @start: number of the first request since the last reset
 * @seen: the @start that the serving side has taken up
 * @next: number of the next request to serve
 * @memory_lock: held while guest RAM is touched, and while @ranges or @bus_master change
 * @ranges: guest RAM within reach
 * @n_ranges: their number
 */
struct loop {
	struct bypass_slice slice;
	struct bypass_window window;
	struct bypass_kick kick;
	struct bypass_loop_config config;
	uint8_t config_space[LOOP_CONFIG_SIZE];
	struct bypass_loop_header *header;
	struct bypass_loop_entry *requests;
	struct bypass_loop_entry *completions;
	uint8_t *data;
	uint64_t data_size;
	uint32_t mask;
	int kick_fd;
	int raise_fd;
	int mute_fd;
	atomic_bool connected;
	atomic_bool bus_master;
	atomic_bool dead;
	_Atomic uint64_t interrupts;
	_Atomic uint32_t start;
	uint32_t seen;
	uint32_t next;
	pthread_mutex_t memory_lock;
	struct bypass_memory_range ranges[LOOP_RANGES];
	unsigned int n_ranges;
};

/* Serves at most @budget requests, whoever calls. */
int loop_serve(struct loop *loop, unsigned int budget);

/* Raises vector 0, if it is connected and the function is a bus master. */
void loop_raise(struct loop *loop);

#endif
