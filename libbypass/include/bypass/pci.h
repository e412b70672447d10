/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * PCI functions of the host: which there are, what they can do, who drives them,
 * and whether a guest may have one.
 */
#ifndef BYPASS_PCI_H
#define BYPASS_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** BYPASS_ADDRESS_SIZE - room for "domain:bus:device.function" and a NUL, in bytes */
#define BYPASS_ADDRESS_SIZE 20

/**
 * struct bypass_function - one PCI function, as it was when it was read
 * @address: domain:bus:device.function, in the kernel's spelling, "0000:01:00.0"
 * @vendor_id: vendor ID
 * @device_id: device ID; of a VF, the one that its PF's SR-IOV capability gives
 * @class_code: base class, sub-class and programming interface, 0x020000 for Ethernet
 * @vendor: vendor by name, from pci.ids; "Vendor 1234" when it is not in there
 * @device: device by name, likewise
 * @class_name: class by name, likewise
 * @driver: driver that it is bound to; empty when there is none
 * @driver_override: the only driver that may bind it; empty when any may
 * @numa_node: NUMA node that it is closest to; -1 when the platform does not say
 * @iommu_group: IOMMU group; -1 when there is none: no IOMMU confines it
 * @group_size: functions in that group, itself included; 0 without a group
 * @vfs_total: VFs that it could have (TotalVFs of its SR-IOV capability); 0 when it is no PF
 * @vfs: VFs that it has now
 * @pf: of a VF, the address of its PF; else empty
 * @vf_index: of a VF, its number in the PF's list, from 0
 * @reset_methods: how the kernel can reset it, its favourite first, separated by blanks;
 *                 empty when it cannot
 * @bar_size: size of each BAR in bytes, 0 for one that is not there
 * @bar_traps: bit N: BAR N is memory and smaller than a page, so a guest's accesses are exits
 * @rom_size: size of the expansion ROM in bytes, or 0
 * @is_bridge: a bridge (header type 1 or 2, or base class 06h): nothing that a guest could have
 *
 * Source: PCI Express Base Specification 6.0, chapters 7.5 (header) and 9.3 (SR-IOV);
 * Linux Documentation/ABI/testing/sysfs-bus-pci.
 */
struct bypass_function {
	char address[BYPASS_ADDRESS_SIZE];
	uint16_t vendor_id;
	uint16_t device_id;
	uint32_t class_code;
	char vendor[64];
	char device[96];
	char class_name[64];
	char driver[32];
	char driver_override[32];
	int numa_node;
	int iommu_group;
	unsigned int group_size;
	unsigned int vfs_total;
	unsigned int vfs;
	char pf[BYPASS_ADDRESS_SIZE];
	unsigned int vf_index;
	char reset_methods[64];
	uint64_t bar_size[6];
	uint8_t bar_traps;
	uint64_t rom_size;
	bool is_bridge;
};

/**
 * bypass_address() - bring an address into the kernel's spelling
 * @text: "0000:01:00.0", or without the domain, "01:00.0"; upper or lower case
 * @address: filled in
 *
 * Says nothing about whether there is such a function.
 *
 * Return: 0, or -EINVAL when @text is no PCI address.
 */
int bypass_address(const char *text, char address[BYPASS_ADDRESS_SIZE]);

/**
 * bypass_functions() - every PCI function of the host
 * @list: receives an array that ends in NULL, ordered by address; give it back with
 *        bypass_functions_free()
 *
 * A function that vanishes while the list is made is left out. Needs no privilege.
 *
 * Return: how many there are, or a negative errno.
 */
int bypass_functions(struct bypass_function ***list);

/**
 * bypass_functions_free() - give a list back
 * @list: from bypass_functions(); NULL is fine
 */
void bypass_functions_free(struct bypass_function **list);

/**
 * bypass_function() - one PCI function
 * @address: as bypass_address() takes it
 * @function: filled in
 *
 * Return: 0; -EINVAL when @address is no PCI address; -ENODEV when there is no such function.
 */
int bypass_function(const char *address, struct bypass_function *function);

/**
 * bypass_group_members() - the functions that share an IOMMU group
 * @group: number of the group
 * @members: receives an array of addresses in ascending order; give it back with free()
 *
 * Return: how many there are, or a negative errno: -ENODEV when there is no such group.
 */
int bypass_group_members(int group, char (**members)[BYPASS_ADDRESS_SIZE]);

/**
 * bypass_iommu_check() - does this host have an IOMMU in use?
 *
 * VFIO's mode without an IOMMU (enable_unsafe_noiommu_mode) makes groups too. They do not count, as
 * nothing confines their members.
 *
 * Return: 0; -ENOTSUP when it has none.
 */
int bypass_iommu_check(void);

/**
 * bypass_group_check() - can the IOMMU group of a function be given to a guest?
 * @address: as bypass_address() takes it
 *
 * The kernel hands out a group only when no driver of the host can do DMA from inside it:
 * each member is bound to a VFIO driver or to none, or is a bridge between PCI buses.
 *
 * Return: 0; -ENODEV when there is no such function; -ENOTSUP when it has no group because no
 * IOMMU is in use; -EPERM when a member is in the way: bypass_error() names it, its driver, and
 * what to do about it.
 */
int bypass_group_check(const char *address);

/**
 * bypass_function_check() - can a guest have this function now?
 * @address: as bypass_address() takes it
 *
 * Everything that must hold before VFIO is asked for it: it exists, a VFIO driver has it, its
 * IOMMU group is viable.
 *
 * Return: 0; -EBUSY when a driver of the host (or none) has it, bypass_error() then says how to
 * carve it; else as bypass_group_check().
 */
int bypass_function_check(const char *address);

/**
 * bypass_function_burden() - is this function in use?
 * @address: as bypass_address() takes it
 *
 * Looks for programs that have the function or a device of its driver open. Looks for file systems,
 * swap and other users of its disks. Looks for addresses, routes, other interfaces and network
 * namespaces that depend on its interfaces. bypass(7) has the table. Taking such a function from its driver
 * hurts the host. Without privilege less is seen.
 *
 * Return: 0 when nothing was found; -EBUSY when it is in use: bypass_error() names the
 * user and how to end the use; another negative errno when it could not be found out.
 */
int bypass_function_burden(const char *address);

#define BYPASS_PROCESS_NAME_SIZE 32

/**
 * bypass_process_name() - name of a process
 * @pid: its ID
 * @name: receives what /proc/PID/comm says, made safe to print; "?" when there is no such process
 */
void bypass_process_name(pid_t pid, char name[BYPASS_PROCESS_NAME_SIZE]);

/**
 * struct bypass_holder - the process that has a function open through VFIO
 * @pid: its ID
 * @name: its name, see bypass_process_name()
 */
struct bypass_holder {
	pid_t pid;
	char name[BYPASS_PROCESS_NAME_SIZE];
};

/**
 * bypass_function_holder() - who has this function open?
 * @address: as bypass_address() takes it
 * @holder: filled in when somebody has
 *
 * A process holds a function when it has the function's IOMMU group or its VFIO device node open.
 * Without privilege only the caller's own processes are seen.
 *
 * Return: 1 when somebody has, 0 when nobody, or a negative errno.
 */
int bypass_function_holder(const char *address, struct bypass_holder *holder);

/**
 * bypass_function_interrupts() - interrupts that a function has raised
 * @address: as bypass_address() takes it
 * @intx: count its INTx line, which counts since the host was booted; else its MSI and MSI-X
 *        vectors, which count since they were switched on, and are gone when they are off
 *
 * The kernel's own count, also of interrupts that went straight into a guest.
 *
 * Return: their number; 0 when there are none.
 */
uint64_t bypass_function_interrupts(const char *address, bool intx);

#ifdef __cplusplus
}
#endif
#endif
