/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guest's entry and its code at CPL0: exceptions, the device's interrupt,
 * and idling. CPL0 is kept to a few plain instructions: on a KVM without hardware
 * virtualisation each of them is interpreted.
 */
#define BENCH_PORT	0x5f0
#define BENCH_SAY_FAULT 0x02
#define X2APIC_EOI	0x80b

	.section .text.start, "ax"
	.globl	guest_image
guest_image:
	.quad	0x6567616d69707962	/* struct bench_image in abi.h */
	.quad	guest_start
	.quad	guest_fault
	.quad	16
	.quad	guest_interrupt
	.quad	guest_halt
	.quad	guest_end

	/*
	 * void guest_idle(uint32_t seen): sleeps unless there was an interrupt after the
	 * first @seen. Interrupts stay on all the time: one that comes between the look
	 * and the halt makes the guest look again, or not halt.
	 */
	.globl	guest_idle
guest_idle:
	cmpl	%edi, guest_interrupts(%rip)
	jne	1f
	int3
1:	ret
guest_halt:
	hlt
guest_awake:
	iretq

guest_start:
	xorl	%ebp, %ebp
	call	guest_main
	ud2

	/* The vector on top of what the CPU pushed; the program reads it there. */
	.balign	16
guest_fault:
	.set	vector, 0
	.rept	32
	.balign	16
	pushq	$vector
	jmp	1f
	.set	vector, vector + 1
	.endr
1:	movw	$BENCH_PORT, %dx
	movb	$BENCH_SAY_FAULT, %al
	outb	%al, %dx
	jmp	1b

	/* What it interrupts from guest_idle to guest_halt is told not to halt. */
	.balign	64
guest_interrupt:
	cmpq	$guest_awake, (%rsp)
	jb	2f
1:	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	incl	guest_interrupts(%rip)
	movl	$X2APIC_EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq

2:	cmpq	$guest_halt, (%rsp)
	je	3f
	movq	$guest_idle, (%rsp)
	jmp	1b
3:	movq	$guest_awake, (%rsp)
	jmp	1b

	.data
	.balign	64
	.globl	guest_interrupts
guest_interrupts:
	.long	0
	.balign	64
	.section .note.GNU-stack, "", @progbits
