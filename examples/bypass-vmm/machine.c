// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The machine as a whole: VM, interrupt controllers, memory, vCPUs, console and slices are
 * made, reset and taken down here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define FIXED_DESCRIPTORS 16 /* KVM, the console, the kernel's file: whatever the slices are */
#define SLICE_DESCRIPTORS 16 /* what opening one takes at the most */

static int open_kvm(struct vmm *vmm)
{
	vmm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm->kvm_fd < 0)
		return bypass_fail(errno, "/dev/kvm cannot be opened: %s. %s", strerror(errno),
				   errno == EACCES ? "Join the group kvm, or run as root"
						   : "Load kvm-intel or kvm-amd, and enable "
						     "virtualisation in the firmware");
	vmm->vm_fd = ioctl(vmm->kvm_fd, KVM_CREATE_VM, 0);
	if (vmm->vm_fd < 0)
		return bypass_fail(errno, "KVM_CREATE_VM: %s", strerror(errno));
	return 0;
}

static int create_irqchip(struct vmm *vmm)
{
	uint64_t identity_map = KVM_PAGES;

	if (ioctl(vmm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
	    ioctl(vmm->vm_fd, KVM_SET_TSS_ADDR, KVM_PAGES + 0x1000) < 0 ||
	    ioctl(vmm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return bypass_fail(errno, "KVM cannot make its interrupt controllers: %s",
				   strerror(errno));
	for (unsigned int i = 0; i < 3; i++) {
		vmm->irqchip[i].chip_id = i;
		if (ioctl(vmm->vm_fd, KVM_GET_IRQCHIP, &vmm->irqchip[i]) < 0)
			return bypass_fail(errno, "KVM_GET_IRQCHIP: %s", strerror(errno));
	}
	return 0;
}

/* RAM leaves out what the slices' IOMMU reserves. 64-bit BARs lie above RAM. */
static int create_memory(struct vmm *vmm, const struct options *opt)
{
	const struct bypass_iova_range *free = NULL;
	unsigned int n_free = 0;
	int ret;

	vmm->memory = bypass_memory_new();
	if (!vmm->memory)
		return bypass_fail(ENOMEM, "no memory for a guest memory map");
	if (vmm->slices.iommu)
		free = bypass_iommu_ranges(vmm->slices.iommu, &n_free);
	ret = bypass_memory_alloc_within(vmm->memory, opt->mem, opt->hugepages, free, n_free);
	return ret ? ret : layout_mmio64(vmm, opt->mmio64);
}

/* What the guest's drivers can make us open: an eventfd for each vector, for RDMA a channel too. */
static uint64_t descriptors_to_come(const struct slices *slices)
{
	const struct bypass_slice *slice;
	uint64_t more = 0;

	for (unsigned int i = 0; i < slices->n; i++) {
		slice = slices->slice[i];
		more += slice->vectors[BYPASS_IRQ_MSIX] > slice->vectors[BYPASS_IRQ_MSI]
				? slice->vectors[BYPASS_IRQ_MSIX]
				: slice->vectors[BYPASS_IRQ_MSI];
		more += 2 * slice->vectors[BYPASS_IRQ_INTX];
		if (slices->rdma[i])
			more += slice->vectors[BYPASS_IRQ_MSIX];
	}
	return more;
}

static int create_cpus(struct vmm *vmm, const struct options *opt)
{
	int most = ioctl(vmm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS), ret = 0;

	if (most > 0 && opt->cpus > (unsigned int)most)
		return bypass_fail(EINVAL,
				   "--cpus %u: this host's KVM gives a guest %d at the most",
				   opt->cpus, most);
	vmm->n_cpus = opt->cpus;
	for (unsigned int i = 0; i < vmm->n_cpus; i++)
		vmm->cpus[i] = (struct cpu){.vmm = vmm, .id = i, .fd = -1};
	for (unsigned int i = 0; i < vmm->n_cpus && !ret; i++)
		ret = cpu_create(&vmm->cpus[i]);
	return ret;
}

/**
 * machine_create() - make all of it, ready to boot
 * @vmm: filled
 * @opt: the command line
 *
 * Return: 0, or a negative errno with bypass_error(). Either way machine_destroy() undoes it.
 */
int machine_create(struct vmm *vmm, const struct options *opt)
{
	int ret;

	*vmm = (struct vmm){.kvm_fd = -1, .vm_fd = -1, .wake_fd = -1};
	ret = descriptors_provide(FIXED_DESCRIPTORS + opt->cpus +
				  (uint64_t)opt->n_slices * SLICE_DESCRIPTORS);
	if (ret)
		return ret;
	vmm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vmm->wake_fd < 0)
		return bypass_fail(errno, "no eventfd: %s", strerror(errno));
	serial_init(&vmm->serial, vmm);
	ret = open_kvm(vmm);
	if (!ret)
		ret = create_irqchip(vmm);
	if (!ret)
		ret = slices_open(&vmm->slices, opt);
	if (!ret)
		ret = create_memory(vmm, opt);
	if (!ret)
		ret = slices_plug(vmm);
	if (!ret)
		ret = create_cpus(vmm, opt);
	if (!ret)
		ret = descriptors_provide(FIXED_DESCRIPTORS + descriptors_to_come(&vmm->slices));
	return ret;
}

/**
 * machine_reset() - as after power-on, with the same slices
 * @vmm: the machine; no vCPU runs
 *
 * Return: 0, or a negative errno with bypass_error().
 */
int machine_reset(struct vmm *vmm)
{
	int ret = 0;

	vmm->event = EVENT_NONE;
	for (unsigned int i = 0; i < vmm->n_cpus && !ret; i++)
		ret = power_on_restore(&vmm->cpus[i]);
	for (unsigned int i = 0; i < 3 && !ret; i++)
		if (ioctl(vmm->vm_fd, KVM_SET_IRQCHIP, &vmm->irqchip[i]) < 0)
			ret = bypass_fail(errno, "KVM_SET_IRQCHIP: %s", strerror(errno));
	serial_reset(&vmm->serial);
	slices_reset(&vmm->slices);
	return ret;
}

/**
 * machine_destroy() - give everything back
 * @vmm: as machine_create() left it; no vCPU runs
 */
void machine_destroy(struct vmm *vmm)
{
	for (unsigned int i = 0; i < vmm->n_cpus; i++)
		cpu_destroy(&vmm->cpus[i]);
	slices_destroy(&vmm->slices);
	if (vmm->vm_fd >= 0)
		close(vmm->vm_fd);
	bypass_memory_free(vmm->memory);
	if (vmm->kvm_fd >= 0)
		close(vmm->kvm_fd);
	if (vmm->wake_fd >= 0)
		close(vmm->wake_fd);
}
