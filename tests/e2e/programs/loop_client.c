// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * loop_client SOCKET REQUESTS: drives a loop slice that another process serves by vfio-user, as a guest
 * would: payloads inline and in memory, doorbells by eventfd and by message, each byte of each answer
 * checked, and an interrupt for each.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>

#include <bypass/loop.h>
#include <bypass/memory.h>
#include <bypass/vfio-user.h>

#include "expect.h"

#define RAM	 (64u << 20)
#define REQUEST	 0x1000
#define RESPONSE 0x2000

struct client {
	struct bypass_slice *slice;
	struct bypass_memory *memory;
	const struct bypass_loop_header *header;
	struct bypass_loop_entry *requests;
	struct bypass_loop_entry *completions;
	int interrupt;
	uint64_t interrupts;
};

static void start(struct client *c, const char *path)
{
	char *window;

	expect(!bypass_vfio_user_open(path, &c->slice));
	c->memory = bypass_memory_new();
	expect(c->memory && !bypass_memory_alloc(c->memory, RAM, false));
	expect(!c->slice->ops->set_memory(c->slice, c->memory));
	expect(!c->slice->ops->config_write(c->slice, PCI_COMMAND, &(uint16_t){PCI_COMMAND_MASTER},
					    2));
	c->interrupt = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	expect(!c->slice->ops->vectors(c->slice, BYPASS_IRQ_MSIX, 0, 1, &c->interrupt));
	expect(c->slice->bars[BYPASS_LOOP_WINDOW_BAR].n_windows == 1);
	expect(c->slice->bars[BYPASS_LOOP_DOORBELL_BAR].n_kicks == 1);
	window = c->slice->bars[BYPASS_LOOP_WINDOW_BAR].windows[0].hva;
	c->header = (const void *)window;
	expect(c->header->magic == BYPASS_LOOP_MAGIC && c->header->alive);
	c->requests = (void *)(window + c->header->requests);
	c->completions = (void *)(window + c->header->completions);
}

static void ring(struct client *c, bool by_message)
{
	uint32_t one = 1;

	if (by_message)
		expect(!c->slice->ops->bar_write(c->slice, BYPASS_LOOP_DOORBELL_BAR,
						 BYPASS_LOOP_KICK, &one, sizeof(one)));
	else
		eventfd_write(c->slice->bars[BYPASS_LOOP_DOORBELL_BAR].kicks[0].fd, 1);
}

static void request(struct client *c, uint32_t i)
{
	uint32_t number = c->header->start + i, slot = number & (c->header->entries - 1);
	struct bypass_loop_entry *entry = &c->requests[slot], *done = &c->completions[slot];
	uint8_t *ram = bypass_memory_hva(c->memory, 0, RESPONSE + BYPASS_LOOP_INLINE);
	struct pollfd p = {.fd = c->interrupt, .events = POLLIN};
	uint8_t *out = entry->data, *in = done->data;
	eventfd_t count;

	entry->flags = BYPASS_LOOP_INTERRUPT;
	if (i % 2) {
		entry->place = (struct bypass_loop_place){REQUEST, RESPONSE, BYPASS_LOOP_INLINE};
		entry->flags |= BYPASS_LOOP_IN_MEMORY;
		out = ram + REQUEST;
		in = ram + RESPONSE;
	}
	memset(out, i, BYPASS_LOOP_INLINE);
	entry->length = BYPASS_LOOP_INLINE;
	entry->tag = i;
	__atomic_store_n(&entry->seq, number + 1, __ATOMIC_RELEASE);
	ring(c, i % 3 == 0);
	expect(poll(&p, 1, 20000) == 1);
	expect(!eventfd_read(c->interrupt, &count));
	c->interrupts += count;
	expect(__atomic_load_n(&done->seq, __ATOMIC_ACQUIRE) == number + 1);
	expect(!done->status && done->tag == i && done->length == BYPASS_LOOP_INLINE);
	for (uint32_t b = 0; b < BYPASS_LOOP_INLINE; b++)
		expect(in[b] == (uint8_t)i);
}

int main(int argc, char **argv)
{
	uint32_t requests = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	struct client c = {};

	if (!requests) {
		fputs("usage: loop_client SOCKET REQUESTS\n", stderr);
		return 2;
	}
	start(&c, argv[1]);
	for (uint32_t i = 0; i < requests; i++)
		request(&c, i);
	printf("loop: %u requests, %llu interrupts\n", requests, (unsigned long long)c.interrupts);
	expect(c.interrupts == requests);
	bypass_slice_close(c.slice);
	bypass_memory_free(c.memory);
	return 0;
}
