/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guest's entry and its exceptions. Code at CPL0 is kept to a few plain instructions: a KVM
 * without hardware virtualisation interprets each of them.
 */
#define BENCH_PORT	0x5f0
#define BENCH_SAY_FAULT 0x02

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
	.section .note.GNU-stack, "", @progbits
