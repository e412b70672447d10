// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The loop slice under a driver that writes anything into its window and its config
 * space, in any order, with guest RAM within reach and without.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <bypass/loop.h>
#include <bypass/memory.h>

#define ENTRIES 8u
#define RAM	(2u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all of the request and writes all of the room: the sanitizer sees what is outside. */
static int64_t serve(void *opaque, const void *request, uint32_t length, void *response,
		     uint32_t room)
{
	volatile uint8_t *sum = opaque;

	for (uint32_t i = 0; i < length; i++)
		*sum += ((const volatile uint8_t *)request)[i];
	memset(response, *sum, room);
	return *sum % 8 ? room : -*sum;
}

static void step(struct bypass_slice *slice, struct bypass_loop_header *header, uint32_t *next,
		 const uint8_t *data, size_t size)
{
	uint8_t *window = slice->bars[BYPASS_LOOP_WINDOW_BAR].windows[0].hva;
	struct bypass_loop_entry *ring = (void *)(window + 4096);
	struct bypass_loop_entry entry = {0};
	uint32_t word = 0;

	memcpy(&entry, data + 1, size - 1 < sizeof(entry) ? size - 1 : sizeof(entry));
	memcpy(&word, &entry, sizeof(word));
	switch (data[0] % 6) {
	case 0: /* a request where it belongs */
		entry.seq = ++*next;
		ring[(*next - 1) % ENTRIES] = entry;
		break;
	case 1: /* anything anywhere in the rings */
		memcpy(window + 4096 + word % (2 * ENTRIES * sizeof(entry) - sizeof(entry)), &entry,
		       sizeof(entry));
		break;
	case 2: /* lies in the header */
		memcpy(header, &entry, sizeof(*header));
		break;
	case 3:
		slice->ops->config_write(slice, word % 64 * 4, &entry.data[4], 4);
		break;
	case 4:
		slice->ops->reset(slice);
		*next = header->start;
		break;
	case 5:
		slice->ops->bar_write(slice, BYPASS_LOOP_DOORBELL_BAR, word % 8192, &word, 4);
		break;
	}
	if (bypass_loop_poll(slice, ENTRIES) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bypass_memory *mem;
	static uint8_t sum;
	const struct bypass_loop_config config = {.name = "fuzz",
						  .entries = ENTRIES,
						  .data_size = 4096,
						  .serve = serve,
						  .opaque = &sum};
	struct bypass_slice *slice;
	uint32_t next = 0;

	if (!mem) {
		mem = bypass_memory_new();
		if (!mem || bypass_memory_alloc(mem, RAM, false))
			abort();
	}
	if (bypass_loop_open(&config, &slice))
		abort();
	slice->ops->config_write(slice, PCI_COMMAND, &(uint16_t){PCI_COMMAND_MASTER}, 2);
	if (size && data[0] & 0x80)
		slice->ops->set_memory(slice, mem);
	while (size > 1) {
		size_t length = size < 66 ? size : 66;

		step(slice, slice->bars[BYPASS_LOOP_WINDOW_BAR].windows[0].hva, &next, data,
		     length);
		data += length;
		size -= length;
	}
	bypass_slice_close(slice);
	return 0;
}
