// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * guest_edu DEVICE TEST...: drives QEMU's edu device (docs/specs/edu) from a guest's user space:
 * mmio, dma, msi and intx check the device's answers and count exactly; level=GSI that INTx is a
 * level; stray=ADDRESS has the device write where the guest has no memory; at=ADDRESS says where
 * the BAR lies for the tests that follow.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest_pci.h"

#define EDU_ID		0x00
#define EDU_INVERT	0x04
#define EDU_FACTORIAL	0x08
#define EDU_STATUS	0x20
#define EDU_IRQ_STATUS	0x24
#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64
#define EDU_DMA_SOURCE	0x80
#define EDU_DMA_TARGET	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_BUFFER	0x40000
#define EDU_SIZE	0x100000
#define DMA_START	1
#define DMA_TO_MEMORY	2
#define ROUNDS		100

#define IOAPIC		0xfec00000
#define IOAPIC_ENTRY(n) (0x10 + 2 * (n))
#define IOAPIC_LOW	(1 << 13)
#define IOAPIC_LEVEL	(1 << 15)
#define IOAPIC_MASKED	(1 << 16)

static volatile uint8_t *bar;

static uint32_t get(uint32_t offset)
{
	return *(volatile uint32_t *)(bar + offset);
}

static void set(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(bar + offset) = value;
}

static void set64(uint32_t offset, uint64_t value)
{
	*(volatile uint64_t *)(bar + offset) = value;
}

static void run_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	expect(!sched_setaffinity(0, sizeof(set), &set));
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	expect(fd >= 0);
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void map_bar(int fd, uint64_t offset)
{
	void *at = mmap(NULL, EDU_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (at == MAP_FAILED)
		perror("mmap");
	expect(at != MAP_FAILED);
	bar = at;
	close(fd);
}

static void test_mmio(void)
{
	uint64_t factorial = 1;

	expect(get(EDU_ID) == 0x010000ed);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		set(EDU_INVERT, i * 0x01234567);
		expect(get(EDU_INVERT) == ~(i * 0x01234567));
	}
	for (uint32_t i = 1; i <= 12; i++) {
		factorial *= i;
		set(EDU_FACTORIAL, i);
		while (get(EDU_STATUS) & 1)
			sched_yield();
		expect(get(EDU_FACTORIAL) == factorial);
	}
	puts("mmio: ok");
}

static void transfer(uint64_t source, uint64_t target, uint32_t count, uint32_t direction)
{
	set64(EDU_DMA_SOURCE, source);
	set64(EDU_DMA_TARGET, target);
	set64(EDU_DMA_COUNT, count);
	set64(EDU_DMA_COMMAND, DMA_START | direction);
	while (get(EDU_DMA_COMMAND) & DMA_START)
		usleep(1000);
}

static void test_dma(void)
{
	uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	uint8_t *back = page + PAGE;

	expect(page != MAP_FAILED);
	for (unsigned int round = 1; round <= 3; round++) {
		for (unsigned int i = 0; i < PAGE; i++)
			page[i] = i * 7 + round * 31;
		memset(back, 0, PAGE);
		transfer(physical(page), EDU_BUFFER, PAGE, 0);
		transfer(EDU_BUFFER, physical(back), PAGE - 16, DMA_TO_MEMORY);
		expect(!memcmp(page, back, PAGE - 16));
		for (unsigned int i = PAGE - 16; i < PAGE; i++)
			expect(back[i] == 0);
	}
	munmap(page, 2 * PAGE);
	puts("dma: ok");
}

/* The device believes that it wrote. */
static void stray(uint64_t address)
{
	transfer(EDU_BUFFER, address, PAGE, DMA_TO_MEMORY);
	printf("stray: asked for a write to %#lx\n", address);
}

static void program_msi(bool on)
{
	uint8_t cap = find_capability(PCI_CAP_ID_MSI);
	uint16_t flags;

	expect(cap);
	flags = config16(cap + PCI_MSI_FLAGS) & ~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	set_config16(cap + PCI_MSI_ADDRESS_LO, 0x0000);
	set_config16(cap + PCI_MSI_ADDRESS_LO + 2, 0xfee0); /* to the first CPU */
	if (flags & PCI_MSI_FLAGS_64BIT) {
		set_config16(cap + PCI_MSI_ADDRESS_HI, 0);
		set_config16(cap + PCI_MSI_ADDRESS_HI + 2, 0);
	}
	set_config16(cap + (flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32),
		     SPARE_VECTOR);
	set_config16(cap + PCI_MSI_FLAGS, flags | (on ? PCI_MSI_FLAGS_ENABLE : 0));
}

static void test_msi(void)
{
	uint64_t before = interrupts("PIN:");

	program_msi(true);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		set(EDU_IRQ_RAISE, 1);
		for (unsigned int wait = 0; wait < 1000 && interrupts("PIN:") < before + i; wait++)
			usleep(1000);
		expect(interrupts("PIN:") == before + i);
		set(EDU_IRQ_ACK, 1);
	}
	program_msi(false);
	printf("msi: ok, %d\n", ROUNDS);
}

/* UIO masks by the command register when an interrupt comes; to let the next one through: */
static void unmask_intx(void)
{
	set_config16(PCI_COMMAND, config16(PCI_COMMAND) & ~PCI_COMMAND_INTX_DISABLE);
}

static void ioapic_write(volatile uint32_t *ioapic, uint32_t index, uint32_t value)
{
	ioapic[0] = index;
	ioapic[4] = value;
}

/*
 * INTx is a level. The pin leads to a handler that does not acknowledge the interrupt at the
 * device: each EOI then brings the next interrupt, until the device is told. Takes a kernel
 * with iomem=relaxed. Runs on a CPU other than the one that is interrupted.
 */
static void test_level(unsigned int gsi)
{
	volatile uint32_t *ioapic = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
					 open("/dev/mem", O_RDWR | O_SYNC), IOAPIC);
	uint64_t before = interrupts("PIN:"), after;

	expect(ioapic != MAP_FAILED);
	run_on(1);
	unmask_intx();
	ioapic_write(ioapic, IOAPIC_ENTRY(gsi) + 1, 0);
	ioapic_write(ioapic, IOAPIC_ENTRY(gsi), IOAPIC_LEVEL | IOAPIC_LOW | SPARE_VECTOR);
	for (unsigned int i = 1; i <= 3; i++) {
		set(EDU_IRQ_RAISE, 1);
		for (unsigned int wait = 0; wait < 500 && interrupts("PIN:") < before + 5; wait++)
			usleep(10000);
		expect(interrupts("PIN:") >= before + 5);
		set(EDU_IRQ_ACK, 1);
		usleep(200000);
		after = interrupts("PIN:");
		usleep(200000);
		expect(interrupts("PIN:") == after);
		before = after;
	}
	ioapic_write(ioapic, IOAPIC_ENTRY(gsi), IOAPIC_MASKED);
	run_on(0);
	puts("level: ok");
}

/* The count that UIO gives after the next interrupt, or -1 when none comes. */
static int next_interrupt(int uio, int timeout)
{
	struct pollfd pfd = {.fd = uio, .events = POLLIN};
	int count;

	if (poll(&pfd, 1, timeout) != 1)
		return -1;
	expect(read(uio, &count, sizeof(count)) == sizeof(count));
	return count;
}

static void expect_interrupt(int uio, int timeout, int wanted)
{
	int count = next_interrupt(uio, timeout);

	if (count != wanted)
		printf("interrupt %d, not %d\n", count, wanted);
	expect(count == wanted);
}

static void test_intx(void)
{
	int uio, first = 0;

	write_file("/sys/bus/pci/drivers/uio_pci_generic/new_id", "1234 11e8");
	for (unsigned int wait = 0; wait < 100 && access("/dev/uio0", F_OK); wait++)
		usleep(20000);
	uio = open("/dev/uio0", O_RDWR);
	expect(uio >= 0);
	set_config16(PCI_COMMAND, config16(PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	for (int i = 0; i < ROUNDS; i++) {
		unmask_intx();
		set(EDU_IRQ_RAISE, 1);
		if (i == 0)
			first = next_interrupt(uio, 5000);
		else
			expect_interrupt(uio, 5000, first + i);
		set(EDU_IRQ_ACK, 1);
	}

	/* No interrupt of the past is left. */
	unmask_intx();
	expect_interrupt(uio, 300, -1);
	close(uio);
	printf("intx: ok, %d\n", ROUNDS);
}

int main(int argc, char **argv)
{
	char path[128];

	expect(argc > 2);
	run_on(0);
	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s", argv[1]);
	snprintf(path, sizeof(path), "%s/enable", folder);
	write_file(path, "1");
	config_fd = open_file("config", O_RDWR);
	set_config16(PCI_COMMAND, config16(PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	map_bar(open_file("resource0", O_RDWR), 0);

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "mmio"))
			test_mmio();
		else if (!strcmp(argv[i], "dma"))
			test_dma();
		else if (!strcmp(argv[i], "msi"))
			test_msi();
		else if (!strcmp(argv[i], "intx"))
			test_intx();
		else if (!strncmp(argv[i], "level=", 6))
			test_level(atoi(argv[i] + 6));
		else if (!strncmp(argv[i], "at=", 3))
			map_bar(open("/dev/mem", O_RDWR | O_SYNC), strtoull(argv[i] + 3, NULL, 0));
		else if (!strncmp(argv[i], "stray=", 6))
			stray(strtoull(argv[i] + 6, NULL, 0));
		else
			expect(!"a test of that name");
	}
	return 0;
}
