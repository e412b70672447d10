/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The loop slice: a device in software, served on shared memory by a thread or a
 * process of the caller. For measuring and for tests; it needs no hardware.
 *
 * The first half of this file is what the device looks like to its driver, and
 * can be compiled into a guest; the second half is how a host makes and serves it.
 */
#ifndef BYPASS_LOOP_H
#define BYPASS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <bypass/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The device: BAR 0 is the window, mapped into the guest: a header, the request
 * ring, the completion ring, and a data area. BAR 2 holds the doorbells and the
 * MSI-X table. All numbers are little-endian.
 *
 * Requests and completions are numbered from header.start, modulo 2^32. Number n
 * stands in entry (n modulo header.entries) of its ring, and is there when the
 * entry's seq is n + 1: seq is stored last and loaded first. A driver has at most
 * header.entries requests without a completion; completions come in order.
 */
#define BYPASS_LOOP_VENDOR 0x1234 /* unassigned, as software devices use */
#define BYPASS_LOOP_DEVICE 0x6c70
#define BYPASS_LOOP_MAGIC  0x70307062u
#define BYPASS_LOOP_INLINE 48

#define BYPASS_LOOP_WINDOW_BAR	 0
#define BYPASS_LOOP_DOORBELL_BAR 2
#define BYPASS_LOOP_KICK	 0x0 /* any width: wakes a server that sleeps */
#define BYPASS_LOOP_TRAP	 0x8 /* 32 bits: a slice with a trap serves its requests here */

/**
 * struct bypass_loop_header - the first bytes of the window; the driver only reads
 * @magic: BYPASS_LOOP_MAGIC
 * @alive: 1; 0 when nobody serves the device any more
 * @start: number of the first request after a reset
 * @entries: of each ring, a power of two
 * @requests: where in the window the request ring begins
 * @completions: the completion ring
 * @data: the data area
 * @data_size: bytes of it
 */
struct bypass_loop_header {
	uint32_t magic;
	uint32_t alive;
	uint32_t start;
	uint32_t entries;
	uint64_t requests;
	uint64_t completions;
	uint64_t data;
	uint64_t data_size;
};

enum bypass_loop_flag {
	BYPASS_LOOP_IN_DATA = 1,   /* payloads lie in the data area: addresses are offsets */
	BYPASS_LOOP_IN_MEMORY = 2, /* payloads lie in guest RAM: addresses are GPAs */
	BYPASS_LOOP_INTERRUPT = 4, /* raise vector 0 when this one is completed */
};

/**
 * struct bypass_loop_place - where the payloads of a request lie when not inline
 * @request: address of the request's payload
 * @response: address of the room for the response
 * @room: bytes of it
 */
struct bypass_loop_place {
	uint64_t request;
	uint64_t response;
	uint32_t room;
};

/**
 * struct bypass_loop_entry - a request or a completion: one cache line
 * @data: the payload itself, with no flag of place
 * @place: or where it is
 * @length: bytes of the payload
 * @flags: of enum bypass_loop_flag
 * @status: of a completion: 0, or an errno
 * @tag: the driver's own, comes back in the completion
 * @seq: number of the entry plus 1
 */
struct bypass_loop_entry {
	union {
		uint8_t data[BYPASS_LOOP_INLINE];
		struct bypass_loop_place place;
	};
	uint32_t length;
	uint16_t flags;
	uint16_t status;
	uint32_t tag;
	uint32_t seq;
} __attribute__((aligned(64)));

/**
 * bypass_loop_serve_fn - answers one request
 * @opaque: as configured
 * @request: its payload. In the data area or in guest RAM it can change at any
 *	time: read each byte once
 * @length: bytes of it, any number that fits its place
 * @response: where the response goes; may overlap @request when the guest says so
 * @room: bytes there
 *
 * Runs in bypass_loop_poll(), or in the store to BYPASS_LOOP_TRAP.
 *
 * Return: bytes of the response, at most @room; or a negative errno, which
 * becomes the completion's status.
 */
typedef int64_t bypass_loop_serve_fn(void *opaque, const void *request, uint32_t length,
				     void *response, uint32_t room);

/**
 * struct bypass_loop_config - what kind of loop slice
 * @name: for messages and tables
 * @entries: of each ring: a power of two, 1 to 16384
 * @data_size: bytes of the data area; rounded up so that the window's size is a
 *	power of two
 * @trap: stores to BYPASS_LOOP_TRAP serve the requests, in the thread that
 *	answers the exit; bypass_loop_poll() does not
 * @pin: lock guest RAM while the slice can reach it, as the DMA of hardware needs
 *	it; counts against RLIMIT_MEMLOCK
 * @serve: answers requests
 * @opaque: handed to @serve
 */
struct bypass_loop_config {
	const char *name;
	uint32_t entries;
	uint64_t data_size;
	bool trap;
	bool pin;
	bypass_loop_serve_fn *serve;
	void *opaque;
};

/**
 * bypass_loop_open() - make a loop slice
 * @config: copied
 * @slice: set to it; to be given to bypass_slice_close() when nobody serves it
 *	any more
 *
 * Return: 0; -EINVAL; -ENOMEM; -EMFILE.
 */
int bypass_loop_open(const struct bypass_loop_config *config, struct bypass_slice **slice);

/**
 * bypass_loop_poll() - serve what has been requested
 * @slice: a loop slice without a trap
 * @budget: how many requests at the most
 *
 * Does not sleep. One thread at a time calls this. The thread may belong to a forked
 * child of the process that opened the slice. A child serves payloads inline and in the
 * data area, and raises the vector that was connected before the fork.
 *
 * Return: how many were served; -EBUSY when the slice has a trap.
 */
int bypass_loop_poll(struct bypass_slice *slice, unsigned int budget);

/**
 * bypass_loop_kick_fd() - the eventfd that stores to BYPASS_LOOP_KICK signal
 * @slice: a loop slice
 *
 * A server that sleeps reads it (it blocks), then polls until nothing is left.
 *
 * Return: the descriptor; the slice's own.
 */
int bypass_loop_kick_fd(const struct bypass_slice *slice);

/**
 * bypass_loop_dead() - tell the driver and the VMM that nobody serves the device any more
 * @slice: a loop slice
 *
 * Clears header.alive and raises the vector, so that a driver that sleeps looks. The VMM
 * gets BYPASS_EVENT_DEAD.
 */
void bypass_loop_dead(struct bypass_slice *slice);

#ifdef __cplusplus
}
#endif
#endif
