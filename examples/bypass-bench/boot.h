/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the measuring guest gets into a new VM.
 */
#ifndef BENCH_BOOT_H
#define BENCH_BOOT_H

#include "abi.h"

/* Fills @ram and sets the registers of @vcpu. 0 or a negative errno with bypass_error(). */
int bench_boot(int kvm, int vcpu, uint8_t *ram);

#endif
