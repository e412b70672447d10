// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A word in guest memory that says whether the control thread lives: a robust futex (set_robust_list(2),
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
#include <bypass/memory.h>

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

/* With memory_lock held. */
static uint32_t *find_word(const struct rdma_slice *s)
{
	return s->owner_gpa ? bypass_memory_hva(s->memory, s->owner_gpa, sizeof(uint32_t)) : NULL;
}

void rdma_owner_renew(struct rdma_slice *s)
{
	pthread_rwlock_rdlock(&s->memory_lock);
	rdma_owner_take(&s->owner, find_word(s));
	pthread_rwlock_unlock(&s->memory_lock);
}

/* The guest's memory may be another's soon: nothing is marked there when the thread ends. */
void rdma_owner_leave(struct rdma_slice *s)
{
	uint32_t *word;

	pthread_rwlock_rdlock(&s->memory_lock);
	word = find_word(s);
	rdma_owner_take(&s->owner, NULL);
	if (word)
		__atomic_store_n(word, 0, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&s->memory_lock);
}

/* The control thread executes commands: the thread that will own the word. */
int rdma_set_owner(struct rdma_slice *s, struct rdma_command *c)
{
	const struct bypass_rdma_set_owner *body = c->body;
	uint64_t gpa = le64toh(body->gpa);
	int err = 0;

	if (gpa % sizeof(uint32_t))
		return bypass_fail(EINVAL, "the owner's word lies at %#llx, no multiple of 4",
				   (unsigned long long)gpa);
	pthread_rwlock_wrlock(&s->memory_lock);
	if (gpa && !bypass_memory_hva(s->memory, gpa, sizeof(uint32_t)))
		err = bypass_fail(EFAULT, "the owner's word at %#llx is not guest RAM",
				  (unsigned long long)gpa);
	else
		s->owner_gpa = gpa;
	pthread_rwlock_unlock(&s->memory_lock);
	if (!err)
		rdma_owner_renew(s);
	return err;
}
