// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The same on this machine's KVM, where there is one. A guest of a few instructions reads
 * and writes a window, rings a doorbell, runs into the traps, and gets an interrupt.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include <bypass/kvm.h>
#include <linux/kvm.h>

#include "fake_slice.h"

#define DEVFN	 0x10
#define CODE	 0x1000
#define BAR0	 0xd0000u
#define BAR2	 0xd8000u
#define RAM_SIZE 0x20000
#define VECTOR	 0x41

/* 16-bit real mode: it reaches what lies below 1 MiB. */
static const uint8_t program[] = {
	0xb8, 0x00, 0xd0,	/* mov $0xd000, %ax */
	0x8e, 0xd8,		/* mov %ax, %ds */
	0xa0, 0x00, 0x00,	/* mov 0, %al: window */
	0xfe, 0xc0,		/* inc %al */
	0xa2, 0x01, 0x00,	/* mov %al, 1: window */
	0xa2, 0x08, 0x20,	/* mov %al, 0x2008: MSI-X table, exits */
	0xb8, 0x00, 0xd8,	/* mov $0xd800, %ax */
	0x8e, 0xd8,		/* mov %ax, %ds */
	0x66, 0xa3, 0x80, 0x00, /* mov %eax, 0x80: doorbell */
	0xa1, 0x10, 0x00,	/* mov 0x10, %ax: trap, exits */
	0xe7, 0xf4,		/* out %ax, $0xf4: exits, the end */
};

struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	void *ram;
	struct bypass_vm *glue;
	struct fake_slice *fake;
};

static struct machine m = {.kvm = -1, .vm = -1, .vcpu = -1};

static void machine_create(void)
{
	struct kvm_lapic_state apic;

	m.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m.kvm < 0) {
		print_message("no /dev/kvm here: %s\n", strerror(errno));
		skip();
	}
	m.vm = ioctl(m.kvm, KVM_CREATE_VM, 0);
	assert_true(m.vm >= 0);
	assert_int_equal(ioctl(m.vm, KVM_CREATE_IRQCHIP, 0), 0);
	m.vcpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
	assert_true(m.vcpu >= 0);
	m.run_size = ioctl(m.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	m.run = mmap(NULL, m.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	assert_ptr_not_equal(m.run, MAP_FAILED);
	/* Switch the local APIC on, as its spurious vector register does. */
	assert_int_equal(ioctl(m.vcpu, KVM_GET_LAPIC, &apic), 0);
	apic.regs[0xf0] = 0xff;
	apic.regs[0xf1] = 0x01;
	assert_int_equal(ioctl(m.vcpu, KVM_SET_LAPIC, &apic), 0);
}

static void machine_start_at(uint64_t rip)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rip = rip, .rflags = 2};

	assert_int_equal(ioctl(m.vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	assert_int_equal(ioctl(m.vcpu, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(m.vcpu, KVM_SET_REGS, &regs), 0);
}

static void cfg_write(uint32_t offset, uint32_t size, uint32_t value)
{
	assert_true(bypass_vm_pci(m.glue, DEVFN, offset, &value, size, true));
}

static void plug(void)
{
	struct bypass_vm_config config = {.first_slot = 4, .first_gsi = 24};
	struct bypass_memory_range ram = {.size = RAM_SIZE, .fd = -1};

	m.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ram.hva = m.ram;
	memcpy((uint8_t *)m.ram + CODE, program, sizeof(program));
	m.fake = fake_slice_open();
	assert_int_equal(bypass_vm_attach(m.vm, &config, &m.glue), 0);
	assert_int_equal(bypass_vm_add_ram(m.glue, &ram, true), 0);
	assert_int_equal(bypass_vm_plug(m.glue, &m.fake->slice, DEVFN, 10), 0);
	cfg_write(PCI_BASE_ADDRESS_0, 4, BAR0);
	cfg_write(PCI_BASE_ADDRESS_2, 4, BAR2);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

/* Run to the end; returns the number of exits to user space before it. */
static unsigned int run(void)
{
	for (unsigned int exits = 0;; exits++) {
		assert_int_equal(ioctl(m.vcpu, KVM_RUN, 0), 0);
		if (m.run->exit_reason == KVM_EXIT_IO)
			return exits;
		assert_int_equal(m.run->exit_reason, KVM_EXIT_MMIO);
		assert_true(bypass_vm_mmio(m.glue, m.run->mmio.phys_addr, m.run->mmio.data,
					   m.run->mmio.len, m.run->mmio.is_write));
	}
}

static void test_window_doorbell_trap(void **state)
{
	uint8_t *window;
	struct kvm_regs regs;
	uint64_t value = 0;
	eventfd_t n;

	(void)state;
	machine_create();
	plug();
	window = m.fake->window.hva;
	window[0] = 0x29;
	machine_start_at(CODE);
	assert_int_equal(run(), 2); /* the table and the trap; neither window nor doorbell */
	assert_int_equal(window[1], 0x2a);
	assert_int_equal(eventfd_read(m.fake->kick.fd, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ioctl(m.vcpu, KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rax & 0xffff, 0x1110);
	assert_true(bypass_vm_mmio(m.glue, BAR0 + FAKE_TABLE + 8, &value, 4, false));
	assert_int_equal(value, 0x2a);
}

static bool vector_raised(void)
{
	struct kvm_lapic_state apic;

	/* Delivery may take a moment: the kernel does part of it in a work queue. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(ioctl(m.vcpu, KVM_GET_LAPIC, &apic), 0);
		if (apic.regs[0x200 + VECTOR / 32 * 16 + VECTOR % 32 / 8] >> VECTOR % 8 & 1)
			return true;
		usleep(1000);
	}
	return false;
}

static void test_vector_reaches_the_local_apic(void **state)
{
	uint32_t entry[4] = {0xfee00000, 0, VECTOR, 1};
	uint64_t pending = 0;

	(void)state;
	if (m.kvm < 0)
		skip();
	for (unsigned int i = 0; i < 4; i++)
		assert_true(bypass_vm_mmio(m.glue, BAR0 + FAKE_TABLE + 4 * i, &entry[i], 4, true));
	cfg_write(FAKE_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	entry[3] = 0;
	assert_true(bypass_vm_mmio(m.glue, BAR0 + FAKE_TABLE + 12, &entry[3], 4, true));
	/* Masked again, it waits; opened, it comes through. */
	entry[3] = 1;
	assert_true(bypass_vm_mmio(m.glue, BAR0 + FAKE_TABLE + 12, &entry[3], 4, true));
	assert_int_equal(eventfd_write(m.fake->fds[BYPASS_IRQ_MSIX][0], 1), 0);
	assert_true(bypass_vm_mmio(m.glue, BAR0 + FAKE_PBA, &pending, 8, false));
	assert_int_equal(pending, 1);
	entry[3] = 0;
	assert_true(bypass_vm_mmio(m.glue, BAR0 + FAKE_TABLE + 12, &entry[3], 4, true));
	assert_true(vector_raised());
}

/* Addresses that the kernel itself refuses. */
static void test_impossible_places(void **state)
{
	static const uint64_t places[] = {
		0, 0xfee00000, 0xfffffffffff00000, 0x8000000000000000, 1ull << 53,
	};
	uint64_t value = 0;

	(void)state;
	if (m.kvm < 0)
		skip();
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		cfg_write(PCI_BASE_ADDRESS_0, 4, places[i]);
		cfg_write(PCI_BASE_ADDRESS_1, 4, places[i] >> 32);
		assert_false(bypass_vm_mmio(m.glue, places[i] + FAKE_TABLE, &value, 4, false));
	}
	cfg_write(PCI_BASE_ADDRESS_0, 4, BAR0);
	cfg_write(PCI_BASE_ADDRESS_1, 4, 0);
	((uint8_t *)m.fake->window.hva)[0] = 0x51;
	machine_start_at(CODE);
	assert_int_equal(run(), 2);
	assert_int_equal(((uint8_t *)m.fake->window.hva)[1], 0x52);
}

static int machine_free(void **state)
{
	(void)state;
	if (m.kvm < 0)
		return 0;
	bypass_vm_detach(m.glue);
	bypass_slice_close(&m.fake->slice);
	munmap(m.run, m.run_size);
	munmap(m.ram, RAM_SIZE);
	close(m.vcpu);
	close(m.vm);
	close(m.kvm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_doorbell_trap),
		cmocka_unit_test(test_vector_reaches_the_local_apic),
		cmocka_unit_test(test_impossible_places),
	};

	return cmocka_run_group_tests(tests, NULL, machine_free);
}
