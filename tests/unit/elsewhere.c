// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * On a host that is no x86-64 vmm-glue compiles, and bypass_vm_attach() says what is missing. The
 * three files that differ there are compiled here as there: without __x86_64__, and without the
 * names that only x86's kernel headers and compilers have.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include <cmocka.h>

#include <bypass/error.h>
#include <bypass/kvm.h>
#include <bypass/log.h>
#include <bypass/memory.h>

#include "../../vmm-glue/pci/internal.h"

#undef __x86_64__
#pragma GCC poison _CPUID_H_INCLUDED __get_cpuid
#undef KVM_IRQCHIP_IOAPIC
#undef KVM_IRQCHIP_PIC_MASTER
#undef KVM_IRQCHIP_PIC_SLAVE
#pragma GCC poison KVM_IRQCHIP_IOAPIC KVM_IRQCHIP_PIC_MASTER KVM_IRQCHIP_PIC_SLAVE

#include "../../vmm-glue/kvm/route.c"
#include "../../vmm-glue/pci/space.c"
#include "../../vmm-glue/pci/vm.c"

/* Before anything else: neither the descriptor nor the config is looked at. */
static void test_attach(void **state)
{
	const struct bypass_vm_config config = {.phys_bits = 99};
	struct bypass_vm *vm;

	(void)state;
	assert_int_equal(bypass_vm_attach(-1, &config, &vm), -EOPNOTSUPP);
	assert_non_null(strstr(bypass_error(), "x86-64 guests only"));
}

static void test_mmio64(void **state)
{
	struct bypass_vm_config config = {0};

	(void)state;
	assert_int_equal(bypass_vm_mmio64(NULL, &config), -EOPNOTSUPP);
	assert_non_null(strstr(bypass_error(), "x86-64 guests only"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_mmio64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
