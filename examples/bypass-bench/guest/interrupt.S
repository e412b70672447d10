/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The device's interrupt and the guest's idling, both at CPL0: see start.S.
 */
#define X2APIC_EOI	0x80b

	.text
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
	.globl	guest_halt
guest_halt:
	hlt
guest_awake:
	iretq

	/*
	 * What it interrupts from guest_idle to guest_halt is told not to halt. All other
	 * code goes on where it was.
	 */
	.balign	64
	.globl	guest_interrupt
guest_interrupt:
	cmpq	$guest_awake, (%rsp)
	jae	1f
	cmpq	$guest_idle, (%rsp)
	jae	2f
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
