// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * BARs: where they are, what of them exits, and what becomes of one that the guest
 * puts somewhere impossible.
 */
#include "fake_vm.h"

static void test_size(void **state)
{
	struct fake_vm *t = *state;

	cfg_write(t, PCI_BASE_ADDRESS_0, 4, ~0u);
	cfg_write(t, PCI_BASE_ADDRESS_1, 4, ~0u);
	assert_int_equal(cfg_read(t, PCI_BASE_ADDRESS_0, 4), 0xffff800c);
	assert_int_equal(cfg_read(t, PCI_BASE_ADDRESS_1, 4), 0xffffffff);
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, ~0u);
	assert_int_equal(cfg_read(t, PCI_BASE_ADDRESS_2, 4), 0xfffff000);
	cfg_write(t, PCI_BASE_ADDRESS_3, 4, ~0u);
	assert_int_equal(cfg_read(t, PCI_BASE_ADDRESS_3, 4), 0);
	cfg_write(t, PCI_BASE_ADDRESS_4, 4, ~0u);
	assert_int_equal(cfg_read(t, PCI_BASE_ADDRESS_4, 4), 0xffffffe1);
}

static void test_home(void **state)
{
	struct fake_vm *t = *state;
	struct fake_slice *second = fake_slice_open();
	struct bypass_slice_stats stats;

	assert_int_equal(bar_address(t, 0), MMIO64);
	assert_int_equal(bar_address(t, 2), MMIO32);
	assert_int_equal(bar_address(t, 4), 0xc000);
	assert_null(fake_memory(MMIO64)); /* not before the guest says so */
	decode(t, true);
	assert_ptr_equal(fake_memory(MMIO64), t->fake->window.hva);
	assert_int_equal(bypass_vm_stats(t->vm, &t->fake->slice, &stats), 0);
	assert_int_equal(stats.window_bytes, 0x6000);
	assert_int_equal(stats.dma_bytes, RAM_SIZE);
	assert_int_equal(bypass_vm_stats(t->vm, &second->slice, &stats), -ENOENT);

	assert_int_equal(bypass_vm_plug(t->vm, &second->slice, DEVFN + 8, -1), 0);
	uint32_t low = 0;
	bypass_vm_pci(t->vm, DEVFN + 8, PCI_BASE_ADDRESS_0, &low, 4, false);
	assert_int_equal(low & ~15u, (uint32_t)MMIO64 + 0x8000);
	bypass_vm_pci(t->vm, DEVFN + 8, PCI_BASE_ADDRESS_2, &low, 4, false);
	assert_int_equal(low & ~15u, MMIO32 + 0x1000);
	assert_int_equal(bypass_vm_unplug(t->vm, &second->slice), 0);
	bypass_slice_close(&second->slice);
}

/* Only the pages of the table and of the pending bits exit. */
static void test_only_two_pages_trap(void **state)
{
	struct fake_vm *t = *state;
	uint8_t *hva = t->fake->window.hva;

	decode(t, true);
	for (uint64_t at = 0; at < 0x8000; at += 0x1000) {
		if (at == FAKE_TABLE || at == FAKE_PBA)
			assert_null(fake_memory(MMIO64 + at));
		else
			assert_ptr_equal(fake_memory(MMIO64 + at), hva + at);
	}
	/* Registers that share the page with the table are the slice's, by way of a trap. */
	assert_int_equal(mmio_read(t, MMIO64 + FAKE_TABLE + 0x800, 2), 0x0100);
	assert_int_equal(t->fake->last_offset, FAKE_TABLE + 0x800);
	mmio_write(t, MMIO64 + FAKE_PBA + 0x10, 8, 0x1122334455667788);
	assert_int_equal(t->fake->last_value, 0x1122334455667788);
}

static void test_move(void **state)
{
	struct fake_vm *t = *state;

	decode(t, true);
	cfg_write(t, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	cfg_write(t, PCI_BASE_ADDRESS_1, 4, 0);
	assert_null(fake_memory(MMIO64));
	assert_ptr_equal(fake_memory(0xd0001000), (uint8_t *)t->fake->window.hva + 0x1000);
	assert_false(bypass_vm_mmio(t->vm, MMIO64 + FAKE_TABLE, &(uint64_t){0}, 4, false));
	assert_int_equal(mmio_read(t, 0xd0000000 + FAKE_TABLE + 12, 4), 1);
	decode(t, false);
	assert_null(fake_memory(0xd0001000));
	assert_false(bypass_vm_mmio(t->vm, 0xd0000000 + FAKE_TABLE, &(uint64_t){0}, 4, false));
	decode(t, true);
	assert_non_null(fake_memory(0xd0001000));
	assert_int_equal(bypass_vm_reset(t->vm), 0);
	decode(t, true);
	assert_non_null(fake_memory(MMIO64));
}

static void put_bar0(struct fake_vm *t, uint64_t at)
{
	decode(t, false);
	cfg_write(t, PCI_BASE_ADDRESS_0, 4, at);
	cfg_write(t, PCI_BASE_ADDRESS_1, 4, at >> 32);
	decode(t, true);
}

static void test_impossible_places(void **state)
{
	static const uint64_t places[] = {
		0,		    /* RAM */
		RAM_SIZE - 0x8000,  /* its end */
		MMIO32,		    /* BAR 2 */
		0xfee00000,	    /* local APIC */
		0xfffffffffffff000, /* the end of all addresses */
		0x8000000000000000,
		0x0010000000000000, /* beyond 52 bits */
	};
	struct fake_vm *t = *state;

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		put_bar0(t, places[i]);
		/* BAR 2 was there when BAR 0 came: it stays, unless both came at once. */
		if (places[i] != MMIO32)
			assert_int_equal(mmio_read(t, MMIO32 + 8, 1), 8);
		if (places[i] != MMIO32)
			assert_int_equal(fake_slots(), 1);
	}
	put_bar0(t, MMIO64);
	assert_int_equal(fake_slots(), 3);
	assert_non_null(fake_memory(MMIO64));
}

/* Traps need no slot, so KVM would not object: we do. */
static void test_impossible_places_for_traps(void **state)
{
	struct fake_vm *t = *state;

	put_bar0(t, 0xd0000000);
	assert_int_equal(fake_kvm.n_bells, 1);
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, RAM_SIZE - 0x1000);
	assert_int_equal(fake_kvm.n_bells, 0);
	assert_false(bypass_vm_mmio(t->vm, RAM_SIZE - 0x1000, &(uint64_t){0}, 4, false));
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, 0xd0004000);
	assert_int_equal(fake_kvm.n_bells, 0);
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, 0xfec00000);
	assert_false(bypass_vm_mmio(t->vm, 0xfec00000, &(uint64_t){0}, 4, false));
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, 0xd0008000);
	assert_int_equal(fake_kvm.n_bells, 1);
	cfg_write(t, PCI_BASE_ADDRESS_4, 4, 0x10000);
	assert_false(bypass_vm_pio(t->vm, 0, &(uint32_t){0}, 1, false));
}

/* A BAR that waits for a place gets it when the other one goes. */
static void test_two_bars_in_one_place(void **state)
{
	struct fake_vm *t = *state;

	decode(t, true);
	cfg_write(t, PCI_BASE_ADDRESS_1, 4, 0);
	cfg_write(t, PCI_BASE_ADDRESS_0, 4, MMIO32);
	assert_null(fake_memory(MMIO32));
	assert_int_equal(mmio_read(t, MMIO32 + 8, 1), 8);
	cfg_write(t, PCI_BASE_ADDRESS_2, 4, MMIO32 + 0x10000);
	assert_non_null(fake_memory(MMIO32));
	assert_int_equal(mmio_read(t, MMIO32 + 0x10008, 1), 8);
}

/* Somebody else's memory slot, of which we know nothing. */
static void test_foreign_slot(void **state)
{
	struct fake_vm *t = *state;

	fake_kvm.slots[0] = (struct kvm_userspace_memory_region){
		.guest_phys_addr = 0xd0005000,
		.memory_size = 0x1000,
	};
	put_bar0(t, 0xd0000000);
	assert_int_equal(fake_slots(), 2);
	assert_null(fake_memory(0xd0000000));
	fake_kvm.slots[0].memory_size = 0;
	put_bar0(t, 0xd0000000);
	assert_non_null(fake_memory(0xd0000000));
}

static void test_traps(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_slice_stats stats;
	uint64_t value;

	decode(t, true);
	assert_int_equal(mmio_read(t, MMIO32 + 0x10, 8), 0x1716151413121110);
	assert_int_equal(t->fake->last_size, 8);
	mmio_write(t, MMIO32 + 0x20, 2, 0xabcd);
	assert_int_equal(t->fake->last_value, 0xabcd);
	assert_int_equal(t->fake->last_offset, 0x20);

	/* What is not aligned is taken apart; what lies behind the BAR reads as ones. */
	t->fake->reads = 0;
	assert_int_equal(mmio_read(t, MMIO32 + 0x11, 4), 0x14131211);
	assert_int_equal(t->fake->reads, 3);
	assert_int_equal(mmio_read(t, MMIO32 + 0x13, 3), 0x151413);
	assert_int_equal(mmio_read(t, MMIO32 + 0xffc, 8), 0xfffffffffffefdfc);
	mmio_write(t, MMIO32 + 0xfff, 8, 0);
	assert_false(bypass_vm_mmio(t->vm, MMIO32 - 1, &value, 8, false));
	assert_false(bypass_vm_mmio(t->vm, MMIO32 + 0x1000, &value, 1, true));

	value = 0;
	assert_true(bypass_vm_pio(t->vm, 0xc004, &value, 2, false));
	assert_int_equal(value, 0x0504);
	assert_false(bypass_vm_pio(t->vm, 0xc020, &value, 1, false));
	assert_int_equal(bypass_vm_stats(t->vm, &t->fake->slice, &stats), 0);
	assert_int_equal(stats.mmio_reads, 4);
	assert_int_equal(stats.mmio_writes, 2);
	assert_int_equal(stats.pio, 1);
	assert_int_equal(stats.interrupts, 7);
}

static void test_doorbell(void **state)
{
	struct fake_vm *t = *state;
	eventfd_t n;

	decode(t, true);
	assert_int_equal(fake_kvm.n_bells, 1);
	assert_int_equal(fake_kvm.bells[0].addr, MMIO32 + 0x80);
	assert_int_equal(fake_kvm.bells[0].len, 4);
	/* KVM serves it; one that it could not serve works by an exit. */
	mmio_write(t, MMIO32 + 0x80, 4, 1);
	assert_int_equal(eventfd_read(t->fake->kick.fd, &n), 0);
	assert_int_equal(t->fake->writes, 0);
	mmio_write(t, MMIO32 + 0x80, 2, 1);
	assert_int_equal(t->fake->writes, 1);
	decode(t, false);
	assert_int_equal(fake_kvm.n_bells, 0);
	fake_kvm.n_bells = FAKE_BELLS;
	decode(t, true);
	fake_kvm.n_bells = 0;
	mmio_write(t, MMIO32 + 0x80, 4, 1);
	assert_int_equal(eventfd_read(t->fake->kick.fd, &n), 0);
}

static void test_no_firmware_spans(void **state)
{
	struct bypass_vm_config config = {.first_slot = 1, .first_gsi = 24};
	struct fake_vm *t = *state;
	struct bypass_vm *vm;

	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &t->fake->slice, DEVFN, -1), 0);
	uint32_t low = 1;
	bypass_vm_pci(vm, DEVFN, PCI_BASE_ADDRESS_2, &low, 4, false);
	assert_int_equal(low, 0);
	bypass_vm_detach(vm);
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
}

static void test_ram(void **state)
{
	struct bypass_memory_range more = {.gpa = 0x40000000, .size = 0x1000, .fd = -1};
	struct fake_vm *t = *state;

	more.hva = t->ram;
	assert_int_equal(t->fake->ram, RAM_SIZE);
	t->fake->fail_memory = ENOMEM;
	assert_int_equal(bypass_vm_add_ram(t->vm, &more, true), -ENOMEM);
	assert_null(fake_memory(more.gpa));
	t->fake->fail_memory = 0;
	assert_int_equal(bypass_vm_add_ram(t->vm, &more, false), 0);
	assert_null(fake_memory(more.gpa));
	assert_int_equal(t->fake->ram, RAM_SIZE + 0x1000);
	assert_int_equal(bypass_vm_add_ram(t->vm, &more, true), -EEXIST);
	put_bar0(t, more.gpa);
	assert_null(fake_memory(more.gpa));
	/* RAM cannot come where a BAR is, nor where one may be. */
	more.gpa = 0x50000000;
	put_bar0(t, more.gpa);
	assert_int_equal(bypass_vm_add_ram(t->vm, &more, true), -EEXIST);
	put_bar0(t, MMIO64);
	more.gpa = MMIO64;
	assert_int_equal(bypass_vm_add_ram(t->vm, &more, true), -EINVAL);
	assert_int_equal(t->fake->ram, RAM_SIZE + 0x1000);
	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	assert_int_equal(t->fake->ram, 0);
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, -1), 0);
}

static void test_vfio_device(void **state)
{
	struct fake_vm *t = *state;
	struct fake_slice *a = fake_slice_open(), *b = fake_slice_open();

	a->slice.kvm_fd = b->slice.kvm_fd = 42;
	strcpy(b->slice.name, "other");
	assert_int_equal(bypass_vm_plug(t->vm, &a->slice, DEVFN + 8, -1), 0);
	assert_int_equal(bypass_vm_plug(t->vm, &b->slice, DEVFN + 16, -1), 0);
	assert_int_equal(fake_kvm.vfio_files, 1);
	assert_int_equal(bypass_vm_unplug(t->vm, &a->slice), 0);
	assert_int_equal(fake_kvm.vfio_files, 1);
	assert_int_equal(bypass_vm_unplug(t->vm, &b->slice), 0);
	assert_int_equal(fake_kvm.vfio_files, 0);
	bypass_slice_close(&a->slice);
	bypass_slice_close(&b->slice);
}

static void test_missing_capability(void **state)
{
	struct bypass_vm_config config = fake_vm_config();
	struct bypass_vm *vm;

	(void)state;
	fake_kvm.lacks = KVM_CAP_IOEVENTFD;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), -EOPNOTSUPP);
	assert_non_null(strstr(bypass_error(), "KVM_CAP_IOEVENTFD"));
	fake_kvm.lacks = -1;
	config.first_slot = FAKE_SLOTS;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), -EINVAL);
	config.first_slot = 1;
	config.first_gsi = FAKE_GSIS;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), -EINVAL);
	assert_int_equal(bypass_vm_attach(STDERR_FILENO, &config, &vm), -EINVAL);
}

#define rule(test) cmocka_unit_test_setup_teardown(test, fake_vm_setup, fake_vm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_size),
		rule(test_home),
		rule(test_only_two_pages_trap),
		rule(test_move),
		rule(test_impossible_places),
		rule(test_impossible_places_for_traps),
		rule(test_two_bars_in_one_place),
		rule(test_foreign_slot),
		rule(test_traps),
		rule(test_doorbell),
		rule(test_no_firmware_spans),
		rule(test_ram),
		rule(test_vfio_device),
		rule(test_missing_capability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
