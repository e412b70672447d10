/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A virtual machine for the measuring guest: one vCPU, run by the thread that
 * wants a job done.
 */
#ifndef BENCH_VM_H
#define BENCH_VM_H

#include <signal.h>
#include <time.h>

#include <bypass/kvm.h>

#include "abi.h"

/* Where BARs lie, and a place there that is never taken. */
#define BENCH_MMIO	0xc0000000ull
#define BENCH_MMIO_SIZE 0x30000000ull
#define BENCH_FREE_MMIO (BENCH_MMIO + BENCH_MMIO_SIZE - (64ull << 20))

struct kvm_run;

/**
 * struct bench_ram - the guest's RAM
 * @hva: BENCH_RAM bytes, zero
 * @fd: the memfd behind it
 */
struct bench_ram {
	uint8_t *hva;
	int fd;
};

/**
 * struct bench_vm - a VM with two slices
 * @kvm: /dev/kvm
 * @fd: the VM
 * @vcpu: its vCPU
 * @run: shared with KVM
 * @run_size: bytes of it
 * @ram: its RAM, not its own
 * @glue: what slices are plugged into
 * @pci_address: the guest's last write to the PCI config address port
 * @exits: returns from KVM_RUN
 */
struct bench_vm {
	int kvm;
	int fd;
	int vcpu;
	struct kvm_run *run;
	size_t run_size;
	const struct bench_ram *ram;
	struct bypass_vm *glue;
	uint32_t pci_address;
	uint64_t exits;
};

/* Opens KVM and makes a VM with local APICs; on failure too, what is not -1 is to be closed. */
int bench_kvm_open(int *kvm, int *vm);

int bench_ram_alloc(struct bench_ram *ram);
void bench_ram_free(struct bench_ram *ram);

/* The job that the guest does next, and its result. */
static inline struct bench_job *bench_ram_job(const struct bench_ram *ram)
{
	return (struct bench_job *)(ram->hva + BENCH_JOB);
}

/**
 * bench_vm_open() - make the VM with both slices plugged, the guest loaded
 * @vm: filled; to be given to bench_vm_close()
 * @ram: its RAM; must outlive the VM
 * @ring: the slice served by another thread
 * @trap: the slice served in the trap; or NULL
 * @hca: a function of the ConnectX model; or NULL
 *
 * Return: 0 or a negative errno with bypass_error().
 */
int bench_vm_open(struct bench_vm *vm, const struct bench_ram *ram, struct bypass_slice *ring,
		  struct bypass_slice *trap, struct bypass_slice *hca);

/* Unplugs the slices and closes the VM. Harmless on one that failed to open. */
void bench_vm_close(struct bench_vm *vm);

/**
 * bench_vm_run() - let the guest run until it asks for a job
 * @vm: the VM
 * @seconds: after which a guest that completes no operation is given up
 *
 * Return: 0 or a negative errno: -ETIMEDOUT, -EFAULT (an exception in the guest),
 * or what KVM said.
 */
int bench_vm_run(struct bench_vm *vm, unsigned int seconds);

#endif
