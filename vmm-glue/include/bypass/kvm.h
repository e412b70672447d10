/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vmm-glue: what a KVM VMM calls to give its guest slices.
 *
 * The VMM attaches its VM, adds the guest's RAM, plugs slices, and from then on
 * passes on three kinds of exit: config-space accesses, MMIO and (for devices
 * with I/O ports) PIO. The rest is done here: BARs, memory slots, MSI-X, routes,
 * irqfds, reset. There is no thread; calls may come from any vCPU's thread.
 *
 * Guests are x86-64. What other architectures need, their interrupt controllers above
 * all, belongs into vmm-glue/kvm (route.c and irqfd.c); elsewhere bypass_vm_attach() refuses.
 */
#ifndef BYPASS_KVM_H
#define BYPASS_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include <bypass/event.h>
#include <bypass/memory.h>
#include <bypass/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvm_cpuid2;
struct kvm_irq_routing_entry;

/**
 * struct bypass_vm - a virtual machine with slices; opaque
 */
struct bypass_vm;

/**
 * struct bypass_span - a piece of a guest's address space
 * @base: first address
 * @size: bytes; 0 when there is none
 */
struct bypass_span {
	uint64_t base;
	uint64_t size;
};

/**
 * struct bypass_vm_config - what of a VM's numbers and addresses vmm-glue may use
 * @first_slot: first KVM memory slot for vmm-glue, which takes as many as it needs
 *	from there up: one for each part of a BAR that is mapped, and for RAM that it is
 *	asked to map. The VMM keeps to those below
 * @first_gsi: likewise for the GSIs of MSI and MSI-X; above the IOAPIC's pins
 * @routes: the VMM's own interrupt routes (KVM replaces the whole table at once);
 *	copied, and changed later by bypass_vm_routes(). NULL for the default of
 *	KVM_CREATE_IRQCHIP, all PIC and IOAPIC pins
 * @n_routes: how many
 * @split_irqchip: the VM runs with KVM_CAP_SPLIT_IRQCHIP: NULL @routes then means none
 * @mmio32: guest-physical addresses below 4 GiB for BARs; clear of RAM
 * @mmio64: the same above 4 GiB for 64-bit BARs; may be empty. bypass_vm_mmio64() fills it
 * @pio: I/O ports for BARs; may be empty
 * @reserved: guest-physical addresses that the VMM emulates itself, where no BAR may lie,
 *	at first or moved by the guest; copied. The interrupt controllers' are known
 * @n_reserved: how many
 * @phys_bits: width of the guest's physical addresses, as its CPUID says
 *	(0x80000008, EAX bits 7:0); 0 for the host's
 * @kvm_vfio_fd: the VM's KVM-VFIO device when the VMM has made one (KVM has one a VM); stays
 *	the VMM's. 0: there is none, and vmm-glue makes it when a slice needs it
 *
 * BARs are placed there when a slice is plugged, so that a guest can run without
 * firmware; the guest may place them anew. With all three empty, BARs stay
 * unplaced until the guest's firmware places them.
 */
struct bypass_vm_config {
	uint32_t first_slot;
	uint32_t first_gsi;
	const struct kvm_irq_routing_entry *routes;
	unsigned int n_routes;
	bool split_irqchip;
	struct bypass_span mmio32;
	struct bypass_span mmio64;
	struct bypass_span pio;
	const struct bypass_span *reserved;
	unsigned int n_reserved;
	unsigned int phys_bits;
	int kvm_vfio_fd;
};

/**
 * bypass_vm_mmio64() - the usual place for 64-bit BARs
 * @cpuid: what the VMM gives its vCPUs (KVM_SET_CPUID2)
 * @config: its phys_bits and mmio64 are set
 *
 * The span begins in the middle of what the guest can address, and ends at three quarters
 * of that; of more than 46 bits, what Linux guests can use with 4-level page tables counts. A
 * guest with RAM up there needs another place.
 *
 * Return: 0; -EINVAL (@cpuid has no leaf 0x80000008, or that says less than 33 bits);
 * -EOPNOTSUPP (this host is no x86-64).
 */
int bypass_vm_mmio64(const struct kvm_cpuid2 *cpuid, struct bypass_vm_config *config);

/**
 * bypass_vm_attach() - begin
 * @vm_fd: descriptor of the VM, from KVM_CREATE_VM; stays the caller's and must
 *	outlive the attachment. Its irqchip must exist already
 * @config: copied
 * @vm: set to the result, to be given to bypass_vm_detach()
 *
 * Return: 0; -EINVAL (a number or a span that cannot be: the text says which and why);
 * -EBUSY (memory slot @config.first_slot is in use); -EOPNOTSUPP (the text names the KVM
 * capability that lacks, or this host is no x86-64).
 */
int bypass_vm_attach(int vm_fd, const struct bypass_vm_config *config, struct bypass_vm **vm);

/**
 * bypass_vm_detach() - undo all of it: unplug every slice, give back slots, routes and GSIs
 * @vm: from bypass_vm_attach(), or NULL. No vCPU may run any more
 *
 * The slices themselves stay open; they are the caller's to close.
 */
void bypass_vm_detach(struct bypass_vm *vm);

/**
 * bypass_vm_close() - bypass_vm_detach(), then close the slices that were plugged
 * @vm: from bypass_vm_attach(), or NULL
 *
 * Address spaces of function slices stay the caller's to free.
 */
void bypass_vm_close(struct bypass_vm *vm);

/**
 * bypass_vm_routes() - the VMM's own interrupt routes have changed
 * @vm: the VM
 * @routes: all of them, in place of those that vmm-glue knew; copied
 * @n_routes: how many
 *
 * For a VMM whose own devices have MSI: vmm-glue sets the whole table of the VM, so
 * the VMM must not call KVM_SET_GSI_ROUTING itself.
 *
 * Return: 0; -EINVAL (a GSI that is vmm-glue's, or what KVM takes for no route);
 * -ENOMEM. After a failure the former routes are in force.
 */
int bypass_vm_routes(struct bypass_vm *vm, const struct kvm_irq_routing_entry *routes,
		     unsigned int n_routes);

/**
 * bypass_vm_add_ram() - tell of guest RAM
 * @vm: the VM
 * @range: copied; the memory must stay until bypass_vm_detach()
 * @make_slot: also make the KVM memory slot; false when the VMM made it
 *
 * Every slice that is plugged, or will be, can do DMA there from now on.
 *
 * Return: 0; -EINVAL (it overlaps mmio32, mmio64 or a reserved span); as
 * bypass_memory_add(); or why a slice could not map it (memlock: the
 * text says how much is needed, how much is allowed, and how to raise it).
 */
int bypass_vm_add_ram(struct bypass_vm *vm, const struct bypass_memory_range *range,
		      bool make_slot);

/**
 * bypass_vm_plug() - put a slice into the VM
 * @vm: the VM
 * @slice: the slice; stays the caller's, who must unplug it (or detach) before closing it
 * @devfn: device and function number on the guest's bus 0 (device << 3 | function)
 * @intx_gsi: the GSI (IOAPIC pin) of its INTA#, level triggered; -1: the guest gets
 *	no INTx from it. Nor does it with a split irqchip, where KVM cannot resample
 *
 * The guest's function 0 of a device says that there are more when there are.
 *
 * Return: 0; -EEXIST (@devfn is taken, or the same function is plugged), -ENOSPC (no room
 * for its BARs, or no memory slot), -EINVAL (@intx_gsi is no pin of an interrupt
 * controller), -EBUSY (a memory slot is the VMM's), or what KVM or the slice said: an RDMA
 * slice wants RAM with a descriptor behind it.
 */
int bypass_vm_plug(struct bypass_vm *vm, struct bypass_slice *slice, uint8_t devfn, int intx_gsi);

/**
 * bypass_vm_unplug() - take a slice out again
 * @vm: the VM
 * @slice: a slice that is plugged
 *
 * Return: 0, or -ENOENT.
 */
int bypass_vm_unplug(struct bypass_vm *vm, struct bypass_slice *slice);

/**
 * bypass_vm_slice() - the slices that are plugged, one by one
 * @vm: the VM
 * @i: 0, 1, …, in the order in which they were plugged
 *
 * Return: a slice, or NULL when there are no more.
 */
struct bypass_slice *bypass_vm_slice(struct bypass_vm *vm, unsigned int i);

/**
 * struct bypass_vm_event - something that a VMM should know of one of its slices
 * @slice: plugged when bypass_vm_event() returned it
 * @what: what has happened
 */
struct bypass_vm_event {
	struct bypass_slice *slice;
	struct bypass_event what;
};

/**
 * bypass_vm_event_fd() - how to wait for events of any slice of a VM
 * @vm: the VM
 *
 * Return: a descriptor for poll(2), readable when bypass_vm_event() has something. It is
 * the VM's: not to be read, and gone with bypass_vm_detach().
 */
int bypass_vm_event_fd(const struct bypass_vm *vm);

/**
 * bypass_vm_event() - take the next event
 * @vm: the VM
 * @event: filled
 *
 * Does not wait. A guest can provoke remarks: of one slice at most 16 are told until
 * bypass_vm_reset(), and those of slices that were unplugged are dropped.
 *
 * Return: whether there was one.
 */
bool bypass_vm_event(struct bypass_vm *vm, struct bypass_vm_event *event);

/**
 * bypass_vm_pci() - answer an access to PCI config space
 * @vm: the VM
 * @devfn: of bus 0
 * @offset: 0 to 4095; any alignment and size a guest can produce is served
 * @data: little-endian; read or written
 * @size: 1, 2 or 4
 * @write: direction
 *
 * Return: true when a slice answers at @devfn; false: not ours.
 */
bool bypass_vm_pci(struct bypass_vm *vm, uint8_t devfn, uint32_t offset, void *data, uint32_t size,
		   bool write);

/**
 * bypass_vm_mmio() - answer an MMIO exit (KVM_EXIT_MMIO)
 * @vm: the VM
 * @gpa: guest-physical address
 * @data: read or written
 * @size: 1 to 8
 * @write: direction
 *
 * Return: true when a BAR of a slice lies there; false: not ours.
 */
bool bypass_vm_mmio(struct bypass_vm *vm, uint64_t gpa, void *data, uint32_t size, bool write);

/**
 * bypass_vm_pio() - the same for one access to an I/O port (KVM_EXIT_IO)
 * @vm: the VM
 * @port: port number
 * @data: read or written
 * @size: 1, 2 or 4
 * @write: direction
 *
 * Return: true when a BAR of a slice lies there; false: not ours.
 */
bool bypass_vm_pio(struct bypass_vm *vm, uint16_t port, void *data, uint32_t size, bool write);

/**
 * bypass_vm_reset() - the guest was reset: reset all slices, place BARs as at first
 * @vm: the VM; no vCPU may run meanwhile
 *
 * Return: 0, or what the first slice that failed said; the others are reset all the same.
 */
int bypass_vm_reset(struct bypass_vm *vm);

/**
 * struct bypass_slice_stats - what a slice has cost since it was plugged
 * @config_reads: exits to user space for config space
 * @config_writes: likewise
 * @mmio_reads: exits to user space for traps in memory BARs, the MSI-X table among them
 * @mmio_writes: likewise
 * @pio: exits to user space for I/O ports
 * @interrupts: raised by the device
 * @window_bytes: mapped into the guest now
 * @dma_bytes: guest memory that the device can reach now
 */
struct bypass_slice_stats {
	uint64_t config_reads;
	uint64_t config_writes;
	uint64_t mmio_reads;
	uint64_t mmio_writes;
	uint64_t pio;
	uint64_t interrupts;
	uint64_t window_bytes;
	uint64_t dma_bytes;
};

/**
 * bypass_vm_stats() - statistics of one slice
 * @vm: the VM
 * @slice: a slice that is plugged
 * @stats: filled
 *
 * May be called at any time from any thread.
 *
 * Return: 0, or -ENOENT.
 */
int bypass_vm_stats(struct bypass_vm *vm, struct bypass_slice *slice,
		    struct bypass_slice_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
