// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The guest's physical address space: what is for BARs, and what is not. A VMM that offers
 * addresses that do not exist or are in use is refused at once.
 */
#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bypass/error.h>
#include <bypass/memory.h>

#include "internal.h"

/* IOAPIC, HPET and local APICs, which KVM or the VMM emulate there. */
#define CHIPSET_FIRST 0xfec00000ull
#define CHIPSET_LAST  0xfeffffffull

#define GIB4 (1ull << 32)

#define PHYS_LEAF     0x80000008u
#define PHYS_BITS_MAX 52
#define PHYS_BITS_MIN 33

/* What a Linux guest with 4-level page tables makes use of. */
#define PHYS_BITS_USUAL 46

typedef unsigned long long ull;

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a_size && b_size && a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

/*
 * Why no BAR can be at @at, and in @end the first address behind that; NULL: it can. Other
 * BARs are not looked at.
 */
const char *space_obstacle(const struct bypass_vm *vm, uint64_t at, uint64_t size, uint64_t *end)
{
	const struct bypass_memory_range *ram;
	unsigned int n;

	*end = CHIPSET_LAST + 1;
	if (overlaps(at, size, CHIPSET_FIRST, CHIPSET_LAST - CHIPSET_FIRST + 1))
		return "the interrupt controllers lie there";
	for (unsigned int i = 0; i < vm->config.n_reserved; i++) {
		const struct bypass_span *s = &vm->reserved[i];

		*end = s->base + s->size;
		if (overlaps(at, size, s->base, s->size))
			return "the VMM has a device of its own there";
	}
	ram = bypass_memory_ranges(vm->memory, &n);
	for (unsigned int i = 0; i < n; i++) {
		*end = ram[i].gpa + ram[i].size;
		if (overlaps(at, size, ram[i].gpa, ram[i].size))
			return "RAM lies there";
	}
	return NULL;
}

#ifdef __x86_64__
static unsigned int host_phys_bits(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(PHYS_LEAF, &eax, &ebx, &ecx, &edx) ? eax & 0xff : 36;
}

int bypass_vm_mmio64(const struct kvm_cpuid2 *cpuid, struct bypass_vm_config *config)
{
	unsigned int bits = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == PHYS_LEAF)
			bits = cpuid->entries[i].eax & 0xff;
	if (bits < PHYS_BITS_MIN || bits > PHYS_BITS_MAX)
		return bypass_fail(EINVAL,
				   "the guest's CPUID says %u bits of physical address (leaf %#x), "
				   "not %u to %u: there is no place for 64-bit BARs",
				   bits, PHYS_LEAF, PHYS_BITS_MIN, PHYS_BITS_MAX);
	config->phys_bits = bits;
	if (bits > PHYS_BITS_USUAL)
		bits = PHYS_BITS_USUAL;
	config->mmio64 = (struct bypass_span){1ull << (bits - 1), 1ull << (bits - 2)};
	return 0;
}
#else
/* bypass_vm_attach() has refused the host before. */
static unsigned int host_phys_bits(void)
{
	return PHYS_BITS_MIN;
}

int bypass_vm_mmio64(const struct kvm_cpuid2 *cpuid, struct bypass_vm_config *config)
{
	(void)cpuid;
	(void)config;
	return glue_host_unknown();
}
#endif

static int span_fail(const char *name, const struct bypass_span *s, const char *why)
{
	return bypass_fail(EINVAL, "%s is %#llx bytes at %#llx, but %s", name, (ull)s->size,
			   (ull)s->base, why);
}

/* Takes the config over: @vm->config.phys_bits is set, and the reserved spans are copied. */
int space_init(struct bypass_vm *vm)
{
	struct bypass_vm_config *c = &vm->config;
	char why[128];

	if (!c->phys_bits)
		c->phys_bits = host_phys_bits();
	if (c->phys_bits > PHYS_BITS_MAX)
		return bypass_fail(EINVAL, "phys_bits is %u, but no CPU has more than %u",
				   c->phys_bits, PHYS_BITS_MAX);
	if (c->mmio32.base > GIB4 || c->mmio32.size > GIB4 - c->mmio32.base)
		return span_fail("mmio32", &c->mmio32, "it must end at or below 4 GiB");
	snprintf(why, sizeof(why),
		 "the guest's physical addresses have %u bits and end at %#llx: let it end there",
		 c->phys_bits, 1ull << c->phys_bits);
	if (c->mmio64.base > 1ull << c->phys_bits ||
	    c->mmio64.size > (1ull << c->phys_bits) - c->mmio64.base)
		return span_fail("mmio64", &c->mmio64, why);
	for (unsigned int i = 0; i < c->n_reserved; i++)
		if (c->reserved[i].base + c->reserved[i].size < c->reserved[i].base)
			return span_fail("a reserved span", &c->reserved[i],
					 "the address space ends before that");
	vm->reserved = calloc(c->n_reserved + 1, sizeof(*vm->reserved));
	if (!vm->reserved)
		return bypass_fail(ENOMEM, "no memory for %u reserved spans", c->n_reserved);
	if (c->n_reserved)
		memcpy(vm->reserved, c->reserved, c->n_reserved * sizeof(*vm->reserved));
	c->reserved = NULL;
	return 0;
}

static int ram_over(const struct bypass_memory_range *ram, const char *name,
		    const struct bypass_span *s)
{
	if (!overlaps(ram->gpa, ram->size, s->base, s->size))
		return 0;
	return bypass_fail(EINVAL,
			   "RAM of %#llx bytes at %#llx lies over %s, %#llx bytes at %#llx: leave "
			   "a hole in the RAM, or give vmm-glue other addresses",
			   (ull)ram->size, (ull)ram->gpa, name, (ull)s->size, (ull)s->base);
}

int space_ram_check(const struct bypass_vm *vm, const struct bypass_memory_range *ram)
{
	int err = ram_over(ram, "mmio32", &vm->config.mmio32);

	if (!err)
		err = ram_over(ram, "mmio64", &vm->config.mmio64);
	for (unsigned int i = 0; i < vm->config.n_reserved && !err; i++)
		err = ram_over(ram, "a reserved span", &vm->reserved[i]);
	return err;
}
