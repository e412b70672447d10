// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A library to preload into a VMM of the emulated host: its guests tell the interrupt controller that an
 * interrupt is handled by an exit, not through memory (KVM_FEATURE_PV_EOI of asm/kvm_para.h).
 *
 * QEMU 11.1 without KVM runs a guest's VMRUN with an injected interrupt, and remembers the interrupt
 * until the next exit (helper_vmrun() leaves exception_index set). When another thread of QEMU asks for the CPU in
 * between, QEMU delivers the interrupt a second time, also to a CPU that has interrupts disabled. A timer's
 * interrupt then waits for the lock that the same handler holds. With an exit at the handler's begin, a
 * second delivery meets no lock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>

#define LEAF_KVM_FEATURES  0x40000001
#define FEATURE_PV_EOI_BIT 6

int ioctl(int fd, unsigned long request, ...)
{
	static int (*machine_ioctl)(int fd, unsigned long request, void *arg);
	struct kvm_cpuid2 *cpuid;
	va_list args;
	int ret;

	if (!machine_ioctl)
		machine_ioctl = (typeof(machine_ioctl))dlsym(RTLD_NEXT, "ioctl");
	va_start(args, request);
	cpuid = va_arg(args, void *);
	va_end(args);
	ret = machine_ioctl(fd, request, cpuid);
	if (ret || request != KVM_GET_SUPPORTED_CPUID)
		return ret;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == LEAF_KVM_FEATURES)
			cpuid->entries[i].eax &= ~(1u << FEATURE_PV_EOI_BIT);
	return ret;
}
