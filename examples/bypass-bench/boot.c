// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts the guest's image and the CPU's tables into its RAM, and the vCPU in front
 * of its first instruction: long mode, one-to-one page tables, CPL3.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <bypass/error.h>

#include "boot.h"

#define PTE_PRESENT  1ull
#define PTE_WRITE    2ull
#define PTE_USER     4ull
#define PTE_LARGE    0x80ull
#define PTE_ACCESSED 0x20ull
#define PTE_DIRTY    0x40ull

#define CR0_PE	       (1u << 0)
#define CR0_MP	       (1u << 1)
#define CR0_ET	       (1u << 4)
#define CR0_NE	       (1u << 5)
#define CR0_WP	       (1u << 16)
#define CR0_PG	       (1u << 31)
#define CR4_PAE	       (1u << 5)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define EFER_LME       (1u << 8)
#define EFER_LMA       (1u << 10)

#define APIC_BASE	  0xfee00000u
#define APIC_BSP	  (1u << 8)
#define APIC_X2APIC	  (1u << 10)
#define APIC_ENABLE	  (1u << 11)
#define APIC_SPIV	  0xf0
#define APIC_SPIV_ENABLED 0x1ff

#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_ENTRIES	   256u
#define INTERRUPT_GATE	   0x8eu
#define IDLE_GATE	   0xefu /* a trap gate: interrupts stay on; from CPL3 */
#define GDT_ENTRIES	   7
#define TSS_IOMAP	   104
#define TSS_SIZE	   (TSS_IOMAP + 8192 + 1)
#define RFLAGS_RESERVED	   2u
#define RFLAGS_IF	   (1u << 9)
#define RFLAGS_IOPL_3	   (3u << 12)

/* image.S */
extern const uint8_t bench_image[];
extern const uint64_t bench_image_size;

static void write_page_tables(uint8_t *ram)
{
	const uint64_t table = PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED;
	uint64_t *pml4 = (uint64_t *)(ram + BENCH_PML4), *pdpt = (uint64_t *)(ram + BENCH_PDPT);
	uint64_t *pd = (uint64_t *)(ram + BENCH_PD);

	pml4[0] = BENCH_PDPT | table;
	for (unsigned int i = 0; i < 4; i++)
		pdpt[i] = (BENCH_PD + 4096u * i) | table;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | table | PTE_LARGE | PTE_DIRTY;
}

static void write_gate(uint8_t *ram, unsigned int vector, uint64_t handler, uint64_t type)
{
	uint64_t *gate = (uint64_t *)(ram + BENCH_IDT) + 2 * vector;

	gate[0] = (handler & 0xffff) | (uint64_t)BENCH_CS0 << 16 | type << 40 |
		  (handler >> 16 & 0xffff) << 48;
	gate[1] = handler >> 32;
}

static void write_descriptors(uint8_t *ram, const struct bench_image *image)
{
	uint64_t *gdt = (uint64_t *)(ram + BENCH_GDT);
	uint64_t stack = BENCH_STACK0;

	gdt[BENCH_CS0 / 8] = 0x00af9b000000ffff; /* 64-bit code, DPL 0 */
	gdt[BENCH_DS0 / 8] = 0x00cf93000000ffff; /* data, DPL 0 */
	gdt[BENCH_DS3 / 8] = 0x00cff3000000ffff; /* data, DPL 3 */
	gdt[BENCH_CS3 / 8] = 0x00affb000000ffff; /* 64-bit code, DPL 3 */
	gdt[BENCH_TR / 8] = (TSS_SIZE - 1) | (uint64_t)BENCH_TSS << 16 | 0x8bull << 40;

	for (unsigned int i = 0; i < 32; i++)
		write_gate(ram, i, image->fault + i * image->fault_size, INTERRUPT_GATE);
	write_gate(ram, BENCH_VECTOR, image->interrupt, INTERRUPT_GATE);
	write_gate(ram, BENCH_IDLE_GATE, image->idle, IDLE_GATE);

	memcpy(ram + BENCH_TSS + 4, &stack, sizeof(stack)); /* RSP0 */
	ram[BENCH_TSS + 102] = TSS_IOMAP;
	ram[BENCH_TSS + TSS_SIZE - 1] = 0xff;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint8_t dpl)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.dpl = dpl,
		.s = 1,
		.g = 1,
	};
}

static int set_special_registers(int vcpu)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = segment(BENCH_CS3, 0xb, 3);
	sregs.cs.l = 1;
	sregs.ds = segment(BENCH_DS3, 0x3, 3);
	sregs.ds.db = 1;
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.tr = (struct kvm_segment){
		.base = BENCH_TSS,
		.limit = TSS_SIZE - 1,
		.selector = BENCH_TR,
		.type = 0xb,
		.present = 1,
	};
	sregs.gdt = (struct kvm_dtable){.base = BENCH_GDT, .limit = 8 * GDT_ENTRIES - 1};
	sregs.idt = (struct kvm_dtable){.base = BENCH_IDT, .limit = 4095};
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = BENCH_PML4;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	sregs.efer = EFER_LME | EFER_LMA;
	sregs.apic_base = APIC_BASE | APIC_ENABLE | APIC_X2APIC | APIC_BSP;
	return ioctl(vcpu, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

static int set_registers(int vcpu, const struct bench_image *image)
{
	struct kvm_regs regs = {
		.rip = image->entry,
		.rsp = BENCH_STACK3,
		/* Beside the TSS's bitmap: QEMU's TCG as a host takes a TSS that is busy for none. */
		.rflags = RFLAGS_RESERVED | RFLAGS_IF | RFLAGS_IOPL_3,
	};

	return ioctl(vcpu, KVM_SET_REGS, &regs) ? -errno : 0;
}

/* All that the host offers; x2APIC must be among it for the guest's EOI. */
static int set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid;
	bool x2apic = false;
	int ret = 0;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid))
		ret = -errno;
	for (uint32_t i = 0; !ret && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			x2apic = cpuid->entries[i].ecx & CPUID_1_ECX_X2APIC;
	if (!ret && !x2apic)
		ret = bypass_fail(EOPNOTSUPP, "this KVM offers no x2APIC to guests");
	if (!ret && ioctl(vcpu, KVM_SET_CPUID2, cpuid))
		ret = -errno;
	free(cpuid);
	return ret;
}

static int enable_apic(int vcpu)
{
	struct kvm_lapic_state lapic;
	uint32_t spiv = APIC_SPIV_ENABLED;

	if (ioctl(vcpu, KVM_GET_LAPIC, &lapic))
		return -errno;
	memcpy(lapic.regs + APIC_SPIV, &spiv, sizeof(spiv));
	return ioctl(vcpu, KVM_SET_LAPIC, &lapic) ? -errno : 0;
}

int bench_boot(int kvm, int vcpu, uint8_t *ram)
{
	const struct bench_image *image = (const struct bench_image *)(ram + BENCH_IMAGE);
	int ret;

	memcpy(ram + BENCH_IMAGE, bench_image, bench_image_size);
	write_page_tables(ram);
	write_descriptors(ram, image);
	ret = set_cpuid(kvm, vcpu);
	if (!ret)
		ret = set_special_registers(vcpu);
	if (!ret)
		ret = enable_apic(vcpu);
	if (!ret)
		ret = set_registers(vcpu, image);
	if (ret && ret != -EOPNOTSUPP)
		return bypass_fail(-ret, "KVM does not take the state of the vCPU: %s",
				   strerror(-ret));
	return ret;
}
