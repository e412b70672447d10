/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slice in the guest: a PCI function with config space, BARs and interrupts.
 * Everything here runs under the VM's lock.
 */
#ifndef GLUE_PCI_INTERNAL_H
#define GLUE_PCI_INTERNAL_H

#include <pthread.h>
#include <stdint.h>

#include <linux/pci_regs.h>

#include "../kvm/machine.h"

struct bypass_published;

#define CONFIG_SIZE   4096
#define FUNCTIONS_MAX 256
#define NOWHERE	      UINT64_MAX /* of a BAR: the guest cannot reach it */

/**
 * struct piece - a part of a BAR that becomes one memory slot
 * @offset: in the BAR
 * @size: bytes
 * @hva: what lies there
 * @slot: its slot, ours as long as the slice is plugged
 */
struct piece {
	uint64_t offset;
	uint64_t size;
	uint8_t *hva;
	uint32_t slot;
};

/**
 * struct bar - where a BAR of the slice is in the guest
 * @home: where we placed it; 0: left to the firmware
 * @at: where the guest reaches it now, or NOWHERE
 * @pieces: the windows without the pages that must trap
 * @n_pieces: their number
 * @n_slots: how many of them have a slot
 * @n_doorbells: how many of the slice's kicks KVM serves while it is mapped
 */
struct bar {
	uint64_t home;
	uint64_t at;
	struct piece *pieces;
	unsigned int n_pieces;
	unsigned int n_slots;
	unsigned int n_doorbells;
};

/**
 * struct vector - a message vector of the interrupt type that is enabled
 * @glue: towards the guest
 * @connected: the slice has its eventfd
 */
struct vector {
	struct glue_vector glue;
	bool connected;
};

/**
 * struct interrupts - how a function interrupts now
 * @mode: the type that is enabled at the slice; BYPASS_IRQS for none
 * @vectors: of MSI and MSI-X
 * @count: their number
 * @trigger: of INTx: the eventfd that the slice signals
 * @resample: of INTx: the one that KVM signals
 * @open: of INTx: KVM listens to @trigger
 */
struct interrupts {
	enum bypass_irq mode;
	struct vector *vectors;
	unsigned int count;
	int trigger;
	int resample;
	bool open;
};

/**
 * struct msix - the emulated MSI-X table
 * @count: entries; 0: the function has no MSI-X
 * @table_bar: the BAR it lies in
 * @table: where
 * @pba_bar: the BAR of the pending bits
 * @pba: where
 * @entries: what the guest wrote, 16 bytes each
 */
struct msix {
	unsigned int count;
	unsigned int table_bar;
	uint64_t table;
	unsigned int pba_bar;
	uint64_t pba;
	uint8_t *entries;
};

/**
 * struct function - a plugged slice
 * @vm: where it is plugged
 * @slice: what stands behind it
 * @devfn: its place on bus 0
 * @intx_gsi: or -1
 * @config: config space as the guest reads it, where @pass is clear
 * @writable: the bits of @config that the guest can change
 * @pass: bits that are read from and written to the slice's own config space
 * @initial: @config as it was after power-on
 * @pm: offset of the capability, as those that follow; 0: not shown
 * @msi: likewise
 * @msix_cap: likewise
 * @exp: likewise
 * @af: likewise
 * @bars: the six BARs
 * @rom_home: where we placed the expansion ROM; 0: nowhere
 * @msix: the table behind @msix_cap
 * @irq: what interrupts now
 * @stats: where the counters are: in the VM's page, or @own_stats
 * @own_stats: counters, where that page has no room
 * @remarks: how many remarks it had since the last reset of the VM
 */
struct function {
	struct bypass_vm *vm;
	struct bypass_slice *slice;
	uint8_t devfn;
	int intx_gsi;
	uint8_t config[CONFIG_SIZE];
	uint8_t writable[CONFIG_SIZE];
	uint8_t pass[CONFIG_SIZE];
	uint8_t initial[CONFIG_SIZE];
	uint8_t pm, msi, msix_cap, exp, af;
	struct bar bars[BYPASS_BARS];
	uint64_t rom_home;
	struct msix msix;
	struct interrupts irq;
	struct bypass_slice_stats *stats;
	struct bypass_slice_stats own_stats;
	unsigned int remarks;
};

#define EVENTS_MAX 32

/**
 * struct events - what the VMM has yet to be told
 * @poll_fd: the descriptor that the VMM waits for: slices' event_fds, and @remark_fd
 * @remark_fd: an eventfd, signalled while there are @remarks
 * @remarks: our own, oldest first
 * @n: their number
 */
struct events {
	int poll_fd;
	int remark_fd;
	struct bypass_vm_event remarks[EVENTS_MAX];
	unsigned int n;
};

/**
 * struct bypass_vm - see bypass/kvm.h
 * @lock: held by every public call
 * @machine: KVM's side
 * @config: as attached; routes and reserved spans are not kept here
 * @reserved: a copy of the reserved spans
 * @events: what the VMM is to be told
 * @memory: guest RAM
 * @ram_slots: memory slots of RAM that are ours
 * @n_ram_slots: their number
 * @functions: in the order in which they were plugged
 * @n_functions: their number
 * @page: statistics
 * @page_fd: the file behind @page, once it is published; else -1
 * @page_path: its name
 */
struct bypass_vm {
	pthread_mutex_t lock;
	struct glue_machine machine;
	struct bypass_vm_config config;
	struct bypass_span *reserved;
	struct events events;
	struct bypass_memory *memory;
	uint32_t *ram_slots;
	unsigned int n_ram_slots;
	struct function *functions[FUNCTIONS_MAX];
	unsigned int n_functions;
	struct bypass_published *page;
	int page_fd;
	char *page_path;
};

/* space.c */
int space_init(struct bypass_vm *vm);
int space_ram_check(const struct bypass_vm *vm, const struct bypass_memory_range *ram);
const char *space_obstacle(const struct bypass_vm *vm, uint64_t at, uint64_t size, uint64_t *end);

/* events.c */
int vm_events_open(struct bypass_vm *vm);
void vm_events_close(struct bypass_vm *vm);
int vm_events_add(struct function *fn);
void vm_events_remove(struct function *fn);
void vm_events_remark(struct function *fn, const char *text);

/* remark.c */
void remark(struct function *fn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a write of config space has changed */
enum change {
	CHANGE_RESET = 1,  /* nothing yet: the guest asks for a reset */
	CHANGE_MASTER = 2, /* bus mastering */
	CHANGE_BARS = 4,   /* where BARs are, or whether */
	CHANGE_IRQ = 8,	   /* what interrupts, and how */
};

/* registers.c */
void register_set(struct function *fn, uint32_t offset, uint32_t size, uint32_t value,
		  uint32_t writable);
uint32_t register_get(const struct function *fn, uint32_t offset, uint32_t size);
void registers_read(struct function *fn, uint32_t offset, uint8_t *data, uint32_t size);
unsigned int registers_write(struct function *fn, uint32_t offset, const uint8_t *data,
			     uint32_t size);

/* config.c */
int config_init(struct function *fn);

/* function.c */
int function_new(struct bypass_vm *vm, struct bypass_slice *slice, uint8_t devfn, int intx_gsi,
		 struct function **fn);
void function_free(struct function *fn);
int function_reset(struct function *fn);
void function_command(struct function *fn);
void function_config_read(struct function *fn, uint32_t offset, uint8_t *data, uint32_t size);
void function_config_write(struct function *fn, uint32_t offset, const uint8_t *data,
			   uint32_t size);

/* capability.c */
void capabilities_show(struct function *fn, const uint8_t *host);

/* bar.c */
int bars_check(struct function *fn);
int bars_cut(struct function *fn);
int bars_slots(struct function *fn);
void bars_free(struct function *fn);
void bars_update(struct bypass_vm *vm);
bool bars_decode(const struct function *fn, uint16_t space);
struct function *bar_find(struct bypass_vm *vm, uint64_t address, bool io, unsigned int *bar);

/* rom.c */
int rom_check(const struct function *fn);
void rom_register_init(struct function *fn);
struct function *rom_find(struct bypass_vm *vm, uint64_t address);
void rom_access(const struct function *fn, uint64_t address, uint8_t *data, uint32_t size,
		bool write);

/* place.c */
int bars_place(struct function *fn);

/* trap.c */
void bar_access(struct function *fn, unsigned int bar, uint64_t offset, uint8_t *data,
		uint32_t size, bool write);

/* irq.c */
void irq_update(struct function *fn);
void irq_stop(struct function *fn);
void irq_vector_update(struct function *fn, unsigned int first, unsigned int end);

/* intx.c */
int intx_start(struct function *fn);
void intx_update(struct function *fn);
void intx_stop(struct function *fn);

/* msi.c */
unsigned int msi_count(const struct function *fn);
bool msi_message(const struct function *fn, unsigned int i, uint64_t *address, uint32_t *data);
void msi_pending(struct function *fn);

/* msix.c */
bool msix_message(const struct function *fn, unsigned int i, uint64_t *address, uint32_t *data);
bool msix_access(struct function *fn, unsigned int bar, uint64_t offset, uint8_t *data,
		 uint32_t size, bool write, int *touched);
void msix_reset(struct function *fn);

/* stats.c */
int stats_open(struct bypass_vm *vm);
void stats_close(struct bypass_vm *vm);
void stats_begin(struct function *fn);
void stats_end(struct function *fn);
void stats_refresh(struct function *fn);

/* The VM's lock is held: there is one writer. Readers in other processes see whole numbers. */
static inline void count(uint64_t *counter, int64_t by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

#endif
