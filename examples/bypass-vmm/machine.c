// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The machine as a whole: VM, interrupt controllers, memory, vCPUs, console and slices are
 * made, reset and taken down here.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define GIB		(1ull << 30)
#define MMIO64_SIZE_MAX (64 * GIB)

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

/* 64-bit BARs go above all RAM, as far as the CPU can address. */
static struct bypass_span mmio64_window(const struct bypass_memory *memory)
{
	unsigned int n, eax = 0, ebx, ecx, edx;
	const struct bypass_memory_range *last = bypass_memory_ranges(memory, &n) + n - 1;
	struct bypass_span span = {.base = last->gpa + last->size};
	uint64_t limit;

	if (!__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx))
		eax = 36;
	limit = 1ull << (eax & 0xff);
	if (span.base < BYPASS_MEMORY_HIGH)
		span.base = BYPASS_MEMORY_HIGH;
	span.base = (span.base + GIB - 1) & ~(GIB - 1);
	if (span.base < limit)
		span.size = limit - span.base < MMIO64_SIZE_MAX ? limit - span.base
								: MMIO64_SIZE_MAX;
	return span;
}

static int create_memory(struct vmm *vmm, const struct options *opt)
{
	int ret;

	vmm->memory = bypass_memory_new();
	if (!vmm->memory)
		return bypass_fail(ENOMEM, "no memory for a guest memory map");
	ret = bypass_memory_alloc(vmm->memory, opt->mem, opt->hugepages);
	if (!ret)
		vmm->mmio64 = mmio64_window(vmm->memory);
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
	vmm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vmm->wake_fd < 0)
		return bypass_fail(errno, "no eventfd: %s", strerror(errno));
	ret = open_kvm(vmm);
	if (!ret)
		ret = create_irqchip(vmm);
	if (!ret)
		ret = create_memory(vmm, opt);
	if (!ret)
		ret = slices_create(vmm, opt);
	if (ret)
		return ret;
	serial_init(&vmm->serial, vmm);
	vmm->n_cpus = opt->cpus;
	for (unsigned int i = 0; i < vmm->n_cpus; i++)
		vmm->cpus[i] = (struct cpu){.vmm = vmm, .id = i, .fd = -1};
	for (unsigned int i = 0; i < vmm->n_cpus && !ret; i++)
		ret = cpu_create(&vmm->cpus[i]);
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
	return ret ? ret : slices_reset(&vmm->slices);
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
