/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A VM on the fake KVM with the fake slice plugged at 00:02.0, and the guest's
 * side of config space and MMIO.
 */
#ifndef FAKE_VM_H
#define FAKE_VM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bypass/kvm.h>

#include "fake_kvm.h"
#include "fake_slice.h"

#define DEVFN	  0x10
#define INTX_GSI  10
#define FIRST_GSI 24
#define MMIO32	  0xe0000000ull
#define MMIO64	  0x1000000000ull
#define RAM_SIZE  0x200000ull
#define APIC	  0xfee01000u

struct fake_vm {
	struct bypass_vm *vm;
	struct fake_slice *fake;
	void *ram;
};

static inline struct bypass_vm_config fake_vm_config(void)
{
	return (struct bypass_vm_config){
		.first_slot = 8,
		.first_gsi = FIRST_GSI,
		.phys_bits = 46,
		.mmio32 = {MMIO32, 0x100000},
		.mmio64 = {MMIO64, 0x100000},
		.pio = {0xc000, 0x100},
	};
}

static inline int fake_vm_setup(void **state)
{
	struct bypass_vm_config config = fake_vm_config();
	struct fake_vm *t = calloc(1, sizeof(*t));
	struct bypass_memory_range ram = {.size = RAM_SIZE, .fd = -1};

	fake_kvm_open();
	t->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ram.hva = t->ram;
	t->fake = fake_slice_open();
	if (bypass_vm_attach(fake_kvm.fd, &config, &t->vm) ||
	    bypass_vm_add_ram(t->vm, &ram, true) ||
	    bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI))
		return -1;
	*state = t;
	return 0;
}

/* Nothing may be left in KVM, and nobody may have broken a contract. */
static inline int fake_vm_teardown(void **state)
{
	struct fake_vm *t = *state;
	unsigned int left, wrong = t->fake->wrong;

	bypass_vm_detach(t->vm);
	bypass_slice_close(&t->fake->slice);
	munmap(t->ram, RAM_SIZE);
	free(t);
	left = fake_slots() + fake_kvm.n_irqfds + fake_kvm.n_bells + fake_kvm.vfio_files;
	wrong += fake_kvm.wrong;
	fake_kvm_close();
	if (left || wrong)
		fprintf(stderr, "%u things left in KVM, %u wrong calls\n", left, wrong);
	return left || wrong ? -1 : 0;
}

static inline uint32_t cfg_read(struct fake_vm *t, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	assert_true(bypass_vm_pci(t->vm, DEVFN, offset, &value, size, false));
	return value;
}

static inline void cfg_write(struct fake_vm *t, uint32_t offset, uint32_t size, uint32_t value)
{
	assert_true(bypass_vm_pci(t->vm, DEVFN, offset, &value, size, true));
}

static inline uint64_t mmio_read(struct fake_vm *t, uint64_t gpa, uint32_t size)
{
	uint64_t value = 0;

	assert_true(bypass_vm_mmio(t->vm, gpa, &value, size, false));
	return value;
}

static inline void mmio_write(struct fake_vm *t, uint64_t gpa, uint32_t size, uint64_t value)
{
	assert_true(bypass_vm_mmio(t->vm, gpa, &value, size, true));
}

static inline uint64_t bar_address(struct fake_vm *t, unsigned int bar)
{
	uint64_t at = cfg_read(t, PCI_BASE_ADDRESS_0 + 4 * bar, 4);

	if ((at & 7) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		at |= (uint64_t)cfg_read(t, PCI_BASE_ADDRESS_1 + 4 * bar, 4) << 32;
	return at & ~(at & 1 ? 3ull : 15ull);
}

static inline void decode(struct fake_vm *t, bool on)
{
	uint32_t command = cfg_read(t, PCI_COMMAND, 2);
	uint32_t bits = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;

	cfg_write(t, PCI_COMMAND, 2, on ? command | bits : command & ~bits);
}

#endif
