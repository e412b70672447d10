// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A wrong call of a VMM is refused at once, with a text that says what to change. Nothing is
 * left behind, and no fault is found out later, in the guest.
 */
#include <bypass/error.h>
#include <bypass/log.h>

#include "fake_vm.h"

/* The last error names all of these words. */
static void said(const char *a, const char *b)
{
	if (!strstr(bypass_error(), a) || !strstr(bypass_error(), b))
		fail_msg("'%s' says nothing of '%s' and '%s'", bypass_error(), a, b);
}

static int attach(const struct bypass_vm_config *config)
{
	struct bypass_vm *vm;
	int err = bypass_vm_attach(fake_kvm.fd, config, &vm);

	if (!err)
		bypass_vm_detach(vm);
	return err;
}

/* Slots that the VM of the fixture has not. */
static struct bypass_vm_config second_config(void)
{
	struct bypass_vm_config config = fake_vm_config();

	config.first_slot = 64;
	return config;
}

static void test_intx_gsi(void **state)
{
	const struct kvm_irq_routing_entry routes[] = {
		{.gsi = 9, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {2, 9}},
		{.gsi = 11, .type = KVM_IRQ_ROUTING_MSI, .u.msi = {.address_lo = 0xfee00000}},
	};
	struct fake_vm *t = *state;
	struct bypass_slice *slice = &t->fake->slice;

	assert_int_equal(bypass_vm_unplug(t->vm, slice), 0);
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, FIRST_GSI), -EINVAL);
	said("GSI 24", "first_gsi");
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, 1024), -EINVAL);
	assert_int_equal(bypass_vm_routes(t->vm, routes, 2), 0);
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, 10), -EINVAL);
	said("GSI 10", "routes");
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, 11), -EINVAL);
	assert_int_equal(t->fake->ram, 0);
	/* Who has no INTx may say anything; and -1 is always right. */
	slice->vectors[BYPASS_IRQ_INTX] = 0;
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, 10), 0);
	assert_int_equal(bypass_vm_unplug(t->vm, slice), 0);
	slice->vectors[BYPASS_IRQ_INTX] = 1;
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, -1), 0);
	assert_int_equal(bypass_vm_unplug(t->vm, slice), 0);
	assert_int_equal(bypass_vm_plug(t->vm, slice, DEVFN, 9), 0);
}

static void test_spans(void **state)
{
	const struct bypass_span odd = {UINT64_MAX - 0xfff, 0x2000};
	struct bypass_vm_config config = second_config();

	(void)state;
	config.phys_bits = 38;
	assert_int_equal(attach(&config), 0);
	config.mmio64 = (struct bypass_span){(1ull << 38) - 0x1000, 0x2000};
	assert_int_equal(attach(&config), -EINVAL);
	said("mmio64", "38 bits");
	config.phys_bits = 39;
	assert_int_equal(attach(&config), 0);
	/* No CPU of today has that many. */
	config.phys_bits = 0;
	config.mmio64.base = 1ull << 52;
	assert_int_equal(attach(&config), -EINVAL);
	config.phys_bits = 53;
	assert_int_equal(attach(&config), -EINVAL);
	said("phys_bits", "53");
	config = second_config();
	config.mmio32.size = 0x20001000;
	assert_int_equal(attach(&config), -EINVAL);
	said("mmio32", "4 GiB");
	config = second_config();
	config.reserved = &odd;
	config.n_reserved = 1;
	assert_int_equal(attach(&config), -EINVAL);
	said("reserved", "address space");
}

static void test_ram_over_mmio(void **state)
{
	const struct bypass_span reserved = {0x80000000, 0x1000};
	struct bypass_vm_config config = second_config();
	struct bypass_memory_range ram = {.gpa = MMIO32 - 0x1000, .size = 0x2000, .fd = -1};
	struct fake_vm *t = *state;
	struct bypass_vm *vm;

	ram.hva = t->ram;
	assert_int_equal(bypass_vm_add_ram(t->vm, &ram, true), -EINVAL);
	said("mmio32", "hole");
	ram.gpa = MMIO64;
	assert_int_equal(bypass_vm_add_ram(t->vm, &ram, true), -EINVAL);
	said("mmio64", "RAM");
	assert_int_equal(t->fake->ram, RAM_SIZE);
	ram.gpa = MMIO32 - 0x2000;
	assert_int_equal(bypass_vm_add_ram(t->vm, &ram, true), 0);

	config.reserved = &reserved;
	config.n_reserved = 1;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	ram.gpa = 0x7ffff000;
	assert_int_equal(bypass_vm_add_ram(vm, &ram, false), -EINVAL);
	said("reserved", "RAM");
	bypass_vm_detach(vm);
}

/* BARs keep away from what the VMM emulates itself: at first, and wherever the guest puts them. */
static void test_reserved(void **state)
{
	struct bypass_span reserved[] = {{MMIO32, 0x10000}, {0xd0000000, 0x1000}};
	struct bypass_vm_config config = second_config();
	struct fake_slice *fake = fake_slice_open();
	struct bypass_vm_event event;
	uint32_t bar = 0, command = PCI_COMMAND_MEMORY, value;
	struct bypass_vm *vm;

	(void)state;
	config.reserved = reserved;
	config.n_reserved = 2;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	memset(reserved, 0, sizeof(reserved)); /* it was copied */
	assert_int_equal(bypass_vm_plug(vm, &fake->slice, DEVFN, -1), 0);
	assert_true(bypass_vm_pci(vm, DEVFN, PCI_BASE_ADDRESS_2, &bar, 4, false));
	assert_int_equal(bar, MMIO32 + 0x10000);
	assert_true(bypass_vm_pci(vm, DEVFN, PCI_COMMAND, &command, 2, true));
	assert_true(bypass_vm_mmio(vm, bar, &value, 4, false));
	bar = 0xd0000000;
	assert_true(bypass_vm_pci(vm, DEVFN, PCI_BASE_ADDRESS_2, &bar, 4, true));
	assert_false(bypass_vm_mmio(vm, bar, &value, 4, false));
	assert_true(bypass_vm_event(vm, &event));
	assert_non_null(strstr(event.what.text, "device of its own"));
	/* The interrupt controllers' addresses need not be said. */
	config.reserved = NULL;
	config.n_reserved = 0;
	config.mmio32 = (struct bypass_span){0xfec00000, 0x1400000 - 0x1000};
	bypass_vm_detach(vm);
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &fake->slice, DEVFN, -1), 0);
	assert_true(bypass_vm_pci(vm, DEVFN, PCI_BASE_ADDRESS_2, &bar, 4, false));
	assert_int_equal(bar, 0xff000000);
	bypass_vm_close(vm);
}

static void test_slot(void **state)
{
	struct bypass_vm_config config = second_config();
	struct fake_vm *t = *state;
	struct fake_slice *fake = fake_slice_open();
	struct kvm_userspace_memory_region theirs = {
		.slot = 30,
		.guest_phys_addr = 0x90000000,
		.memory_size = 0x1000,
		.userspace_addr = (uintptr_t)t->ram,
	};
	struct bypass_vm *vm;

	assert_int_equal(fake_slot(&theirs), 0);
	config.first_slot = 30;
	assert_int_equal(attach(&config), -EBUSY);
	said("slot 30", "first_slot");
	/* A later one is found out by the slice that would need it, not by its guest. */
	config.first_slot = 29;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &fake->slice, DEVFN, -1), -EBUSY);
	said("slot 30", "first_slot");
	bypass_vm_detach(vm);
	assert_ptr_equal(fake_memory(0x90000000), t->ram);
	/* As does a VM that has too few. */
	config.first_slot = FAKE_SLOTS - 1;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &fake->slice, DEVFN, -1), -ENOSPC);
	said("slots", "taken");
	bypass_vm_detach(vm);
	theirs.memory_size = 0;
	assert_int_equal(fake_slot(&theirs), 0);
	bypass_slice_close(&fake->slice);
}

static void test_twice(void **state)
{
	struct fake_vm *t = *state;
	struct fake_slice *twin = fake_slice_open();

	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN + 8, -1), -EEXIST);
	assert_int_equal(bypass_vm_plug(t->vm, &twin->slice, DEVFN, -1), -EEXIST);
	/* Another slice of the same name, which is no function: two of one HCA, say. */
	assert_int_equal(bypass_vm_plug(t->vm, &twin->slice, DEVFN + 8, -1), 0);
	assert_int_equal(bypass_vm_unplug(t->vm, &twin->slice), 0);
	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	t->fake->slice.kvm_fd = twin->slice.kvm_fd = 42;
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, -1), 0);
	assert_int_equal(bypass_vm_plug(t->vm, &twin->slice, DEVFN + 8, -1), -EEXIST);
	said("fake", "02.0");
	bypass_slice_close(&twin->slice);
}

/* A slice that the VM's RAM does not suit, as RAM without a file does not suit RDMA. */
static void test_unsuitable_ram(void **state)
{
	struct fake_vm *t = *state;

	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	t->fake->fail_memory = EINVAL;
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), -EINVAL);
	said("the slice", "cannot map it");
	assert_null(bypass_vm_slice(t->vm, 0));
	t->fake->fail_memory = 0;
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
}

static void test_kvm_vfio_fd(void **state)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};
	struct bypass_vm_config config = second_config();
	struct fake_slice *fake = fake_slice_open();
	struct bypass_vm *vm;

	(void)state;
	assert_int_equal(fake_device(&create), 0);
	fake->slice.kvm_fd = 42;
	config.kvm_vfio_fd = create.fd;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &fake->slice, DEVFN, -1), 0);
	assert_int_equal(fake_kvm.vfio_files, 1);
	bypass_vm_detach(vm);
	assert_int_equal(fake_kvm.vfio_files, 0);
	/* It stays the VMM's. */
	assert_int_equal(close(create.fd), 0);
	bypass_slice_close(&fake->slice);
}

static void keep_warning(void *opaque, enum bypass_log_level level, const char *text)
{
	if (level == BYPASS_LOG_WARN)
		snprintf(opaque, 256, "%s", text);
}

/* Not fatal: the slice works. The VMM hears which number of its config is missing. */
static void test_kvm_vfio_taken(void **state)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};
	struct bypass_vm_config config = second_config();
	struct fake_slice *fake = fake_slice_open();
	char warning[256] = "";
	struct bypass_vm *vm;

	(void)state;
	assert_int_equal(fake_device(&create), 0);
	fake->slice.kvm_fd = 42;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	bypass_log_set(keep_warning, warning);
	assert_int_equal(bypass_vm_plug(vm, &fake->slice, DEVFN, -1), 0);
	bypass_log_set(NULL, NULL);
	assert_non_null(strstr(warning, "give its descriptor to vmm-glue as kvm_vfio_fd"));
	assert_int_equal(fake_kvm.vfio_files, 0);
	bypass_vm_close(vm);
	assert_int_equal(close(create.fd), 0);
}

static void test_mmio64(void **state)
{
	uint64_t space[(sizeof(struct kvm_cpuid2) + 2 * sizeof(struct kvm_cpuid_entry2)) / 8] = {2};
	struct kvm_cpuid2 *cpuid = (void *)space;
	struct bypass_vm_config config = second_config();

	(void)state;
	cpuid->entries[0].function = 1;
	cpuid->entries[1].function = 0x80000008;
	cpuid->entries[1].eax = 0x3028;
	assert_int_equal(bypass_vm_mmio64(cpuid, &config), 0);
	assert_int_equal(config.phys_bits, 40);
	assert_int_equal(config.mmio64.base, 1ull << 39);
	assert_int_equal(config.mmio64.size, 1ull << 38);
	assert_int_equal(attach(&config), 0);
	cpuid->entries[1].eax = 52;
	assert_int_equal(bypass_vm_mmio64(cpuid, &config), 0);
	assert_int_equal(config.mmio64.base, 1ull << 45);
	cpuid->entries[1].eax = 32;
	assert_int_equal(bypass_vm_mmio64(cpuid, &config), -EINVAL);
	cpuid->nent = 1;
	assert_int_equal(bypass_vm_mmio64(cpuid, &config), -EINVAL);
	said("CPUID", "0x80000008");
}

#define rule(test) cmocka_unit_test_setup_teardown(test, fake_vm_setup, fake_vm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_intx_gsi),	   rule(test_spans),	      rule(test_ram_over_mmio),
		rule(test_reserved),	   rule(test_slot),	      rule(test_twice),
		rule(test_mmio64),	   rule(test_unsuitable_ram), rule(test_kvm_vfio_fd),
		rule(test_kvm_vfio_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
