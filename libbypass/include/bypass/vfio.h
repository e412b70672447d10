/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A PCI function driven from user space through VFIO: its regions, its interrupts, its
 * reset. A function slice is made of this. A program that drives a device itself uses these
 * functions directly.
 *
 * Regions and interrupts go by the indices of linux/vfio.h:
 * VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, ...
 */
#ifndef BYPASS_VFIO_H
#define BYPASS_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bypass_event;
struct bypass_iommu;
struct bypass_memory;

/**
 * struct bypass_vfio - an open device; opaque. Calls on one device are not to overlap
 */
struct bypass_vfio;

/**
 * bypass_vfio_open() - open a PCI function
 * @iommu: DMA address space that the device joins; must outlive the device
 * @address: as bypass_address() takes it
 * @token: VF token that the program with the PF has set, as a UUID string; or NULL
 * @device: set to the device; to be given to bypass_vfio_close()
 *
 * The kernel resets the function first. The function then decodes memory accesses, is no
 * bus master, and has all interrupts off. A function is open once: a second device for the
 * same function would be a second driver on the same hardware.
 *
 * Return: 0; -EINVAL (not an address), -ENODEV (no such function), -ENOTSUP (no
 * IOMMU in use), -EBUSY (bound to a driver of the host: the text names the driver and has
 * the command; or in use, here or in another process: the text names the process), -EPERM (a
 * device of the same IOMMU group is in the way: the text names the device; or there is no
 * interrupt remapping), -EACCES (permission, or the token), -ERANGE and -ENOMEM (what is mapped
 * already does not suit the function; see bypass_iommu_map()), or what the kernel said.
 */
int bypass_vfio_open(struct bypass_iommu *iommu, const char *address, const char *token,
		     struct bypass_vfio **device);

/**
 * bypass_vfio_close() - give a device back; the kernel stops and resets it
 * @device: or NULL. The caller has unmapped everything that bypass_vfio_map() mapped, and
 *	KVM no longer has bypass_vfio_kvm_fd()
 */
void bypass_vfio_close(struct bypass_vfio *device);

/**
 * bypass_vfio_address() - its address in the kernel's spelling
 * @device: the device
 *
 * Return: a string that belongs to @device.
 */
const char *bypass_vfio_address(const struct bypass_vfio *device);

/**
 * bypass_vfio_kvm_fd() - what KVM should know of: KVM_DEV_VFIO_FILE_ADD
 * @device: the device
 *
 * Return: descriptor of its VFIO group; belongs to @device.
 */
int bypass_vfio_kvm_fd(const struct bypass_vfio *device);

/**
 * bypass_vfio_event_fd() - where the device's events show
 * @device: the device
 *
 * Return: a descriptor for poll(2), never to be read: readable when bypass_vfio_event()
 * has something to say. Belongs to @device.
 */
int bypass_vfio_event_fd(const struct bypass_vfio *device);

/**
 * bypass_vfio_event() - take the next event
 * @device: the device
 * @event: filled: BYPASS_EVENT_UNPLUG when the host wants the device back (its VF is
 *	destroyed, the driver of its PF unbound), BYPASS_EVENT_DEAD when it failed
 *
 * The host's command waits until the device is closed; the kernel asks again every ten
 * seconds or less.
 *
 * Return: 1 when @event was filled, 0 when there is none.
 */
int bypass_vfio_event(struct bypass_vfio *device, struct bypass_event *event);

/**
 * bypass_vfio_set_memory() - let the device reach a guest's RAM, IOVA = GPA
 * @device: the device
 * @mem: the guest's map; NULL: none any more
 *
 * Devices in one address space see the same RAM. The RAM stays reachable until the last of
 * these devices was given NULL.
 *
 * Return: as bypass_iommu_set_memory().
 */
int bypass_vfio_set_memory(struct bypass_vfio *device, const struct bypass_memory *mem);

/**
 * bypass_vfio_bus_master() - allow or forbid the device's DMA and MSIs
 * @device: the device
 * @on: true allows both
 *
 * Return: 0 or a negative errno.
 */
int bypass_vfio_bus_master(struct bypass_vfio *device, bool on);

/**
 * bypass_vfio_reset() - function-level reset, or what the kernel has in its place
 * @device: the device
 *
 * After the reset interrupts are off, the device is no bus master, and its registers are
 * as after power-on. Mappings of regions and of memory stay. A function that cannot be reset
 * alone is reset with its bus, and the others on that bus lose their state too. All functions
 * on the bus must then belong to the same DMA address space.
 *
 * Return: 0; -EPERM (somebody else's function would be reset too: the text names that
 * function); -EOPNOTSUPP (nothing can reset the device); or what the kernel said. After a
 * failure, too, the device is no bus master.
 */
int bypass_vfio_reset(struct bypass_vfio *device);

/**
 * struct bypass_area - a part of a region that can be mapped
 * @offset: in the region, page aligned
 * @size: bytes, a multiple of the page size
 */
struct bypass_area {
	uint64_t offset;
	uint64_t size;
};

/**
 * struct bypass_region - a BAR, the ROM, or config space
 * @size: bytes
 * @read: the region can be read
 * @write: the region can be written
 * @areas: parts of the region that can be mapped, by rising offset
 * @n_areas: number of areas
 *
 * Source: struct vfio_region_info of linux/vfio.h with its capabilities
 * SPARSE_MMAP and MSIX_MAPPABLE.
 */
struct bypass_region {
	uint64_t size;
	bool read;
	bool write;
	const struct bypass_area *areas;
	unsigned int n_areas;
};

/**
 * bypass_vfio_region() - what a region is like
 * @device: the device
 * @index: VFIO_PCI_*_REGION_INDEX
 *
 * Return: a description that belongs to @device; NULL when @device has no such region.
 */
const struct bypass_region *bypass_vfio_region(const struct bypass_vfio *device,
					       unsigned int index);

/**
 * bypass_vfio_read() - read from a region, one access where size and offset allow it
 * @device: the device
 * @index: VFIO_PCI_*_REGION_INDEX
 * @offset: in the region
 * @data: as it lies in the device, little-endian
 * @size: bytes; 1, 2, 4 and, in memory BARs, 8 are single accesses when aligned
 *
 * Return: 0, -EINVAL (outside the region), or what the kernel said.
 */
int bypass_vfio_read(struct bypass_vfio *device, unsigned int index, uint64_t offset, void *data,
		     uint64_t size);

/**
 * bypass_vfio_write() - write to a region; as bypass_vfio_read()
 * @device: the device
 * @index: VFIO_PCI_*_REGION_INDEX
 * @offset: in the region
 * @data: what to write
 * @size: bytes
 *
 * Return: as bypass_vfio_read().
 */
int bypass_vfio_write(struct bypass_vfio *device, unsigned int index, uint64_t offset,
		      const void *data, uint64_t size);

/**
 * bypass_vfio_map() - map a part of a region
 * @device: the device
 * @index: VFIO_PCI_*_REGION_INDEX
 * @offset: in the region, page aligned
 * @size: bytes, a multiple of the page size; all of them in one of the region's areas
 * @hva: set to the address. The caller undoes this with munmap(2) before bypass_vfio_close()
 *
 * The address equals the offset modulo the region's size, or modulo 1 GiB for a larger
 * region: so the kernel, and KVM, can map huge pages. While memory decoding is off in the
 * command register an access raises SIGBUS.
 *
 * Return: 0, -EINVAL (not mappable: the text says what can be mapped), or what the kernel said.
 */
int bypass_vfio_map(struct bypass_vfio *device, unsigned int index, uint64_t offset, uint64_t size,
		    void **hva);

/**
 * struct bypass_vfio_irq - a type of interrupt
 * @count: vectors; 0 when the device does not have this type
 * @maskable: bypass_vfio_irq_mask() works
 * @automasked: an interrupt masks the vector until bypass_vfio_irq_mask() unmasks (INTx)
 * @resizable: more vectors can be connected later without disturbing the others
 *
 * Source: struct vfio_irq_info of linux/vfio.h.
 */
struct bypass_vfio_irq {
	unsigned int count;
	bool maskable;
	bool automasked;
	bool resizable;
};

/**
 * bypass_vfio_irq() - what a type of interrupt is like
 * @device: the device
 * @index: VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX or VFIO_PCI_MSIX_IRQ_INDEX
 *
 * Return: a description; its count is 0 for any other index.
 */
struct bypass_vfio_irq bypass_vfio_irq(const struct bypass_vfio *device, unsigned int index);

/**
 * bypass_vfio_irq_connect() - connect vectors to eventfds
 * @device: the device
 * @index: as for bypass_vfio_irq()
 * @start: first vector
 * @count: how many; 0 turns the whole type off
 * @fds: @count eventfds, which stay the caller's and stay open while connected;
 *	-1 disconnects a vector. NULL when @count is 0
 *
 * This is one call to the kernel for all vectors. The first call for a type turns the type
 * on, and only one type can be on. Some kernels cannot add vectors to a type that is on (MSI;
 * MSI-X before Linux 6.5): the type is then turned off and on again. An interrupt in between
 * would be lost, so every vector that was connected is signalled once. A driver bears an
 * interrupt too many, but not a lost one.
 *
 * Return: 0; -EINVAL (no such vectors), -EBUSY (another type is on), -ENOSPC (the
 * host has fewer vectors left: the text says how many), or what the kernel
 * said. After a failure the vectors of this call are off.
 */
int bypass_vfio_irq_connect(struct bypass_vfio *device, unsigned int index, unsigned int start,
			    unsigned int count, const int *fds);

/**
 * bypass_vfio_irq_mask() - mask or unmask INTx
 * @device: the device
 * @masked: true masks
 *
 * VFIO cannot mask vectors of MSI and MSI-X: disconnect such a vector.
 *
 * Return: 0, -EINVAL when INTx is not on, or what the kernel said.
 */
int bypass_vfio_irq_mask(struct bypass_vfio *device, bool masked);

/**
 * bypass_vfio_irq_resample() - unmask INTx by eventfd
 * @device: the device
 * @fd: when KVM signals this eventfd, on the guest's end of interrupt, the kernel unmasks
 *	INTx with no call from user space. Stays the caller's; -1: none any more
 *
 * The call may come before or after INTx is connected. Turning INTx off forgets @fd.
 *
 * Return: 0 or what the kernel said.
 */
int bypass_vfio_irq_resample(struct bypass_vfio *device, int fd);

/**
 * bypass_vfio_irq_trigger() - signal vectors as if the device had raised them
 * @device: the device
 * @index: the type that is on
 * @start: first vector
 * @count: how many
 *
 * Return: 0 or what the kernel said.
 */
int bypass_vfio_irq_trigger(struct bypass_vfio *device, unsigned int index, unsigned int start,
			    unsigned int count);

/**
 * bypass_vfio_irq_raised() - interrupts that the device has raised since it was opened
 * @device: the device
 *
 * The kernel counts (/proc/interrupts), so the number is right even when eventfds coalesce.
 * The number for an INTx line includes the interrupts of other devices on that line. It lacks
 * interrupts that the IOMMU posts straight into a running guest: the kernel sees none of them.
 *
 * Return: their number.
 */
uint64_t bypass_vfio_irq_raised(struct bypass_vfio *device);

#ifdef __cplusplus
}
#endif
#endif
