/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The measuring guest's image, as built, inside of the program.
 */
	.section .rodata
	.balign	16
	.globl	bench_image, bench_image_size
bench_image:
	.incbin	BENCH_GUEST_IMAGE
	.balign	8
bench_image_size:
	.quad	. - bench_image
	.section .note.GNU-stack, "", @progbits
