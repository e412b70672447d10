/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The measuring guest's image, as built, inside of the program.
 */
	.section .rodata
	.balign	16
	.globl	bench_image_start, bench_image_end
bench_image_start:
	.incbin	BENCH_GUEST_IMAGE
bench_image_end:
	.section .note.GNU-stack, "", @progbits
