/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slice: what one guest gets of a device. Whatever stands behind it (a PCI
 * function, an RDMA context, a loop in software), it looks to a VMM like a PCI
 * function: config space, BARs made of windows and traps, interrupt vectors.
 *
 * vmm-glue calls the operations below for a VMM. A new kind of slice implements
 * them and is then plugged like any other.
 */
#ifndef BYPASS_SLICE_H
#define BYPASS_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include <bypass/event.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_memory;
struct bypass_slice;

#define BYPASS_BARS 6

/**
 * struct bypass_window - a part of a BAR that the guest reaches with no exit
 * @offset: in the BAR, page aligned
 * @size: bytes, a multiple of the page size
 * @hva: the memory behind it in this process, mapped as long as the slice lives
 * @fd: a descriptor whose mmap(2) shows the same memory in another process, all of the
 *	window in one piece; the slice's own. -1: there is none
 * @fd_offset: where in @fd the window begins
 */
struct bypass_window {
	uint64_t offset;
	uint64_t size;
	void *hva;
	int fd;
	uint64_t fd_offset;
};

/**
 * struct bypass_kick - a place in a BAR where a store only rings a bell
 * @offset: in the BAR
 * @size: width of the store: 1, 2, 4 or 8 bytes; 0 for any width
 * @fd: eventfd that the store signals (KVM's ioeventfd); the slice's own
 */
struct bypass_kick {
	uint64_t offset;
	uint32_t size;
	int fd;
};

/**
 * struct bypass_bar - one base address register and what lies behind it
 * @size: bytes, a power of two; 0 when the slice has no such BAR (nor for the
 *        upper half of a 64-bit one)
 * @is_64: takes this register and the next
 * @prefetchable: as the register says
 * @io: I/O ports in place of memory; has no windows
 * @windows: mapped parts, by rising offset, not overlapping
 * @n_windows: their number
 * @kicks: doorbells that wake somebody by eventfd
 * @n_kicks: their number
 *
 * What is neither window nor kick is a trap: bar_read and bar_write serve it. A
 * VMM may trap a window too: the MSI-X table's page is always trapped.
 */
struct bypass_bar {
	uint64_t size;
	bool is_64;
	bool prefetchable;
	bool io;
	const struct bypass_window *windows;
	unsigned int n_windows;
	const struct bypass_kick *kicks;
	unsigned int n_kicks;
};

enum bypass_irq {
	BYPASS_IRQ_INTX,
	BYPASS_IRQ_MSI,
	BYPASS_IRQ_MSIX,
	BYPASS_IRQS,
};

/**
 * struct bypass_slice_ops - what a kind of slice does
 * @config_read: read the function's config space as the host sees it; @size is
 *	1, 2 or 4, @offset is aligned to it and within config_size
 * @config_write: write it
 * @bar_read: read a trap. @size is 1, 2, 4 or 8, and the access lies in the BAR
 * @bar_write: write a trap
 * @vectors: connect vectors [@start, @start + @count) of @irq to eventfds, in one
 *	call to the kernel; -1 in @fds takes one off. The first call for a type
 *	enables it, @count 0 disables it with all its vectors. @fds stay the
 *	caller's and must outlive the connection. One type at a time is enabled.
 *	After a failure the vectors of the call are off
 * @resample: INTx only: the eventfd that KVM signals when the guest has
 *	acknowledged, upon which the slice lets its next INTx through; -1 takes it off.
 *	May be set before INTx is enabled; gone when INTx is disabled
 * @set_memory: the guest's memory map is now @mem: make it reachable for the device's
 *	DMA, all of it and nothing else. Called when the slice is plugged and again
 *	after each change; NULL when it is unplugged. On failure the view is
 *	unchanged.
 * @reset: back to the state after power-on; vectors are off afterwards. BARs and windows
 *	stay, and memory that the device can reach
 * @interrupts: interrupts that the device has raised since the slice was opened
 * @dma_bytes: guest memory that the device can reach now
 * @event: take the next event: 1 when @event was filled, 0 when there is none. Readability
 *	of event_fd may be a false alarm. NULL when event_fd is -1
 * @close: undo all of it and free the slice
 *
 * All but @interrupts, @dma_bytes, @event and @close return 0 or a negative errno with
 * bypass_error(). The caller serialises calls on one slice.
 */
struct bypass_slice_ops {
	int (*config_read)(struct bypass_slice *slice, uint32_t offset, void *data, uint32_t size);
	int (*config_write)(struct bypass_slice *slice, uint32_t offset, const void *data,
			    uint32_t size);
	int (*bar_read)(struct bypass_slice *slice, unsigned int bar, uint64_t offset, void *data,
			uint32_t size);
	int (*bar_write)(struct bypass_slice *slice, unsigned int bar, uint64_t offset,
			 const void *data, uint32_t size);
	int (*vectors)(struct bypass_slice *slice, enum bypass_irq irq, unsigned int start,
		       unsigned int count, const int *fds);
	int (*resample)(struct bypass_slice *slice, int fd);
	int (*set_memory)(struct bypass_slice *slice, const struct bypass_memory *mem);
	int (*reset)(struct bypass_slice *slice);
	uint64_t (*interrupts)(struct bypass_slice *slice);
	uint64_t (*dma_bytes)(struct bypass_slice *slice);
	int (*event)(struct bypass_slice *slice, struct bypass_event *event);
	void (*close)(struct bypass_slice *slice);
};

/**
 * struct bypass_slice - what a VMM may know of a slice
 * @ops: its kind
 * @name: for messages and tables: an address, "rxe0", …
 * @config_size: bytes of config space, 256 or 4096
 * @bars: the six BARs
 * @vectors: how many vectors each type of interrupt has; 0: not supported
 * @kvm_fd: VFIO group or cdev that KVM should know of (KVM_DEV_VFIO_FILE_ADD); -1: none
 * @event_fd: readable when the slice has something to tell: call its event() until there
 *	is no more. For poll(2) only, never to be read. -1: it never tells anything
 * @rom: the expansion ROM, which the guest reads; belongs to the slice. NULL: none
 * @rom_size: bytes: a power of two, at least 2 KiB; or 0
 *
 * Filled by whoever opens the slice, constant afterwards. A kind embeds it as
 * the first member of a struct of its own.
 */
struct bypass_slice {
	const struct bypass_slice_ops *ops;
	char name[64];
	uint32_t config_size;
	struct bypass_bar bars[BYPASS_BARS];
	unsigned int vectors[BYPASS_IRQS];
	int kvm_fd;
	int event_fd;
	const void *rom;
	uint64_t rom_size;
};

/**
 * bypass_slice_close() - give a slice back
 * @slice: any kind, no longer plugged; or NULL
 */
void bypass_slice_close(struct bypass_slice *slice);

#ifdef __cplusplus
}
#endif
#endif
