// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The measuring guest at CPL3. The guest finds its devices on the PCI bus, and sets up
 * their BARs and interrupt as any driver does. Then the guest does one job after the other.
 */
#include <linux/pci_regs.h>
#include <stddef.h>

#include "../measure.h"

#define PCI_CONFIG_ADDRESS 0xcf8
#define PCI_CONFIG_DATA	   0xcfc
#define MSI_ADDRESS	   0xfee00000u /* the first CPU's local APIC */

extern volatile uint32_t guest_interrupts;
void guest_idle(uint32_t seen);
void guest_main(void);

/* The doorbells of both slices. */
static volatile uint32_t *kick, *trap;

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static uint32_t pci_read(uint8_t devfn, unsigned int offset)
{
	out32(PCI_CONFIG_ADDRESS, 1u << 31 | (uint32_t)devfn << 8 | (offset & 0xfc));
	return in32(PCI_CONFIG_DATA);
}

static void pci_write(uint8_t devfn, unsigned int offset, uint32_t value)
{
	out32(PCI_CONFIG_ADDRESS, 1u << 31 | (uint32_t)devfn << 8 | (offset & 0xfc));
	out32(PCI_CONFIG_DATA, value);
}

static uint8_t *pci_bar(uint8_t devfn, unsigned int bar)
{
	uint32_t low = pci_read(devfn, PCI_BASE_ADDRESS_0 + 4 * bar);
	uint64_t high = 0;

	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64)
		high = pci_read(devfn, PCI_BASE_ADDRESS_0 + 4 * bar + 4);
	return (uint8_t *)(high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK));
}

static void enable_vector(uint8_t devfn, uint8_t *doorbells)
{
	unsigned int cap = pci_read(devfn, PCI_CAPABILITY_LIST) & 0xff;
	volatile uint32_t *entry;
	uint32_t value = 0;

	while (cap && ((value = pci_read(devfn, cap)) & 0xff) != PCI_CAP_ID_MSIX)
		cap = value >> 8 & 0xff;
	if (!cap)
		return;
	entry = (void *)(doorbells +
			 (pci_read(devfn, cap + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_OFFSET));
	entry[0] = MSI_ADDRESS;
	entry[1] = 0;
	entry[2] = BENCH_VECTOR;
	entry[3] = 0; /* not masked */
	pci_write(devfn, cap, value | PCI_MSIX_FLAGS_ENABLE << 16);
}

static bool find_slice(uint8_t devfn, struct bench_ring *ring, uint8_t **doorbells)
{
	if (pci_read(devfn, PCI_VENDOR_ID) != (BYPASS_LOOP_DEVICE << 16 | BYPASS_LOOP_VENDOR))
		return false;
	pci_write(devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	*doorbells = pci_bar(devfn, BYPASS_LOOP_DOORBELL_BAR);
	return bench_ring_init(ring, pci_bar(devfn, BYPASS_LOOP_WINDOW_BAR));
}

/* A function of the ConnectX model; the program has made its queues. */
static void find_hca(struct bench_side *side)
{
	const struct bench_rdma *rdma = (const struct bench_rdma *)BENCH_RDMA;

	if ((pci_read(BENCH_DEVFN_HCA, PCI_VENDOR_ID) & 0xffff) != 0x15b3)
		return;
	pci_write(BENCH_DEVFN_HCA, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	side->doorbell = (volatile uint64_t *)(pci_bar(BENCH_DEVFN_HCA, 0) + rdma->doorbell);
}

/* The slice with a trap may be missing, and the HCA. */
static bool find_devices(struct bench_side *side)
{
	struct bench_ring ring;
	uint8_t *doorbells;

	if (find_slice(BENCH_DEVFN_TRAP, &side->ring[BENCH_EXIT], &doorbells))
		trap = (volatile uint32_t *)(doorbells + BYPASS_LOOP_TRAP);
	if (!find_slice(BENCH_DEVFN_RING, &ring, &doorbells))
		return false;
	kick = (volatile uint32_t *)(doorbells + BYPASS_LOOP_KICK);
	enable_vector(BENCH_DEVFN_RING, doorbells);
	side->ring[BENCH_BYPASS] = side->ring[BENCH_HALT] = side->ring[BENCH_HALTPOLL] =
		side->ring[BENCH_KICK] = ring;
	find_hca(side);
	bench_lines_init(side, &ring);
	bench_virtqueue_init(side, NULL);
	return true;
}

void side_kick(struct bench_side *side)
{
	(void)side;
	*kick = 1;
}

void side_trap(struct bench_side *side)
{
	(void)side;
	*trap = 1;
}

uint32_t side_interrupts(struct bench_side *side)
{
	(void)side;
	return guest_interrupts;
}

bool side_sleep(struct bench_side *side, uint32_t seen)
{
	(void)side;
	while (guest_interrupts == seen)
		guest_idle(seen);
	return true;
}

void guest_main(void)
{
	struct bench_job *job = (struct bench_job *)BENCH_JOB;
	static struct bench_side side;

	side.source = (uint8_t *)BENCH_SOURCE;
	side.sink = (uint8_t *)BENCH_SINK;
	if (!find_devices(&side))
		job->error = BENCH_NO_DEVICE;
	for (;;) {
		out8(BENCH_PORT, BENCH_SAY_READY);
		bench_measure(&side, job);
	}
}
