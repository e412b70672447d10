// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One descriptor tells a VMM of all its slices: what they say themselves, and what their
 * guest asked for in vain.
 */
#include <fcntl.h>
#include <poll.h>

#include <bypass/error.h>

#include "fake_vm.h"

static bool waiting(struct fake_vm *t)
{
	struct pollfd p = {.fd = bypass_vm_event_fd(t->vm), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_dead(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_vm_event event;

	assert_false(waiting(t));
	assert_false(bypass_vm_event(t->vm, &event));
	t->fake->event = "it burnt";
	eventfd_write(t->fake->slice.event_fd, 1);
	assert_true(waiting(t));
	assert_true(bypass_vm_event(t->vm, &event));
	assert_ptr_equal(event.slice, &t->fake->slice);
	assert_int_equal(event.what.kind, BYPASS_EVENT_DEAD);
	assert_string_equal(event.what.text, "it burnt");
	assert_false(bypass_vm_event(t->vm, &event));
	assert_false(waiting(t));
	/* A slice that is not plugged is not this VM's any more. */
	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	t->fake->event = "later";
	eventfd_write(t->fake->slice.event_fd, 1);
	assert_false(waiting(t));
	assert_false(bypass_vm_event(t->vm, &event));
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
	assert_true(waiting(t));
	assert_true(bypass_vm_event(t->vm, &event));
}

/* BAR 0 to where RAM is: the guest cannot have that. */
static void ask_in_vain(struct fake_vm *t)
{
	cfg_write(t, PCI_BASE_ADDRESS_0, 4, 0);
	cfg_write(t, PCI_BASE_ADDRESS_1, 4, 0);
	decode(t, true);
	decode(t, false);
}

static void test_remarks(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_vm_event event;
	unsigned int n = 0;

	ask_in_vain(t);
	assert_true(waiting(t));
	t->fake->event = "first";
	assert_true(bypass_vm_event(t->vm, &event));
	assert_string_equal(event.what.text, "first");
	assert_true(bypass_vm_event(t->vm, &event));
	assert_int_equal(event.what.kind, BYPASS_EVENT_REMARK);
	assert_ptr_equal(event.slice, &t->fake->slice);
	assert_non_null(strstr(event.what.text, "BAR 0"));
	assert_false(waiting(t));
	/* However often: the VMM hears 16 times in all, and again after a reset. */
	for (unsigned int i = 0; i < 1000; i++)
		ask_in_vain(t);
	while (bypass_vm_event(t->vm, &event))
		n++;
	assert_int_equal(n, 15);
	assert_false(waiting(t));
	assert_int_equal(bypass_vm_reset(t->vm), 0);
	ask_in_vain(t);
	assert_true(waiting(t));
	/* What is not plugged any more has no remarks. */
	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	assert_false(waiting(t));
	assert_false(bypass_vm_event(t->vm, &event));
	assert_int_equal(bypass_vm_plug(t->vm, &t->fake->slice, DEVFN, INTX_GSI), 0);
}

static void test_lost_vector(void **state)
{
	struct fake_vm *t = *state;
	struct bypass_vm_event event;

	fake_kvm.no_tables = true;
	cfg_write(t, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4, APIC);
	cfg_write(t, FAKE_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	assert_true(bypass_vm_event(t->vm, &event));
	assert_non_null(strstr(event.what.text, "interrupts are lost"));
	fake_kvm.no_tables = false;
}

static void test_slices(void **state)
{
	struct fake_slice *second = fake_slice_open();
	struct fake_vm *t = *state;

	assert_int_equal(bypass_vm_plug(t->vm, &second->slice, DEVFN + 8, -1), 0);
	assert_ptr_equal(bypass_vm_slice(t->vm, 0), &t->fake->slice);
	assert_ptr_equal(bypass_vm_slice(t->vm, 1), &second->slice);
	assert_null(bypass_vm_slice(t->vm, 2));
	assert_int_equal(bypass_vm_unplug(t->vm, &t->fake->slice), 0);
	assert_ptr_equal(bypass_vm_slice(t->vm, 0), &second->slice);
	assert_null(bypass_vm_slice(t->vm, 1));
	assert_int_equal(bypass_vm_unplug(t->vm, &second->slice), 0);
	bypass_slice_close(&second->slice);
}

/* All in one: what was plugged is closed, which a sanitizer would miss otherwise. */
static void test_close(void **state)
{
	struct bypass_vm_config config = fake_vm_config();
	struct fake_slice *a = fake_slice_open(), *b = fake_slice_open();
	int fd;
	struct bypass_vm *vm;

	(void)state;
	config.first_slot = 64;
	assert_int_equal(bypass_vm_attach(fake_kvm.fd, &config, &vm), 0);
	assert_int_equal(bypass_vm_plug(vm, &a->slice, DEVFN, -1), 0);
	assert_int_equal(bypass_vm_plug(vm, &b->slice, DEVFN + 8, -1), 0);
	fd = a->slice.event_fd;
	bypass_vm_close(vm);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	bypass_vm_close(NULL);
}

#define rule(test) cmocka_unit_test_setup_teardown(test, fake_vm_setup, fake_vm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(test_dead),   rule(test_remarks), rule(test_lost_vector),
		rule(test_slices), rule(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
