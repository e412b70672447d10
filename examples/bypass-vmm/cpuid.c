// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The CPUID of a vCPU: all that KVM supports, with the machine's own topology (one socket,
 * one core for each vCPU, no threads).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "internal.h"

#define MAX_ENTRIES 256

#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_EDX_HTT	       (1u << 28)

/* How many low bits of an APIC ID tell the cores of the socket apart. */
static unsigned int core_bits(unsigned int n_cpus)
{
	return n_cpus > 1 ? 32 - __builtin_clz(n_cpus - 1) : 0;
}

static void set_features(struct vmm *vmm, struct cpu *cpu, struct kvm_cpuid_entry2 *e)
{
	e->ebx = (e->ebx & 0xffff) | vmm->n_cpus << 16 | cpu->id << 24;
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	if (vmm->n_cpus > 1)
		e->edx |= LEAF1_EDX_HTT;
	/* KVM has this timer on every CPU; without it Linux looks for a PIT to measure by. */
	if (ioctl(vmm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
}

/* Leaves 0xb and 0x1f: level 0 is threads, level 1 is cores, then there is no more. */
static void set_topology(struct vmm *vmm, struct cpu *cpu, struct kvm_cpuid_entry2 *e)
{
	uint32_t level = e->index;

	e->eax = level == 1 ? core_bits(vmm->n_cpus) : 0;
	e->ebx = level == 0 ? 1 : level == 1 ? vmm->n_cpus : 0;
	e->ecx = level | (level == 0 ? 1 << 8 : level == 1 ? 2 << 8 : 0);
	e->edx = cpu->id;
}

static void adapt(struct vmm *vmm, struct cpu *cpu, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0x1:
		set_features(vmm, cpu, e);
		break;
	case 0x4: /* Intel: who shares a cache; say nothing of the host's neighbours */
		e->eax &= 0x3fff;
		break;
	case 0xb:
	case 0x1f:
		set_topology(vmm, cpu, e);
		break;
	case 0x80000008: /* AMD: number of cores */
		e->ecx = core_bits(vmm->n_cpus) << 12 | (vmm->n_cpus - 1);
		break;
	case 0x8000001e: /* AMD: this core */
		e->eax = cpu->id;
		e->ebx = cpu->id & 0xff;
		e->ecx = 0;
		break;
	}
}

/* What KVM supports; free() it. NULL with bypass_error(). */
static struct kvm_cpuid2 *supported(const struct vmm *vmm)
{
	size_t size = sizeof(struct kvm_cpuid2) + MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *cpuid = calloc(1, size);

	if (!cpuid) {
		bypass_fail(ENOMEM, "no memory for a CPUID");
		return NULL;
	}
	cpuid->nent = MAX_ENTRIES;
	if (ioctl(vmm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		bypass_fail(errno, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
		free(cpuid);
		return NULL;
	}
	return cpuid;
}

/**
 * cpuid_set() - give a vCPU its CPUID
 * @cpu: new, has not run
 *
 * Return: 0, or a negative errno with bypass_error().
 */
int cpuid_set(struct cpu *cpu)
{
	struct kvm_cpuid2 *cpuid = supported(cpu->vmm);
	int ret = 0;

	if (!cpuid)
		return -ENOMEM;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		adapt(cpu->vmm, cpu, &cpuid->entries[i]);
	if (ioctl(cpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		ret = bypass_fail(errno, "KVM_SET_CPUID2: %s", strerror(errno));
	free(cpuid);
	return ret;
}

/**
 * cpuid_address_bits() - how far a guest can address
 * @vmm: the machine, with its descriptor of KVM
 *
 * Leaf 0x80000008 has the CPU's width in EAX bits 0 to 7. In bits 16 to 23 KVM has the width
 * that its page tables for guests reach, where this is less.
 *
 * Return: bits of a guest-physical address.
 */
unsigned int cpuid_address_bits(const struct vmm *vmm)
{
	struct kvm_cpuid2 *cpuid = supported(vmm);
	unsigned int bits = 36, guest;

	for (uint32_t i = 0; cpuid && i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != 0x80000008)
			continue;
		bits = cpuid->entries[i].eax & 0xff;
		guest = cpuid->entries[i].eax >> 16 & 0xff;
		if (guest && guest < bits)
			bits = guest;
	}
	free(cpuid);
	return bits;
}
