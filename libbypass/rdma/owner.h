/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The word in guest memory that says whether the control thread lives. */
#ifndef BYPASS_RDMA_OWNER_H
#define BYPASS_RDMA_OWNER_H

#include <stdint.h>

#include <linux/futex.h>

struct rdma_slice;

/**
 * struct rdma_owner - what a thread that lives owns in guest memory
 * @head: what the kernel looks at when the thread ends; its own memory
 * @tid: the thread
 */
struct rdma_owner {
	struct robust_list_head head;
	uint32_t tid;
};

int rdma_owner_begin(struct rdma_owner *owner);
void rdma_owner_take(struct rdma_owner *owner, uint32_t *word);
/* The control thread: the word that the guest has named may lie elsewhere … */
void rdma_owner_renew(struct rdma_slice *s);
/* … and is nobody's when the thread ends in good order. */
void rdma_owner_leave(struct rdma_slice *s);

#endif
