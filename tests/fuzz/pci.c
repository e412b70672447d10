// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest that does anything to a function's config space, MMIO and ports, on a
 * device whose config space is anything. Whatever comes: the slice is called by its
 * contract, the registers that are the host's stay as they were, and nothing is left.
 */
#include "../unit/fake_kvm.h"
#include "../unit/fake_slice.h"
#include "input.h"

#include <bypass/kvm.h>

#define DEVFN 0x10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A BAR's address, or any. */
static uint64_t take_address(struct input *s, struct bypass_vm *vm)
{
	unsigned int bar = take(s, 1);
	uint64_t at = 0;

	if (bar >= 5)
		return take(s, 8);
	bypass_vm_pci(vm, DEVFN, PCI_BASE_ADDRESS_0 + 4 * bar, &at, 4, false);
	if (!bar)
		bypass_vm_pci(vm, DEVFN, PCI_BASE_ADDRESS_1, (uint8_t *)&at + 4, 4, false);
	return (at & ~15ull) + take(s, 2);
}

static void step(struct input *s, struct bypass_vm *vm, struct fake_slice *f)
{
	unsigned int what = take(s, 1), size = 1 << (what >> 6), irq;
	uint64_t at, value = 0;

	switch (what % 8) {
	case 0:
	case 1:
		at = take(s, 2);
		value = take(s, 4);
		bypass_vm_pci(vm, DEVFN, at, &value, size > 4 ? 4 : size, what & 1);
		break;
	case 2:
	case 3:
		at = take_address(s, vm);
		value = take(s, size);
		bypass_vm_mmio(vm, at, &value, what & 16 ? take(s, 1) % 9 : size, what & 1);
		break;
	case 4:
		at = take_address(s, vm);
		value = take(s, 4);
		bypass_vm_pio(vm, at, &value, size > 4 ? 4 : size, what & 16);
		break;
	case 5: /* what drivers do all the time */
		value = take(s, 2);
		bypass_vm_pci(vm, DEVFN, PCI_COMMAND, &value, 2, true);
		value = take(s, 2);
		bypass_vm_pci(vm, DEVFN, FAKE_MSIX + PCI_MSIX_FLAGS, &value, 2, true);
		break;
	case 6:
		irq = take(s, 1);
		at = take(s, 1) % FAKE_VECTORS;
		if (f->fds[irq % BYPASS_IRQS][at] >= 0)
			eventfd_write(f->fds[irq % BYPASS_IRQS][at], 1);
		fake_deliver();
		break;
	case 7:
		if (what & 16)
			bypass_vm_reset(vm);
		break;
	}
}

/* Registers of the device that no guest may reach, wherever its capabilities claim to be. */
static void check_host(const struct fake_slice *f, const uint8_t *before)
{
	if (memcmp(f->config, before, PCI_COMMAND) ||
	    memcmp(f->config + PCI_STATUS + 2, before + PCI_STATUS + 2,
		   PCI_STD_HEADER_SIZEOF - PCI_STATUS - 2))
		abort();
}

static void run(struct input *s, struct fake_slice *f)
{
	struct bypass_vm_config config = {
		.first_slot = 8,
		.first_gsi = 24,
		.phys_bits = 46,
		.mmio32 = {0xe0000000, 0x100000},
		.mmio64 = {0x1000000000, 0x100000},
		.pio = {0xc000, 0x100},
	};
	struct bypass_memory_range ram = {.size = 0x200000, .hva = f->window.hva, .fd = -1};
	uint8_t before[4096];
	struct bypass_vm *vm;

	memcpy(before, f->config, sizeof(before));
	if (bypass_vm_attach(fake_kvm.fd, &config, &vm) || bypass_vm_add_ram(vm, &ram, true))
		abort();
	if (!bypass_vm_plug(vm, &f->slice, DEVFN, 10))
		while (s->left)
			step(s, vm, f);
	check_host(f, before);
	bypass_vm_detach(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input s = {data, size};
	struct fake_slice *f = fake_slice_open();
	unsigned int corrupted = take(&s, 1) % 8;

	fake_kvm_open();
	while (corrupted--) {
		uint32_t at = take(&s, 2) % 0x200;

		fake_put(f, at, 1, take(&s, 1));
	}
	run(&s, f);
	if (f->wrong || fake_kvm.wrong || fake_slots() || fake_kvm.n_irqfds || fake_kvm.n_bells)
		abort();
	bypass_slice_close(&f->slice);
	fake_kvm_close();
	return 0;
}
