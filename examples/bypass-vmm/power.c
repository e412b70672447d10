// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The state of a vCPU after power-on: saved from a new vCPU, restored when the guest is reset.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "internal.h"

#define MSR_TSC		  0x10
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE_WB	  0x806

struct power_on {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_lapic_state lapic;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_msr_entry *msrs;
	unsigned int n_msrs;
};

static struct kvm_msr_list *msr_list(int kvm_fd)
{
	struct kvm_msr_list probe = {0}, *list;

	ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, &probe);
	list = calloc(1, sizeof(*list) + probe.nmsrs * sizeof(list->indices[0]));
	if (!list)
		return NULL;
	list->nmsrs = probe.nmsrs;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		list->nmsrs = 0;
	return list;
}

/* KVM_GET_MSRS or KVM_SET_MSRS of one register. */
static bool access_msr(struct cpu *cpu, unsigned long request, struct kvm_msr_entry *entry)
{
	union {
		struct kvm_msrs head;
		uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(*entry)];
	} one = {.head.nmsrs = 1};

	one.head.entries[0] = *entry;
	if (ioctl(cpu->fd, request, &one) != 1)
		return false;
	*entry = one.head.entries[0];
	return true;
}

/* KVM lists MSRs that a vCPU may lack, so each is read alone. The TSC is left out: time goes on. */
static int save_msrs(struct cpu *cpu)
{
	struct kvm_msr_list *list = msr_list(cpu->vmm->kvm_fd);
	struct power_on *state = cpu->power_on;

	if (list)
		state->msrs = calloc(list->nmsrs, sizeof(state->msrs[0]));
	for (uint32_t i = 0; state->msrs && i < list->nmsrs; i++) {
		struct kvm_msr_entry entry = {.index = list->indices[i]};

		if (entry.index != MSR_TSC && access_msr(cpu, KVM_GET_MSRS, &entry))
			state->msrs[state->n_msrs++] = entry;
	}
	free(list);
	return state->msrs ? 0 : bypass_fail(ENOMEM, "no memory for vCPU %u", cpu->id);
}

/**
 * power_on_save() - remember a new vCPU's state
 * @cpu: has its CPUID, has not run
 *
 * Return: 0, or a negative errno with bypass_error(). Freed by power_on_free() in any case.
 */
int power_on_save(struct cpu *cpu)
{
	struct kvm_msr_entry mtrr = {.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE_WB};
	struct power_on *state = calloc(1, sizeof(*state));

	if (!state)
		return bypass_fail(ENOMEM, "no memory for vCPU %u", cpu->id);
	cpu->power_on = state;
	/* Firmware would: memory is write-back where the guest's page tables say no other. */
	access_msr(cpu, KVM_SET_MSRS, &mtrr);
	if (ioctl(cpu->fd, KVM_GET_REGS, &state->regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &state->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_LAPIC, &state->lapic) < 0 ||
	    ioctl(cpu->fd, KVM_GET_DEBUGREGS, &state->debugregs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &state->events) < 0 ||
	    ioctl(cpu->fd, KVM_GET_MP_STATE, &state->mp_state) < 0)
		return bypass_fail(errno, "the state of vCPU %u cannot be read: %s", cpu->id,
				   strerror(errno));
	return save_msrs(cpu);
}

/**
 * power_on_restore() - put a vCPU back
 * @cpu: does not run
 *
 * Return: 0, or a negative errno with bypass_error().
 */
int power_on_restore(struct cpu *cpu)
{
	struct power_on *state = cpu->power_on;

	/* The local APIC's base and mode are among the system registers: those come first. */
	if (ioctl(cpu->fd, KVM_SET_SREGS, &state->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_REGS, &state->regs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_LAPIC, &state->lapic) < 0 ||
	    ioctl(cpu->fd, KVM_SET_DEBUGREGS, &state->debugregs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &state->events) < 0 ||
	    ioctl(cpu->fd, KVM_SET_MP_STATE, &state->mp_state) < 0)
		return bypass_fail(errno, "vCPU %u cannot be reset: %s", cpu->id, strerror(errno));
	/* A register that cannot be restored is one that the guest could not change. */
	for (unsigned int i = 0; i < state->n_msrs; i++)
		access_msr(cpu, KVM_SET_MSRS, &state->msrs[i]);
	return 0;
}

void power_on_free(struct cpu *cpu)
{
	if (cpu->power_on)
		free(cpu->power_on->msrs);
	free(cpu->power_on);
	cpu->power_on = NULL;
}
