// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vCPUs: one thread each, which runs the guest and answers its exits.
 *
 * The signal that takes a vCPU out of the guest is blocked except inside KVM_RUN. So the
 * signal ends KVM_RUN whenever it comes, and needs no handler.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

#define KICK SIGUSR1

static void handle_mmio(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;

	cpu->exits[CAUSE_MMIO]++;
	if (!slices_mmio(&cpu->vmm->slices, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			 run->mmio.is_write) &&
	    !run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

/* A string instruction brings several accesses to one port in one exit. */
static void handle_pio(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;
	uint16_t port = run->io.port;

	cpu->exits[CAUSE_PIO]++;
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (port >= SERIAL_PORT && port < SERIAL_PORT + 8 && run->io.size == 1)
			serial_pio(&cpu->vmm->serial, port - SERIAL_PORT, data, write);
		else if (run->io.size == 1 && acpi_pio(cpu->vmm, port, data, write))
			continue;
		else if (!slices_pio(&cpu->vmm->slices, port, data, run->io.size, write) && !write)
			memset(data, 0xff, run->io.size);
	}
}

/* An exit that no guest should cause. */
static void give_up(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	struct kvm_regs regs = {0};
	char why[160];

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		snprintf(why, sizeof(why), "the guest crashed (triple fault)");
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(why, sizeof(why),
			 "the CPU refused to enter the guest (hardware reason %#llx)",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(why, sizeof(why), "KVM could not go on (internal error, sub-error %u%s)",
			 run->internal.suberror,
			 run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ? ": an "
										  "instruction "
										  "that it cannot "
										  "emulate"
										: "");
		break;
	default:
		snprintf(why, sizeof(why), "KVM returned exit reason %u, which is not expected",
			 run->exit_reason);
	}
	ioctl(cpu->fd, KVM_GET_REGS, &regs);
	event_fail(cpu->vmm, "vCPU %u: %s at RIP %#llx", cpu->id, why,
		   (unsigned long long)regs.rip);
}

static void handle_exit(struct cpu *cpu)
{
	switch (cpu->run->exit_reason) {
	case KVM_EXIT_MMIO:
		handle_mmio(cpu);
		break;
	case KVM_EXIT_IO:
		handle_pio(cpu);
		break;
	case KVM_EXIT_INTR:
		cpu->exits[CAUSE_OTHER]++;
		break;
	default:
		cpu->exits[CAUSE_OTHER]++;
		give_up(cpu);
	}
}

/* Takes a kick that a stranger sent: a pending one would end every KVM_RUN at once. */
static void drop_kick(void)
{
	const struct timespec none = {0};
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KICK);
	sigtimedwait(&kick, NULL, &none);
}

static void *run_cpu(void *opaque)
{
	struct cpu *cpu = opaque;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", cpu->id);
	pthread_setname_np(pthread_self(), name);
	/* A guest that has reset the machine must not go on: it would try other ways to reboot. */
	while (!cpu->vmm->stopping && cpu->vmm->event == EVENT_NONE) {
		if (!ioctl(cpu->fd, KVM_RUN, 0)) {
			handle_exit(cpu);
		} else if (errno == EINTR) {
			cpu->exits[CAUSE_OTHER]++;
			drop_kick();
		} else if (errno != EAGAIN) { /* EAGAIN: woken while it waits for INIT and SIPI */
			event_fail(cpu->vmm, "vCPU %u: KVM_RUN: %s", cpu->id, strerror(errno));
			break;
		}
	}
	/* KVM finishes an access that we answered at the next entry: enter now. */
	cpu->run->immediate_exit = 1;
	ioctl(cpu->fd, KVM_RUN, 0);
	cpu->run->immediate_exit = 0;
	return NULL;
}

/* The signals that are blocked inside KVM_RUN: those blocked outside, without the kick. */
static int set_signal_mask(struct cpu *cpu)
{
	union {
		struct kvm_signal_mask head;
		uint8_t bytes[sizeof(struct kvm_signal_mask) + sizeof(uint64_t)];
	} mask = {.head.len = sizeof(uint64_t)};
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	sigdelset(&set, KICK);
	memcpy(mask.head.sigset, &set, sizeof(uint64_t)); /* the kernel's set is 64 bits */
	if (ioctl(cpu->fd, KVM_SET_SIGNAL_MASK, &mask) < 0)
		return bypass_fail(errno, "KVM_SET_SIGNAL_MASK: %s", strerror(errno));
	return 0;
}

/**
 * cpu_create() - make a vCPU
 * @cpu: its number, which is its APIC ID too, and its machine are set
 *
 * Return: 0, or a negative errno with bypass_error(). Either way cpu_destroy() undoes it.
 */
int cpu_create(struct cpu *cpu)
{
	struct vmm *vmm = cpu->vmm;
	unsigned int id = cpu->id;
	int ret, size;

	cpu->fd = ioctl(vmm->vm_fd, KVM_CREATE_VCPU, id);
	if (cpu->fd < 0)
		return bypass_fail(errno, "vCPU %u cannot be created: %s", id, strerror(errno));
	size = ioctl(vmm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	cpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return bypass_fail(errno, "vCPU %u cannot be mapped: %s", id, strerror(errno));
	}
	ret = set_signal_mask(cpu);
	if (!ret)
		ret = cpuid_set(cpu);
	if (!ret)
		ret = power_on_save(cpu);
	return ret;
}

void cpu_destroy(struct cpu *cpu)
{
	int size = ioctl(cpu->vmm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	power_on_free(cpu);
	if (cpu->run)
		munmap(cpu->run, size);
	if (cpu->fd >= 0)
		close(cpu->fd);
}

/**
 * cpu_start_all() - let the guest run
 * @vmm: the machine
 *
 * Return: 0, or a negative errno with bypass_error(); cpu_stop_all() is due in any case.
 */
int cpu_start_all(struct vmm *vmm)
{
	int err;

	vmm->stopping = false;
	for (unsigned int i = 0; i < vmm->n_cpus; i++) {
		err = pthread_create(&vmm->cpus[i].thread, NULL, run_cpu, &vmm->cpus[i]);
		if (err)
			return bypass_fail(err, "no thread for vCPU %u: %s", i, strerror(err));
		vmm->cpus[i].running = true;
	}
	return 0;
}

/**
 * cpu_stop_all() - take every vCPU out of the guest and end its thread
 * @vmm: the machine
 */
void cpu_stop_all(struct vmm *vmm)
{
	vmm->stopping = true;
	for (unsigned int i = 0; i < vmm->n_cpus; i++)
		if (vmm->cpus[i].running)
			pthread_kill(vmm->cpus[i].thread, KICK);
	for (unsigned int i = 0; i < vmm->n_cpus; i++) {
		if (vmm->cpus[i].running)
			pthread_join(vmm->cpus[i].thread, NULL);
		vmm->cpus[i].running = false;
	}
}
