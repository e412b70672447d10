// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * MSI-X, MSI and INTx: what the guest programs, and what KVM and the slice get.
 */
#include "fake_vm.h"

static void entry_write(struct fake_vm *t, unsigned int i, uint64_t address, uint32_t data,
			uint32_t control)
{
	uint64_t at = MMIO64 + FAKE_TABLE + 16 * i;

	mmio_write(t, at, 4, (uint32_t)address);
	mmio_write(t, at + 4, 4, address >> 32);
	mmio_write(t, at + 8, 4, data);
	mmio_write(t, at + 12, 4, control);
}

static void msix_control(struct fake_vm *t, uint16_t flags)
{
	cfg_write(t, FAKE_MSIX + PCI_MSIX_FLAGS, 2, flags);
}

static uint64_t pending(struct fake_vm *t)
{
	return mmio_read(t, MMIO64 + FAKE_PBA, 8);
}

static void fire(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	fake_deliver();
}

/* As Linux does it: enable with all masked, program, unmask one by one. */
static void test_msix_like_linux(void **state)
{
	struct fake_vm *t = *state;
	const int *fds = t->fake->fds[BYPASS_IRQ_MSIX];
	const struct kvm_irq_routing_entry *r;

	decode(t, true);
	t->fake->calls = 0;
	msix_control(t, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_true(t->fake->on[BYPASS_IRQ_MSIX]);
	assert_int_equal(t->fake->calls, 2); /* INTx off, and all vectors at once */
	for (unsigned int i = 0; i < 3; i++)
		entry_write(t, i, APIC, 0x4020 + i, 1);
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(t->fake->calls, 2);
	assert_int_equal(fake_kvm.n_irqfds, 0);
	for (unsigned int i = 0; i < 3; i++)
		mmio_write(t, MMIO64 + FAKE_TABLE + 16 * i + 12, 4, 0);
	assert_int_equal(fake_kvm.n_irqfds, 3);
	for (unsigned int i = 0; i < 3; i++) {
		r = fake_route(fds[i]);
		assert_non_null(r);
		assert_int_equal(r->type, KVM_IRQ_ROUTING_MSI);
		assert_int_equal(r->u.msi.address_lo, APIC);
		assert_int_equal(r->u.msi.data, 0x4020 + i);
		assert_true(r->gsi >= FIRST_GSI);
		fire(fds[i]);
		assert_int_equal(fake_kvm.injected[r->gsi], 1);
	}
	assert_int_equal(fds[3], -1);
	msix_control(t, 0);
	assert_false(t->fake->on[BYPASS_IRQ_MSIX]);
	assert_int_equal(fake_kvm.n_irqfds, 1); /* INTx is back */
	assert_int_equal(fake_kvm.n_routes, 24 + 16);
}

/* As others do it: program and unmask all, then enable: one table, one call. */
static void test_msix_batch(void **state)
{
	struct fake_vm *t = *state;

	decode(t, true);
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	for (unsigned int i = 0; i < FAKE_VECTORS; i++)
		entry_write(t, i, APIC + (1ull << 40), i, 0);
	t->fake->calls = fake_kvm.tables = 0;
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(t->fake->calls, 2); /* INTx off, and all vectors at once */
	assert_int_equal(fake_kvm.tables, 1);
	assert_int_equal(fake_kvm.n_irqfds, FAKE_VECTORS);
	for (unsigned int i = 0; i < FAKE_VECTORS; i++)
		assert_int_equal(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][i])->u.msi.data, i);
	/* The high destination bits, as a guest with many CPUs uses them. */
	assert_int_equal(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][0])->u.msi.address_hi, 0x100);
}

static void test_msix_masks(void **state)
{
	struct fake_vm *t = *state;
	const int *fds = t->fake->fds[BYPASS_IRQ_MSIX];
	uint32_t gsi;

	decode(t, true);
	for (unsigned int i = 0; i < 4; i++)
		entry_write(t, i, APIC, 0x30 + i, 0);
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	gsi = fake_route(fds[2])->gsi;
	mmio_write(t, MMIO64 + FAKE_TABLE + 2 * 16 + 12, 4, 1);
	fire(fds[2]);
	assert_int_equal(fake_kvm.injected[gsi], 0);
	assert_int_equal(pending(t), 1 << 2);
	/* The pending bits are not the guest's to write. */
	mmio_write(t, MMIO64 + FAKE_PBA, 8, 0);
	assert_int_equal(pending(t), 1 << 2);
	assert_int_equal(mmio_read(t, MMIO64 + FAKE_PBA, 1), 1 << 2);
	/* A masked vector takes its new message along when it opens. */
	mmio_write(t, MMIO64 + FAKE_TABLE + 2 * 16 + 8, 4, 0x99);
	mmio_write(t, MMIO64 + FAKE_TABLE + 2 * 16 + 12, 4, 0);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[gsi], 1);
	assert_int_equal(fake_route(fds[2])->u.msi.data, 0x99);
	assert_int_equal(pending(t), 0);

	msix_control(t, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(fake_kvm.n_irqfds, 0);
	fire(fds[0]);
	fire(fds[3]);
	assert_int_equal(pending(t), 1 | 1 << 3);
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	fake_deliver();
	assert_int_equal(pending(t), 0);
	assert_int_equal(fake_kvm.n_irqfds, 4);
}

static void test_msix_table_bytes(void **state)
{
	struct fake_vm *t = *state;
	uint64_t at = MMIO64 + FAKE_TABLE;

	decode(t, true);
	mmio_write(t, at, 8, 0x11223344fee01003);
	assert_int_equal(mmio_read(t, at, 8), 0x11223344fee01000); /* the low two bits are 0 */
	mmio_write(t, at + 8, 8, 0xffffffff00001234);
	assert_int_equal(mmio_read(t, at + 8, 8), 0x0000000100001234);
	mmio_write(t, at + 6, 4, 0x55667788); /* across two registers */
	assert_int_equal(mmio_read(t, at, 8), 0x77883344fee01000);
	assert_int_equal(mmio_read(t, at + 8, 4), 0x5566);
	mmio_write(t, at + FAKE_VECTORS * 16 - 1, 2, 0xffff); /* across the table's end */
	assert_int_equal(mmio_read(t, at + FAKE_VECTORS * 16 - 4, 4), 1);
	assert_int_equal(t->fake->last_offset, FAKE_TABLE + FAKE_VECTORS * 16);
}

/* Messages that are none, and a table that KVM refuses. */
static void test_msix_hostile(void **state)
{
	struct fake_vm *t = *state;
	const int *fds = t->fake->fds[BYPASS_IRQ_MSIX];

	decode(t, true);
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	entry_write(t, 0, 0x1000, 1, 0);
	entry_write(t, 1, 0x1fee00000ull, 2, 0);
	entry_write(t, 2, ~0ull, 3, 0);
	assert_int_equal(fake_kvm.n_irqfds, 0);
	entry_write(t, 3, APIC, 4, 0);
	assert_non_null(fake_route(fds[3]));
	/* One that becomes none is cut off, one that becomes one works. */
	entry_write(t, 3, 0x2000, 4, 0);
	assert_int_equal(fake_kvm.n_irqfds, 0);
	entry_write(t, 0, APIC, 5, 0);
	assert_non_null(fake_route(fds[0]));
	fake_kvm.no_tables = true;
	entry_write(t, 4, APIC, 6, 0);
	assert_int_equal(fake_kvm.n_irqfds, 1);
	fake_kvm.no_tables = false;
	entry_write(t, 4, APIC, 6, 0);
	assert_int_equal(fake_route(fds[4])->u.msi.data, 6);
}

static void test_msix_few_host_vectors(void **state)
{
	struct fake_vm *t = *state;

	decode(t, true);
	entry_write(t, 4, APIC, 0x44, 0);
	t->fake->few = 5;
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	assert_true(t->fake->on[BYPASS_IRQ_MSIX]);
	assert_non_null(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][4]));
	entry_write(t, 9, APIC, 0x49, 0);
	assert_int_equal(t->fake->fds[BYPASS_IRQ_MSIX][9], -1);
	t->fake->few = 0;
	entry_write(t, 9, APIC, 0x49, 0);
	assert_non_null(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][9]));
}

static void msi_enable(struct fake_vm *t, unsigned int log, bool enable)
{
	cfg_write(t, FAKE_MSI + PCI_MSI_FLAGS, 2, log << 4 | enable);
}

static void test_msi(void **state)
{
	struct fake_vm *t = *state;
	const int *fds = t->fake->fds[BYPASS_IRQ_MSI];

	cfg_write(t, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4, APIC | 3);
	cfg_write(t, FAKE_MSI + PCI_MSI_ADDRESS_HI, 4, 0);
	cfg_write(t, FAKE_MSI + PCI_MSI_DATA_64, 2, 0x4041);
	assert_int_equal(cfg_read(t, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4), APIC);
	t->fake->calls = fake_kvm.tables = 0;
	msi_enable(t, 2, true);
	assert_int_equal(t->fake->calls, 2);
	assert_int_equal(fake_kvm.tables, 1);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(fake_route(fds[i])->u.msi.data, 0x4040 + i);
	assert_int_equal(fds[4], -1);
	/* Moved to another CPU while enabled. */
	cfg_write(t, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4, APIC + 0x1000);
	assert_int_equal(fake_route(fds[3])->u.msi.address_lo, APIC + 0x1000);
	cfg_write(t, FAKE_MSI + PCI_MSI_MASK_64, 4, 1 << 1 | 1u << 31);
	assert_int_equal(cfg_read(t, FAKE_MSI + PCI_MSI_MASK_64, 4), 1 << 1);
	fire(fds[1]);
	assert_int_equal(cfg_read(t, FAKE_MSI + PCI_MSI_PENDING_64, 4), 1 << 1);
	cfg_write(t, FAKE_MSI + PCI_MSI_MASK_64, 4, 0);
	fake_deliver();
	assert_int_equal(cfg_read(t, FAKE_MSI + PCI_MSI_PENDING_64, 4), 0);
	/* More than there are. */
	msi_enable(t, 7, true);
	assert_int_equal(fake_kvm.n_irqfds, FAKE_MSIS);
	msi_enable(t, 0, true);
	assert_int_equal(fake_kvm.n_irqfds, 1);
	/* MSI-X goes before. */
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	assert_false(t->fake->on[BYPASS_IRQ_MSI]);
	msix_control(t, 0);
	assert_true(t->fake->on[BYPASS_IRQ_MSI]);
	msi_enable(t, 0, false);
	assert_true(t->fake->on[BYPASS_IRQ_INTX]);
}

static void test_intx(void **state)
{
	struct fake_vm *t = *state;
	eventfd_t n;
	const int *fds = t->fake->fds[BYPASS_IRQ_INTX];

	assert_int_equal(fake_kvm.n_irqfds, 1);
	assert_int_equal(fake_kvm.irqfds[0].gsi, INTX_GSI);
	assert_int_equal(fake_kvm.irqfds[0].flags, KVM_IRQFD_FLAG_RESAMPLE);
	assert_int_equal(fake_kvm.irqfds[0].resamplefd, t->fake->resample);
	assert_int_equal(fake_kvm.irqfds[0].fd, fds[0]);
	fire(fds[0]);
	assert_int_equal(fake_kvm.injected[INTX_GSI], 1);
	assert_int_equal(eventfd_read(t->fake->resample, &n), 0);

	/* Disabled by the guest, it waits; enabled, it comes, and the device may go on. */
	t->fake->calls = 0;
	cfg_write(t, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fake_kvm.n_irqfds, 0);
	fire(fds[0]);
	assert_int_equal(fake_kvm.injected[INTX_GSI], 1);
	assert_int_equal(eventfd_read(t->fake->resample, &n), -1);
	cfg_write(t, PCI_COMMAND, 2, 0);
	fake_deliver();
	assert_int_equal(fake_kvm.injected[INTX_GSI], 2);
	assert_int_equal(eventfd_read(t->fake->resample, &n), 0);
	assert_int_equal(t->fake->calls, 0); /* the slice was not bothered */

	msi_enable(t, 0, true);
	assert_false(t->fake->on[BYPASS_IRQ_INTX]);
	assert_int_equal(t->fake->resample, -1);
}

static void test_no_resample(void **state)
{
	struct bypass_vm_config config = fake_vm_config();
	struct fake_vm *t = *state;
	struct bypass_vm *vm;
	uint32_t pin = 9;

	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	config.split_irqchip = true;
	config.first_slot = 32;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
	assert_true(bypass_vm_pci(vm, DEVFN, PCI_INTERRUPT_PIN, &pin, 1, false));
	assert_int_equal(pin, 0);
	assert_int_equal(fake_kvm.n_irqfds, 0);
	bypass_vm_detach(vm);
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
}

/* The VMM's own routes stand in the table, whole and in front. */
static void test_routes_of_the_vmm(void **state)
{
	struct kvm_irq_routing_entry own[2] = {
		{.gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {2, 5}},
		{.gsi = 23, .type = KVM_IRQ_ROUTING_MSI, .u.msi = {.address_lo = APIC}},
	};
	struct bypass_vm_config config = fake_vm_config();
	struct fake_vm *t = *state;
	struct bypass_vm *vm;

	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	config.routes = own;
	config.n_routes = 2;
	config.first_slot = 32;
	config.first_gsi = 23;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), -EINVAL);
	config.first_gsi = 24;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &t->fake->slice, DEVFN, -1), 0);
	uint32_t address = APIC, flags = 1;
	bypass_vm_pci(vm, DEVFN, FAKE_MSI + PCI_MSI_ADDRESS_LO, &address, 4, true);
	bypass_vm_pci(vm, DEVFN, FAKE_MSI + PCI_MSI_FLAGS, &flags, 2, true);
	assert_int_equal(fake_kvm.n_routes, 3);
	assert_memory_equal(fake_kvm.routes, own, sizeof(own));

	/* They change while a vector of ours has its route. */
	struct kvm_irq_routing_entry other = own[0];
	other.gsi = 7;
	assert_int_equal(bypass_vm_routes(vm, &other, 1), 0);
	assert_int_equal(fake_kvm.n_routes, 2);
	assert_memory_equal(fake_kvm.routes, &other, sizeof(other));
	assert_int_equal(fake_kvm.routes[1].u.msi.address_lo, APIC);
	own[0].gsi = 24;
	assert_int_equal(bypass_vm_routes(vm, own, 2), -EINVAL);
	own[0].gsi = 5;
	own[1].u.msi.address_hi = 1;
	assert_int_equal(bypass_vm_routes(vm, own, 2), -EINVAL);
	flags = 0;
	bypass_vm_pci(vm, DEVFN, FAKE_MSI + PCI_MSI_FLAGS, &flags, 2, true);
	assert_int_equal(fake_kvm.n_routes, 1);
	assert_memory_equal(fake_kvm.routes, &other, sizeof(other));
	bypass_vm_detach(vm);
	assert_int_equal(fake_kvm.n_routes, 1);
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
}

/* KVM takes 4,096 routes. A guest that asks for more loses its own vectors, and nothing else. */
static void test_full_table(void **state)
{
	static struct kvm_irq_routing_entry own[FAKE_GSIS - 3];
	const struct kvm_irq_routing_entry *r;
	struct fake_vm *t = *state;
	struct bypass_vm_event event;

	for (unsigned int i = 0; i < FAKE_GSIS - 3; i++)
		own[i] = (struct kvm_irq_routing_entry){
			.gsi = INTX_GSI, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {2, i % 24}};
	assert_int_equal(bypass_vm_routes(t->vm, own, FAKE_GSIS - 3), 0);
	decode(t, true);
	for (unsigned int i = 0; i < FAKE_VECTORS; i++)
		entry_write(t, i, APIC, 0x4020 + i, 0);
	msix_control(t, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake_kvm.n_routes, FAKE_GSIS);
	r = fake_route(t->fake->fds[BYPASS_IRQ_MSIX][2]);
	assert_non_null(r);
	assert_int_equal(r->u.msi.data, 0x4022);
	assert_null(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][3]));
	assert_true(bypass_vm_event(t->vm, &event));
	assert_non_null(strstr(event.what.text, "4096 interrupt routes"));
	/* Changes of the others still go in. */
	entry_write(t, 2, APIC, 0x4099, 0);
	assert_int_equal(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][2])->u.msi.data, 0x4099);
	assert_int_equal(bypass_vm_routes(t->vm, own, 1), 0);
	entry_write(t, 3, APIC, 0x4098, 0);
	assert_int_equal(fake_route(t->fake->fds[BYPASS_IRQ_MSIX][3])->u.msi.data, 0x4098);
}

#define rule(test) cmocka_unit_test_setup_teardown(test, fake_vm_setup, fake_vm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_msix_like_linux),
		rule(test_msix_batch),
		rule(test_msix_masks),
		rule(test_msix_table_bytes),
		rule(test_msix_hostile),
		rule(test_msix_few_host_vectors),
		rule(test_msi),
		rule(test_intx),
		rule(test_no_resample),
		rule(test_routes_of_the_vmm),
		rule(test_full_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
