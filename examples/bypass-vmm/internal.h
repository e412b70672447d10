/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bypass-vmm: a small VMM that boots Linux with slices. What its files share.
 */
#ifndef BYPASS_VMM_INTERNAL_H
#define BYPASS_VMM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/kvm.h>

#include <bypass/iommu.h>
#include <bypass/kvm.h>

/* Guest-physical addresses. RAM ends at BYPASS_MEMORY_HOLE and goes on at BYPASS_MEMORY_HIGH. */
#define LOW_RAM_END 0x9fc00ull
#define ACPI_BASE   0xe0000ull
#define ACPI_SIZE   0x20000ull
#define KERNEL_BASE 0x100000ull
#define MMIO32_BASE BYPASS_MEMORY_HOLE
#define MMIO32_SIZE 0x20000000ull
#define ECAM_BASE   0xe0000000ull
#define ECAM_SIZE   0x100000ull /* one bus */
#define IOAPIC_BASE 0xfec00000ull
#define LAPIC_BASE  0xfee00000ull
#define KVM_PAGES   0xfeffc000ull /* four pages that KVM needs on Intel */

/* I/O ports */
#define SERIAL_PORT   0x3f8
#define PORT_SLEEP    0x600 /* ACPI sleep control; sleep status is the next */
#define PORT_RESET    0x602
#define PORT_PCI_ADDR 0xcf8
#define PORT_PCI_DATA 0xcfc
#define PIO_BASE      0x1000ull /* for BARs of I/O ports */
#define PIO_SIZE      0xf000ull

/* Interrupts (GSI): the console's, and INTA# of PCI device N at PCI_GSI(N). */
#define SERIAL_GSI  4
#define PCI_GSI(n)  (16 + (n) % 8)
#define IOAPIC_PINS 24

#define MAX_CPUS   255 /* an APIC ID of eight bits each; the last one means all */
#define MAX_SLICES 31  /* devices 1 to 31 of bus 0; 0 is the host bridge */
#define SEEK_MS	   500 /* between two looks for a server that has gone */

/* What ends or restarts a guest. */
enum event {
	EVENT_NONE,
	EVENT_POWEROFF,
	EVENT_RESET,
	EVENT_FAILURE, /* vmm.failure says what */
};

/**
 * struct slice_option - a slice that the user asked for
 * @rdma: a context slice of an HCA
 * @socket: a function behind a vfio-user socket; neither: a PCI function of this host
 * @text: the function's address, the socket's path, or all that --rdma said
 * @token: the VF token, or NULL
 * @rom: the expansion ROM: a file, "on" for the function's own, or NULL
 */
struct slice_option {
	bool rdma;
	bool socket;
	const char *text;
	const char *token;
	const char *rom;
};

/**
 * struct options - the command line
 * @mmio64: bytes of address space for 64-bit BARs; 0: what the slices need
 */
struct options {
	const char *kernel;
	const char *initrd;
	const char *append;
	unsigned int cpus;
	uint64_t mem;
	uint64_t mmio64;
	bool hugepages;
	struct slice_option slices[MAX_SLICES];
	unsigned int n_slices;
	bool no_reboot;
	bool stats;
	bool verbose;
	const char *stats_json;
};

/* Exits to user space, by cause. vmm-glue counts the exits of slices too. */
enum cause {
	CAUSE_MMIO,
	CAUSE_PIO,
	CAUSE_OTHER,
	CAUSES,
};

/**
 * struct cpu - one vCPU and its thread
 * @exits: to user space; written by the thread, read when the thread has ended
 */
struct cpu {
	struct vmm *vmm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool running;
	uint64_t exits[CAUSES];
	struct power_on *power_on;
};

/**
 * struct serial - a 16550A; see serial.c
 */
struct serial {
	struct vmm *vmm;
	pthread_mutex_t lock;
	uint8_t ier, lcr, mcr, scr, fcr;
	uint16_t divisor;
	bool thr_empty_pending;
	bool level;
	uint8_t rx[64];
	unsigned int rx_head, rx_count;
};

/**
 * struct slices - the guest's devices; see slices.c
 * @opt: what the user asked for; slice i of the command line is the guest's device i + 1
 * @slice: they; NULL: the host has taken it back, or its server is gone
 * @rdma: the device inside a context slice, else NULL; the slice's own
 * @n: their number on the command line
 */
struct slices {
	struct bypass_vm *vm;
	struct bypass_iommu *iommu;
	const struct slice_option *opt;
	struct bypass_slice *slice[MAX_SLICES];
	struct bypass_virtio_device *rdma[MAX_SLICES];
	unsigned int n;
	_Atomic uint32_t config_address; /* the register at PORT_PCI_ADDR */
};

/**
 * struct vmm - the machine
 * @wake_fd: eventfd that wakes the main thread: look at @event, or at the console's input
 */
struct vmm {
	int kvm_fd;
	int vm_fd;
	int wake_fd;
	struct bypass_memory *memory;
	struct bypass_span mmio64;
	struct serial serial;
	struct slices slices;
	struct cpu cpus[MAX_CPUS];
	unsigned int n_cpus;
	struct kvm_irqchip irqchip[3]; /* as it was at power-on */
	atomic_bool stopping;
	_Atomic enum event event;
	char failure[256];
};

/* machine.c */
int machine_create(struct vmm *vmm, const struct options *opt);
int machine_reset(struct vmm *vmm);
void machine_destroy(struct vmm *vmm);

/* event.c */
void event_wake(struct vmm *vmm);
void event_raise(struct vmm *vmm, enum event event);
void event_fail(struct vmm *vmm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* layout.c */
int layout_mmio64(struct vmm *vmm, uint64_t wanted);

/* descriptors.c */
int descriptors_provide(uint64_t more);

/* boot.c */
int boot(struct vmm *vmm, const struct options *opt);

/* acpi.c */
void acpi_build(struct vmm *vmm);
bool acpi_pio(struct vmm *vmm, uint16_t port, uint8_t *data, bool write);

/* cpu.c */
int cpu_create(struct cpu *cpu);
void cpu_destroy(struct cpu *cpu);
int cpu_start_all(struct vmm *vmm);
void cpu_stop_all(struct vmm *vmm);

/* power.c */
int power_on_save(struct cpu *cpu);
int power_on_restore(struct cpu *cpu);
void power_on_free(struct cpu *cpu);

/* cpuid.c */
int cpuid_set(struct cpu *cpu);
unsigned int cpuid_address_bits(const struct vmm *vmm);

/* serial.c */
void serial_init(struct serial *serial, struct vmm *vmm);
void serial_reset(struct serial *serial);
void serial_pio(struct serial *serial, unsigned int reg, uint8_t *data, bool write);
unsigned int serial_room(struct serial *serial);
void serial_input(struct serial *serial, const uint8_t *data, unsigned int count);

/* terminal.c */
void terminal_raw(void);
void terminal_restore(void);
bool terminal_ready(struct serial *serial, int *again_ms);
int terminal_read(struct serial *serial);

/* slices.c */
int slices_open(struct slices *slices, const struct options *opt);
int slices_plug(struct vmm *vmm);
bool slices_mmio(struct slices *slices, uint64_t gpa, void *data, uint32_t size, bool write);
bool slices_pio(struct slices *slices, uint16_t port, void *data, uint32_t size, bool write);
void slices_listen(struct slices *slices);
bool slices_seek(struct slices *slices);
void slices_reset(struct slices *slices);
void slices_destroy(struct slices *slices);

/* stats.c */
void stats_print(const struct vmm *vmm);
int stats_write_json(const struct vmm *vmm, const char *path);

/* kvm_stats.c */
typedef void kvm_stats_fn(void *opaque, const char *name, uint64_t value);
void kvm_stats(int fd, kvm_stats_fn *fn, void *opaque);

#endif
