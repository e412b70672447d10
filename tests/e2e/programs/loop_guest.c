// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * loop_guest DEVICE REQUESTS: drives a loop slice from a guest's user space: payloads inline and in the
 * guest's memory, a doorbell for each request, each byte of each answer checked, and exactly one
 * interrupt for each.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <bypass/loop.h>

#include "guest_pci.h"

struct device {
	volatile char *doorbells;
	const struct bypass_loop_header *header;
	struct bypass_loop_entry *requests;
	struct bypass_loop_entry *completions;
	uint8_t *out; /* a page of RAM each */
	uint8_t *in;
	uint64_t before; /* interrupts */
};

static void *map_bar(const char *name)
{
	int fd = open_file(name, O_RDWR | O_SYNC);
	struct stat st;
	void *at;

	expect(!fstat(fd, &st));
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		perror(name);
	expect(at != MAP_FAILED);
	close(fd);
	return at;
}

/* One MSI-X vector, to the first CPU. */
static void program_msix(const struct device *dev)
{
	uint8_t cap = find_capability(PCI_CAP_ID_MSIX);
	volatile uint32_t *table;

	expect(cap);
	table = (volatile uint32_t *)(dev->doorbells +
				      (config16(cap + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_OFFSET));
	table[PCI_MSIX_ENTRY_LOWER_ADDR / 4] = 0xfee00000;
	table[PCI_MSIX_ENTRY_UPPER_ADDR / 4] = 0;
	table[PCI_MSIX_ENTRY_DATA / 4] = SPARE_VECTOR;
	table[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = 0;
	set_config16(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
}

static void start(struct device *dev)
{
	char *window;

	set_config16(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	window = map_bar("resource0");
	dev->doorbells = map_bar("resource2");
	dev->header = (const void *)window;
	expect(dev->header->magic == BYPASS_LOOP_MAGIC && dev->header->alive);
	dev->requests = (void *)(window + dev->header->requests);
	dev->completions = (void *)(window + dev->header->completions);
	dev->out = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	expect(dev->out != MAP_FAILED);
	dev->in = dev->out + PAGE;
	dev->before = interrupts("PIN:");
	program_msix(dev);
}

static void request(struct device *dev, uint32_t i)
{
	uint32_t number = dev->header->start + i, slot = number & (dev->header->entries - 1);
	struct bypass_loop_entry *entry = &dev->requests[slot], *done = &dev->completions[slot];
	uint32_t length = i % 2 ? PAGE : BYPASS_LOOP_INLINE;
	uint8_t *out = entry->data, *in = done->data;

	entry->flags = BYPASS_LOOP_INTERRUPT;
	if (i % 2) {
		entry->place =
			(struct bypass_loop_place){physical(dev->out), physical(dev->in), PAGE};
		entry->flags |= BYPASS_LOOP_IN_MEMORY;
		out = dev->out;
		in = dev->in;
	}
	for (uint32_t b = 0; b < length; b++)
		out[b] = b * 7 + i;
	entry->length = length;
	entry->tag = i;
	__atomic_store_n(&entry->seq, number + 1, __ATOMIC_RELEASE);
	*(volatile uint32_t *)(dev->doorbells + BYPASS_LOOP_KICK) = 1;
	for (int wait = 0; wait < 20000 && interrupts("PIN:") == dev->before + i; wait++)
		usleep(1000);
	expect(interrupts("PIN:") == dev->before + i + 1);
	expect(__atomic_load_n(&done->seq, __ATOMIC_ACQUIRE) == number + 1);
	expect(!done->status && done->tag == i && done->length == length);
	for (uint32_t b = 0; b < length; b++)
		expect(in[b] == (uint8_t)(b * 7 + i));
}

int main(int argc, char **argv)
{
	uint32_t requests = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	struct device dev = {};

	if (!requests) {
		fputs("usage: loop_guest DEVICE REQUESTS\n", stderr);
		return 2;
	}
	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s", argv[1]);
	config_fd = open_file("config", O_RDWR);
	start(&dev);
	for (uint32_t i = 0; i < requests; i++)
		request(&dev, i);
	usleep(500000); /* for one too many */
	printf("loop: %u requests, %lu interrupts\n", requests, interrupts("PIN:") - dev.before);
	expect(interrupts("PIN:") == dev.before + requests);
	return 0;
}
