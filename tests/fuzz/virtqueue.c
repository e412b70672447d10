// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Virtqueues whose rings, descriptors and indirect tables are whatever the fuzzer says:
 * the input is the guest's RAM, or as much of it as there is, followed by changes that
 * are made while chains are taken.
 */
#include <stddef.h>
#include <sys/mman.h>

#include <bypass/virtqueue.h>

#include "../guest.h"
#include "input.h"

#define RAM  (16 * GUEST_PAGE)
#define SIZE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_all(struct guest *g, struct bypass_virtqueue *vq)
{
	struct bypass_chain chain;
	char buffer[512];

	for (int i = 0; i < 64 && bypass_virtqueue_pop(vq, g->mem, &chain) == 1; i++) {
		uint64_t sum = 0;

		for (unsigned int p = 0; p < chain.n; p++)
			sum += chain.part[p].size;
		if (chain.n > BYPASS_CHAIN_MAX || chain.n_readable > chain.n ||
		    sum != chain.readable + chain.writable)
			abort();
		if (bypass_chain_read(&chain, g->mem, chain.readable / 3, buffer, sizeof(buffer)) ==
			    0 &&
		    chain.readable - chain.readable / 3 < sizeof(buffer))
			abort();
		bypass_chain_write(&chain, g->mem, 0, buffer, chain.writable % sizeof(buffer));
		bypass_virtqueue_push(vq, g->mem, &chain, 1);
		bypass_virtqueue_signal(vq, g->mem);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bypass_virtio_queue setup = {.size = SIZE, .call_fd = -1, .kick_fd = -1};
	struct bypass_virtqueue vq = {0};
	struct input in = {data, size};
	static struct guest g;

	if (!g.mem)
		guest_init(&g, RAM);
	setup.desc = take(&in, 1) * 16ull;
	setup.avail = take(&in, 1) * 2ull;
	setup.used = take(&in, 1) * 4ull;
	setup.next = take(&in, 1);
	memset(g.ram, 0, RAM);
	take_bytes(&in, g.ram, 2048);
	if (bypass_virtqueue_start(&vq, g.mem, &setup, SIZE))
		return 0;
	do {
		answer_all(&g, &vq);
		for (int i = 0; i < 8; i++)
			g.ram[take(&in, 1) * 8] = take(&in, 1);
	} while (in.left && !vq.broken);
	return 0;
}
