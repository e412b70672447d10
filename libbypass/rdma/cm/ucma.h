/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host's rdma_cm character device (the ucma ABI, rdma/rdma_user_cm.h), without librdmacm: a slice
 * needs the device alone, as its queue pairs are none of libibverbs.
 */
#ifndef BYPASS_RDMA_CM_UCMA_H
#define BYPASS_RDMA_CM_UCMA_H

#include <stddef.h>
#include <stdint.h>

/* A descriptor that does not block, or a negative errno with a text. */
int ucma_open(void);

/*
 * Execute a command (RDMA_USER_CM_CMD_…). @in: its struct, whose response points to @out. Returns 0 or
 * -errno. The kernel takes commands only from the credentials that opened the device: -EACCES.
 */
int ucma_call(int fd, uint32_t command, const void *in, size_t in_size, size_t out_size);

#endif
