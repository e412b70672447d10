/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inside of bypass_rdma_cm: the rdma_cm character device of a guest whose connections its host
 * makes.
 *
 * Locks, in this order:
 *
 *	ucma_id.lock		one command of an id at a time
 *	ucma_slices_lock	the list of slices
 *	ucma_slice.fetching	from the command that fetches an event until the event is queued
 *	ucma_lock		everything else, for moments
 */
#ifndef BYPASS_UCMA_H
#define BYPASS_UCMA_H

#include <linux/in6.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_user_cm.h>

#include "bypass_rdma_cm_abi.h"
#include "cm.h"

#define UCMA_OPTIONS 4

/**
 * struct ucma_slice - a verbs device whose host makes connections
 * @list: place in the list of slices
 * @ibdev: the device
 * @fetch: fetches events
 * @fetching: held from the command that fetches an event until the event is queued: so a handle that the
 *	host gives away anew gets no event of the id that had the handle before. Held from the command that
 *	joins a group until the group is known: so its event finds the group
 * @ids: by the host's handle
 * @groups: multicast groups, likewise
 */
struct ucma_slice {
	struct list_head list;
	struct ib_device *ibdev;
	struct work_struct fetch;
	struct mutex fetching; /* see above */
	struct xarray ids;
	struct xarray groups;
};

/**
 * struct ucma_file - an event channel of a process
 * @ids: that were made on it, or have migrated to it
 * @events: that wait for the process
 * @wait: for an event
 */
struct ucma_file {
	struct list_head ids;
	struct list_head events;
	wait_queue_head_t wait;
};

/**
 * struct ucma_id - an id of a process
 * @list: place among the ids of @file
 * @file: the event channel, under ucma_lock
 * @refs: references: the process's, and those of commands
 * @lock: one command at a time
 * @slice: the device; NULL as long as none was chosen, and once it is gone. Changes under @lock
 * @gone: destroyed, or its device was removed
 * @number: the process's name for the id
 * @handle: the host's
 * @ps: port space
 * @uid: what the process wants to see in events; 0: not said yet
 * @reported: events that the process has got
 * @options: values of enum RDMA_OPTION_ID_…
 * @options_set: which of them count, a bit an option
 * @groups: that the id has joined
 */
struct ucma_id {
	struct list_head list;
	struct ucma_file *file;
	struct kref refs;
	struct mutex lock; /* see above */
	struct ucma_slice *slice;
	bool gone;
	u32 number;
	u32 handle;
	u32 ps;
	u64 uid;
	u32 reported;
	u32 options[UCMA_OPTIONS];
	u32 options_set;
	struct list_head groups;
};

/**
 * struct ucma_group - a multicast group that an id has joined
 * @list: place among the groups of the id
 * @id: the id
 * @number: the process's name for the group
 * @handle: the host's
 * @uid: what the process wants to see in events
 * @reported: events that the process has got
 */
struct ucma_group {
	struct list_head list;
	struct ucma_id *id;
	u32 number;
	u32 handle;
	u64 uid;
	u32 reported;
};

/**
 * struct ucma_event - an event that waits for a process
 * @list: place among the events of a file
 * @id: whose event
 * @request: the new id of a connection request, else NULL
 * @group: of a multicast event, else NULL
 * @resp: what the process gets
 */
struct ucma_event {
	struct list_head list;
	struct ucma_id *id;
	struct ucma_id *request;
	struct ucma_group *group;
	struct rdma_ucm_event_resp resp;
};

/**
 * struct ucma_caller - who gave a command
 * @filp: the file that the process wrote the command to
 * @file: its event channel
 * @out: bytes of room for the answer
 */
struct ucma_caller {
	struct file *filp;
	struct ucma_file *file;
	u16 out;
};

/* Return: 0, or -EFAULT when the process gives no good place for its answer. */
static inline int ucma_answer(const struct ucma_caller *call, u64 to, const void *from, size_t size)
{
	return copy_to_user(u64_to_user_ptr(to), from, min_t(size_t, size, call->out)) ? -EFAULT
										       : 0;
}

/* ucma_address.c: addresses */
int ucma_pack_addr(struct bypass_rdma_cm_addr *to, const void *from, size_t size);
void ucma_unpack_addr(struct sockaddr_in6 *to, const struct bypass_rdma_cm_addr *from);

/* ucma_id.c: ids and their slices */
extern struct mutex ucma_lock;
extern struct list_head ucma_slices;
extern struct rw_semaphore ucma_slices_lock;
extern struct xarray ucma_group_numbers;
struct ucma_id *ucma_id_make(u32 ps, u64 uid);
int ucma_id_publish(struct ucma_id *id, struct ucma_file *file);
struct ucma_id *ucma_id_get(struct ucma_file *file, u32 number);
struct ucma_id *ucma_id_take(struct ucma_file *file, u32 number);
void ucma_id_put(struct ucma_id *id);
int ucma_id_attach(struct ucma_id *id, struct ucma_slice *slice, u32 handle);
int ucma_id_execute(struct ucma_id *id, u32 command, void *request, size_t size, void *response,
		    size_t response_size);
int ucma_id_choose(struct ucma_id *id, u32 command, void *request, size_t size);
u32 ucma_id_destroy(struct ucma_id *id);
void ucma_group_forget(struct ucma_group *group);

/* ucma_event.c: events on their way from the host to a process */
void ucma_fetch(struct work_struct *work);
void ucma_slice_lost(struct ucma_slice *slice);
void ucma_unpack_ah(struct ib_uverbs_ah_attr *to, const struct bypass_rdma_ah_attr *from);

/* ucma_group.c: multicast groups. What executes a command gets its struct of the ucma ABI. */
int ucma_join_ip(const struct ucma_caller *call, const void *in);
int ucma_join(const struct ucma_caller *call, const void *in);
int ucma_leave(const struct ucma_caller *call, const void *in);

/* ucma_command.c: what a process writes */
int ucma_command(struct file *filp, const struct rdma_ucm_cmd_hdr *header, const char __user *in);

#endif
