// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A word in guest memory that says whether the host's thread lives: a robust futex (set_robust_list(2),
 * Documentation/locking/robust-futex-ABI.rst). The kernel marks the word when the thread ends, also
 * when the process is killed. Only the word lies where the guest can write; the kernel follows no
 * pointer of the guest.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bypass/error.h>

#include "internal.h"

/*
 * From now on the calling thread can own a word. The C library uses the thread's own list for robust
 * mutexes alone: the thread must take none.
 */
int rdma_owner_begin(struct rdma_owner *owner)
{
	owner->head = (struct robust_list_head){.list = {&owner->head.list}};
	owner->tid = syscall(SYS_gettid);
	/* The kernel compares the word in its own byte order. */
	if (BYTE_ORDER != LITTLE_ENDIAN)
		return 0;
	if (syscall(SYS_set_robust_list, &owner->head, sizeof(owner->head)))
		return bypass_fail(errno, "cannot set the list of robust futexes: %m");
	return 0;
}

/* The calling thread owns @word, and no other; a word of NULL: none. */
void rdma_owner_take(struct rdma_owner *owner, uint32_t *word)
{
	owner->head.list_op_pending = (struct robust_list *)word;
	atomic_signal_fence(memory_order_seq_cst);
	if (word && BYTE_ORDER == LITTLE_ENDIAN)
		__atomic_store_n(word, owner->tid, __ATOMIC_RELAXED);
}
