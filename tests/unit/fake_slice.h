/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slice that keeps what it is told: a PCIe endpoint with all sorts of
 * capabilities, three BARs, and vectors that a test can fire.
 */
#ifndef FAKE_SLICE_H
#define FAKE_SLICE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/pci_regs.h>

#include <bypass/error.h>
#include <bypass/memory.h>
#include <bypass/slice.h>

#define FAKE_PM	     0x40
#define FAKE_MSI     0x50
#define FAKE_MSIX    0x70
#define FAKE_EXP     0x80
#define FAKE_VENDOR  0xc0
#define FAKE_UNKNOWN 0xd0
#define FAKE_AF	     0xe0
#define FAKE_SRIOV   0x100 /* hidden, and first */
#define FAKE_SERIAL  0x140
#define FAKE_ATS     0x150
#define FAKE_VSEC    0x160 /* 32 bytes */

#define FAKE_VECTORS 16
#define FAKE_MSIS    8
#define FAKE_TABLE   0x2000 /* in BAR 0 */
#define FAKE_PBA     0x3000

struct fake_slice {
	struct bypass_slice slice;
	uint8_t config[4096];
	struct bypass_window window;
	struct bypass_kick kick;
	int fds[BYPASS_IRQS][FAKE_VECTORS];
	bool on[BYPASS_IRQS];
	int resample;
	unsigned int calls; /* of vectors() */
	unsigned int resets;
	unsigned int reads, writes; /* of traps */
	uint64_t last_offset;
	uint64_t last_value;
	uint32_t last_size;
	uint64_t ram;	    /* bytes that it was told of */
	int fail_memory;    /* an errno */
	const char *event;  /* what it tells next: that it is dead, and this */
	unsigned int few;   /* the host has no more vectors; 0: enough */
	unsigned int wrong; /* calls outside the contract */
};

static struct fake_slice *fake_of(struct bypass_slice *slice)
{
	return (struct fake_slice *)slice;
}

static int fake_config_read(struct bypass_slice *slice, uint32_t offset, void *data, uint32_t size)
{
	struct fake_slice *f = fake_of(slice);

	f->wrong += offset % size || offset + size > slice->config_size;
	memcpy(data, f->config + offset, size);
	return 0;
}

/* Bits of a byte that a 1 clears: errors in the two status registers */
static uint8_t fake_cleared_by_1(uint32_t at)
{
	return at == PCI_STATUS + 1 ? 0xf9 : at == FAKE_EXP + PCI_EXP_DEVSTA ? 0x0f : 0;
}

static int fake_config_write(struct bypass_slice *slice, uint32_t offset, const void *data,
			     uint32_t size)
{
	struct fake_slice *f = fake_of(slice);

	f->wrong += offset % size || offset + size > slice->config_size;
	for (uint32_t i = 0; i < size; i++) {
		uint8_t byte = ((const uint8_t *)data)[i], ones = fake_cleared_by_1(offset + i);

		f->config[offset + i] = (f->config[offset + i] & ones & ~byte) | (byte & ~ones);
	}
	return 0;
}

static int fake_bar_read(struct bypass_slice *slice, unsigned int bar, uint64_t offset, void *data,
			 uint32_t size)
{
	struct fake_slice *f = fake_of(slice);

	f->wrong += size > 8 || size & (size - 1) || offset % size ||
		    offset + size > slice->bars[bar].size;
	f->reads++;
	f->last_offset = offset;
	f->last_size = size;
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)data)[i] = offset + i;
	return 0;
}

static int fake_bar_write(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			  const void *data, uint32_t size)
{
	struct fake_slice *f = fake_of(slice);

	f->wrong += size > 8 || size & (size - 1) || offset % size ||
		    offset + size > slice->bars[bar].size;
	f->writes++;
	f->last_offset = offset;
	f->last_size = size;
	f->last_value = 0;
	memcpy(&f->last_value, data, size);
	return 0;
}

static int fake_vectors(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
			unsigned int count, const int *fds)
{
	struct fake_slice *f = fake_of(slice);

	f->calls++;
	if (!count) {
		f->on[irq] = false;
		memset(f->fds[irq], 0xff, sizeof(f->fds[irq]));
		return 0;
	}
	for (int other = 0; other < BYPASS_IRQS; other++)
		f->wrong += other != (int)irq && f->on[other];
	if (start + count > slice->vectors[irq]) {
		f->wrong++;
		return bypass_fail(EINVAL, "no such vectors");
	}
	if (f->few && start + count > f->few)
		return bypass_fail(ENOSPC, "the host has only %u vectors", f->few);
	f->on[irq] = true;
	memcpy(&f->fds[irq][start], fds, count * sizeof(*fds));
	return 0;
}

static int fake_resample(struct bypass_slice *slice, int fd)
{
	fake_of(slice)->resample = fd;
	return 0;
}

static int fake_set_memory(struct bypass_slice *slice, const struct bypass_memory *mem)
{
	struct fake_slice *f = fake_of(slice);
	const struct bypass_memory_range *r;
	unsigned int n = 0;

	if (mem && f->fail_memory)
		return bypass_fail(f->fail_memory, "the slice cannot map it");
	f->ram = 0;
	r = mem ? bypass_memory_ranges(mem, &n) : NULL;
	for (unsigned int i = 0; i < n; i++)
		f->ram += r[i].size;
	return 0;
}

static int fake_reset(struct bypass_slice *slice)
{
	struct fake_slice *f = fake_of(slice);

	for (int irq = 0; irq < BYPASS_IRQS; irq++)
		f->wrong += f->on[irq];
	f->resets++;
	return 0;
}

static uint64_t fake_interrupts(struct bypass_slice *slice)
{
	(void)slice;
	return 7;
}

static uint64_t fake_dma_bytes(struct bypass_slice *slice)
{
	return fake_of(slice)->ram;
}

static int fake_event(struct bypass_slice *slice, struct bypass_event *event)
{
	struct fake_slice *f = fake_of(slice);
	eventfd_t value;

	eventfd_read(slice->event_fd, &value);
	if (!f->event)
		return 0;
	event->kind = BYPASS_EVENT_DEAD;
	strcpy(event->text, f->event);
	f->event = NULL;
	return 1;
}

static void fake_slice_close(struct bypass_slice *slice)
{
	struct fake_slice *f = fake_of(slice);

	if (f->window.hva)
		munmap(f->window.hva, f->window.size);
	close(f->kick.fd);
	close(slice->event_fd);
	free(f);
}

static const struct bypass_slice_ops fake_slice_ops = {
	.config_read = fake_config_read,
	.config_write = fake_config_write,
	.bar_read = fake_bar_read,
	.bar_write = fake_bar_write,
	.vectors = fake_vectors,
	.resample = fake_resample,
	.set_memory = fake_set_memory,
	.reset = fake_reset,
	.interrupts = fake_interrupts,
	.dma_bytes = fake_dma_bytes,
	.event = fake_event,
	.close = fake_slice_close,
};

static inline void fake_put(struct fake_slice *f, uint32_t at, uint32_t size, uint32_t value)
{
	memcpy(f->config + at, &value, size);
}

static inline void fake_config_fill(struct fake_slice *f)
{
	fake_put(f, PCI_VENDOR_ID, 4, 0x56781234);
	fake_put(f, PCI_COMMAND, 2, PCI_COMMAND_SERR);
	fake_put(f, PCI_STATUS, 2, PCI_STATUS_CAP_LIST | PCI_STATUS_DETECTED_PARITY);
	fake_put(f, PCI_CLASS_REVISION, 4, 0x02000003);
	fake_put(f, PCI_HEADER_TYPE, 1, 0x80);
	fake_put(f, PCI_CARDBUS_CIS, 4, 0x11111111);
	fake_put(f, PCI_SUBSYSTEM_VENDOR_ID, 4, 0x9abcdef0);
	fake_put(f, PCI_ROM_ADDRESS, 4, 0xfff00001);
	fake_put(f, PCI_CAPABILITY_LIST, 1, FAKE_UNKNOWN);
	fake_put(f, PCI_INTERRUPT_LINE, 2, 0x020b);

	fake_put(f, FAKE_UNKNOWN, 4, FAKE_PM << 8 | 0x15);
	fake_put(f, FAKE_UNKNOWN + 4, 4, 0x5ec4e7);
	fake_put(f, FAKE_PM, 4, 0xfe030000 | FAKE_MSI << 8 | PCI_CAP_ID_PM);
	fake_put(f, FAKE_MSI, 4, 0x01860000 | FAKE_MSIX << 8 | PCI_CAP_ID_MSI);
	fake_put(f, FAKE_MSIX, 4, (FAKE_VECTORS - 1) << 16 | FAKE_EXP << 8 | PCI_CAP_ID_MSIX);
	fake_put(f, FAKE_MSIX + PCI_MSIX_TABLE, 4, FAKE_TABLE);
	fake_put(f, FAKE_MSIX + PCI_MSIX_PBA, 4, FAKE_PBA);
	fake_put(f, FAKE_EXP, 4, 0x00020000 | FAKE_VENDOR << 8 | PCI_CAP_ID_EXP);
	fake_put(f, FAKE_EXP + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_FLR | 0x8001);
	fake_put(f, FAKE_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_CERE | 0x2020);
	fake_put(f, FAKE_EXP + PCI_EXP_DEVSTA, 2, PCI_EXP_DEVSTA_CED);
	fake_put(f, FAKE_EXP + PCI_EXP_LNKCAP, 4, 0x00040c41);
	fake_put(f, FAKE_EXP + PCI_EXP_LNKSTA, 2, 0x0041);
	fake_put(f, FAKE_EXP + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_LTR);
	fake_put(f, FAKE_VENDOR, 4, 0xaa100000 | FAKE_AF << 8 | PCI_CAP_ID_VNDR);
	fake_put(f, FAKE_VENDOR + 4, 4, 0x12345678);
	fake_put(f, FAKE_AF, 4, 0x03060000 | PCI_CAP_ID_AF);

	fake_put(f, FAKE_SRIOV, 4, FAKE_SERIAL << 20 | 1 << 16 | PCI_EXT_CAP_ID_SRIOV);
	fake_put(f, FAKE_SRIOV + 8, 4, 0xbad);
	fake_put(f, FAKE_SERIAL, 4, FAKE_ATS << 20 | 1 << 16 | PCI_EXT_CAP_ID_DSN);
	fake_put(f, FAKE_SERIAL + 4, 4, 0x5e41a1);
	fake_put(f, FAKE_ATS, 4, FAKE_VSEC << 20 | 1 << 16 | PCI_EXT_CAP_ID_ATS);
	fake_put(f, FAKE_ATS + 4, 4, 0xbad);
	fake_put(f, FAKE_VSEC, 4, 1 << 16 | PCI_EXT_CAP_ID_VNDR);
	fake_put(f, FAKE_VSEC + 4, 4, 0x020 << 20 | 0xbeef);
	fake_put(f, FAKE_VSEC + 8, 4, 0xc0ffee);
}

/* BAR 0: 64-bit, 32 KiB, all window. BAR 2: 4 KiB of traps with a doorbell at 0x80. BAR 4: ports. */
static inline struct fake_slice *fake_slice_open(void)
{
	struct fake_slice *f = calloc(1, sizeof(*f));

	f->slice.ops = &fake_slice_ops;
	strcpy(f->slice.name, "fake");
	f->slice.config_size = 4096;
	f->slice.kvm_fd = -1;
	f->slice.event_fd = eventfd(0, EFD_NONBLOCK);
	f->slice.vectors[BYPASS_IRQ_INTX] = 1;
	f->slice.vectors[BYPASS_IRQ_MSI] = FAKE_MSIS;
	f->slice.vectors[BYPASS_IRQ_MSIX] = FAKE_VECTORS;
	f->window.size = 0x8000;
	f->window.hva =
		mmap(NULL, 0x8000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	f->window.fd = -1;
	f->kick = (struct bypass_kick){.offset = 0x80, .size = 4, .fd = eventfd(0, EFD_NONBLOCK)};
	f->slice.bars[0] = (struct bypass_bar){
		.size = 0x8000,
		.is_64 = true,
		.prefetchable = true,
		.windows = &f->window,
		.n_windows = 1,
	};
	f->slice.bars[2] = (struct bypass_bar){.size = 0x1000, .kicks = &f->kick, .n_kicks = 1};
	f->slice.bars[4] = (struct bypass_bar){.size = 0x20, .io = true};
	f->resample = -1;
	memset(f->fds, 0xff, sizeof(f->fds));
	fake_config_fill(f);
	return f;
}

#endif
