// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Commands to the host, over the control queue. This file packs a command with the
 * provider's blob, waits for its answer for a limited time, and checks the answer before
 * anybody uses it. A host that does not answer counts as lost, so that no verb hangs.
 */
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "internal.h"

static unsigned int timeout = 60;
module_param(timeout, uint, 0644);
MODULE_PARM_DESC(timeout, "Seconds after which a host that does not answer counts as lost (60)");

/* How often a waiting command checks whether the device is still there. */
#define BYPASS_LOOK_AGAIN_MS 100
/* Reading a device's status is an exit to user space: only a late answer makes it worth one. */
#define BYPASS_LATE_MS 5000

/**
 * struct bypass_call - a command on its way
 * @done: the host has answered
 * @answered: likewise, under the lock
 * @abandoned: nobody waits any more; whoever takes the call out of the queue frees it
 * @used: bytes that the host says it has written
 * @request_size: bytes at the start of @bytes that the host reads
 * @response_at: where in @bytes the host writes
 * @response_size: bytes that the host may write there
 * @bytes: request and response
 */
struct bypass_call {
	struct completion done;
	bool answered;
	bool abandoned;
	u32 used;
	size_t request_size;
	size_t response_at;
	size_t response_size;
	u8 bytes[] __aligned(8);
};

unsigned int bypass_timeout_ms(void)
{
	return clamp(READ_ONCE(timeout), 1U, 86400U) * MSEC_PER_SEC;
}

#define BYPASS_ERRNO(name, err, number) [number] = -(err),
static const int errnos[] = {BYPASS_RDMA_STATUSES(BYPASS_ERRNO)};
#undef BYPASS_ERRNO

static int status_to_errno(u32 status)
{
	if (status >= ARRAY_SIZE(errnos) || !errnos[status])
		return -EPROTO;
	return errnos[status];
}

static size_t udata_in(const struct bypass_command *command)
{
	if (command->blob)
		return command->blob_size;
	return command->udata ? command->udata->inlen : 0;
}

static size_t udata_out(const struct bypass_command *command)
{
	return command->udata ? min_t(size_t, command->udata->outlen, BYPASS_RDMA_UDATA_MAX) : 0;
}

/* Room in the response: the host may answer through a pointer in the input. */
static size_t blob_room(const struct bypass_command *command)
{
	return command->mmaps ? max_t(size_t, udata_out(command), BYPASS_RDMA_HIDDEN_ROOM)
			      : udata_out(command);
}

static size_t queue_size(const struct bypass_command *command)
{
	return command->queue ? sizeof(*command->queue) : 0;
}

/* Where in the request the provider's input is. */
static u8 *blob_in(struct bypass_call *call, const struct bypass_command *command)
{
	return call->bytes + sizeof(struct bypass_rdma_request) + command->request_size;
}

/* The context in which the host executes the command: of a queue, that of its doorbell page. */
static u32 context_of(const struct bypass_command *command)
{
	if (command->page)
		return command->page->context;
	return command->ucontext ? command->ucontext->handle : BYPASS_RDMA_NONE;
}

static int copy_blob(struct bypass_call *call, const struct bypass_command *command)
{
	u8 *at = blob_in(call, command);

	if (command->blob)
		memcpy(at, command->blob, command->blob_size);
	else if (udata_in(command) && ib_copy_from_udata(at, command->udata, udata_in(command)))
		return -EFAULT;
	if (command->page)
		bypass_mlx5_hide_page(command->number, at, udata_in(command));
	return 0;
}

static struct bypass_call *pack(const struct bypass_command *command)
{
	size_t mmaps = command->mmaps ? BYPASS_RDMA_MMAPS_MAX : 0;
	struct bypass_rdma_request *request;
	struct bypass_call *call;
	size_t in, out;
	u8 *at;

	in = sizeof(*request) + command->request_size + udata_in(command) + queue_size(command) +
	     command->tail_size;
	out = sizeof(struct bypass_rdma_response) + command->response_size +
	      mmaps * sizeof(struct bypass_rdma_mmap) + blob_room(command);
	if (udata_in(command) > BYPASS_RDMA_UDATA_MAX || in > BYPASS_RDMA_REQUEST_MAX)
		return ERR_PTR(-E2BIG);

	call = kzalloc(struct_size(call, bytes, ALIGN(in, SMP_CACHE_BYTES) + out), GFP_KERNEL);
	if (!call)
		return ERR_PTR(-ENOMEM);
	init_completion(&call->done);
	call->request_size = in;
	call->response_at = ALIGN(in, SMP_CACHE_BYTES);
	call->response_size = out;

	request = (struct bypass_rdma_request *)call->bytes;
	request->command = cpu_to_le32(command->number);
	request->ucontext = cpu_to_le32(context_of(command));
	request->udata_in = cpu_to_le32(udata_in(command));
	request->udata_out = cpu_to_le32(udata_out(command));
	at = call->bytes + sizeof(*request);
	if (command->request_size)
		memcpy(at, command->request, command->request_size);
	if (copy_blob(call, command)) {
		kfree(call);
		return ERR_PTR(-EFAULT);
	}
	at = blob_in(call, command) + udata_in(command);
	if (command->queue)
		memcpy(at, command->queue, sizeof(*command->queue));
	if (command->tail_size)
		memcpy(at + queue_size(command), command->tail, command->tail_size);
	return call;
}

/* Request and response are one allocation, and the host may write to the response only. */
static int submit(struct bypass_dev *dev, struct bypass_call *call)
{
	struct scatterlist in, out, *sgs[] = {&in, &out};
	unsigned long flags;
	int err;

	sg_init_one(&in, call->bytes, call->request_size);
	sg_init_one(&out, call->bytes + call->response_at, call->response_size);
	spin_lock_irqsave(&dev->control_lock, flags);
	err = dev->gone ? -EIO : virtqueue_add_sgs(dev->control, sgs, 1, 1, call, GFP_ATOMIC);
	if (!err)
		virtqueue_kick(dev->control);
	spin_unlock_irqrestore(&dev->control_lock, flags);
	return err;
}

void bypass_control_done(struct virtqueue *vq)
{
	struct bypass_dev *dev = vq->vdev->priv;
	struct bypass_call *call;
	unsigned long flags;
	u32 used;

	spin_lock_irqsave(&dev->control_lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while ((call = virtqueue_get_buf(vq, &used))) {
			if (call->abandoned) {
				kfree(call);
				continue;
			}
			call->used = used;
			call->answered = true;
			complete(&call->done);
		}
	} while (!virtqueue_enable_cb(vq));
	spin_unlock_irqrestore(&dev->control_lock, flags);
	wake_up_all(&dev->control_room);
}

/* Only once the device has been reset: then the calls that it never answered can be freed. */
void bypass_control_drain(struct bypass_dev *dev)
{
	struct bypass_call *call;
	unsigned long flags;

	spin_lock_irqsave(&dev->control_lock, flags);
	while ((call = virtqueue_detach_unused_buf(dev->control)))
		kfree(call);
	spin_unlock_irqrestore(&dev->control_lock, flags);
}

/* Returns 0 once the host has answered. On an error the call is not the caller's any more. */
static int wait_for_answer(struct bypass_dev *dev, struct bypass_call *call, unsigned int patience)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(patience);
	unsigned long late = jiffies + msecs_to_jiffies(BYPASS_LATE_MS);
	unsigned long flags;
	bool answered;

	while (!wait_for_completion_timeout(&call->done, msecs_to_jiffies(BYPASS_LOOK_AGAIN_MS))) {
		if (READ_ONCE(dev->gone))
			break;
		if (virtqueue_is_broken(dev->control))
			bypass_lost(dev, "the control queue broke");
		else if (bypass_owner_died(dev))
			bypass_silent(dev, "the process that serves the device has ended");
		else if (time_after(jiffies, late) && bypass_absent(dev))
			bypass_silent(dev, "the device is gone");
		else if (time_after(jiffies, deadline))
			bypass_silent(dev, "the host does not answer");
	}

	spin_lock_irqsave(&dev->control_lock, flags);
	answered = call->answered;
	call->abandoned = !answered;
	spin_unlock_irqrestore(&dev->control_lock, flags);
	return answered ? 0 : -EIO;
}

static bool submitted(struct bypass_dev *dev, struct bypass_call *call, int *err)
{
	*err = submit(dev, call);
	return *err != -ENOSPC;
}

/* As submit(), but waits for room in the queue. */
static int submit_wait(struct bypass_dev *dev, struct bypass_call *call, unsigned int patience)
{
	int err;

	if (wait_event_timeout(dev->control_room, submitted(dev, call, &err),
			       msecs_to_jiffies(patience))) {
		if (err && virtqueue_is_broken(dev->control))
			bypass_lost(dev, "the control queue broke");
		return err;
	}
	bypass_silent(dev, "the control queue stays full");
	return -EIO;
}

/* Hands the provider's output to the process: to its buffer, or to where its input points. */
static int deliver_blob(struct bypass_call *call, const struct bypass_command *command, void *blob,
			u32 size, u32 at)
{
	u64 address;

	if (!size)
		return 0;
	if (command->answer)
		memcpy(command->answer, blob, min_t(size_t, size, command->answer_size));
	if (at == BYPASS_RDMA_NONE) {
		if (size > udata_out(command))
			return -EPROTO;
		return ib_copy_to_udata(command->udata, blob, size) ? -EFAULT : 0;
	}
	if (at > udata_in(command) || udata_in(command) - at < sizeof(address))
		return -EPROTO;
	memcpy(&address, blob_in(call, command) + at, sizeof(address));
	return copy_to_user(u64_to_user_ptr(address), blob, size) ? -EFAULT : 0;
}

/*
 * Uses nothing that the lengths do not confirm. The host can still write to the buffer, so
 * that the header is read once, into a copy.
 */
static int unpack(struct bypass_dev *dev, struct bypass_call *call,
		  const struct bypass_command *command)
{
	u8 *at = call->bytes + call->response_at;
	struct bypass_rdma_response head;
	u32 used = min_t(size_t, call->used, call->response_size);
	u32 blob, mmaps;
	int err;

	if (used < sizeof(head))
		return -EPROTO;
	memcpy(&head, at, sizeof(head));
	if (head.status == cpu_to_le32(BYPASS_RDMA_E_NO_DEVICE)) {
		bypass_lost(dev, "the host's HCA was removed");
		return -EIO;
	}
	if (head.status != cpu_to_le32(BYPASS_RDMA_OK))
		return status_to_errno(le32_to_cpu(head.status));

	blob = le32_to_cpu(head.udata_out);
	mmaps = le32_to_cpu(head.mmaps);
	if (blob > blob_room(command) || mmaps > (command->mmaps ? BYPASS_RDMA_MMAPS_MAX : 0) ||
	    used < sizeof(head) + command->response_size + mmaps * sizeof(struct bypass_rdma_mmap) +
			    blob)
		return -EPROTO;
	at += sizeof(head);
	if (command->response_size)
		memcpy(command->response, at, command->response_size);
	at += command->response_size;

	err = 0;
	if (mmaps)
		err = bypass_mmaps_insert(dev, command, (const struct bypass_rdma_mmap *)at, mmaps);
	at += mmaps * sizeof(struct bypass_rdma_mmap);
	if (!err)
		err = deliver_blob(call, command, at, blob, le32_to_cpu(head.udata_at));
	if (err && command->undo) {
		__le32 handle;

		memcpy(&handle, command->response, sizeof(handle));
		bypass_destroy_handle(dev, command->undo, command->ucontext, le32_to_cpu(handle));
	}
	/* A change that nothing undoes has happened: the new mappings stay with the object. */
	if (err && command->mmaps && command->undo)
		bypass_mmaps_remove(command->mmaps);
	return err;
}

/* The host executes commands in order, so that each waits for those before it too. */
static unsigned int wait_in_line(struct bypass_dev *dev, const struct bypass_command *command)
{
	u64 usual = (u64)bypass_timeout_ms() * atomic_inc_return(&dev->in_flight);

	return min_t(u64, usual + atomic_long_add_return(command->patience, &dev->patience),
		     INT_MAX / 2);
}

static void leave_line(struct bypass_dev *dev, const struct bypass_command *command)
{
	atomic_long_sub(command->patience, &dev->patience);
	atomic_dec(&dev->in_flight);
}

/**
 * bypass_execute() - send a command to the host, and wait for the answer
 * @dev: the slice
 * @command: the command; the answer is stored where it says
 *
 * Return: 0; the errno of the host's status; -EIO when the device is gone; -EPROTO when the
 * answer is malformed. After a failure no object exists.
 */
int bypass_execute(struct bypass_dev *dev, const struct bypass_command *command)
{
	struct bypass_call *call;
	unsigned int patience;
	int err;

	might_sleep();
	if (READ_ONCE(dev->gone))
		return -EIO;
	call = pack(command);
	if (IS_ERR(call))
		return PTR_ERR(call);

	patience = wait_in_line(dev, command);
	err = submit_wait(dev, call, patience);
	if (err)
		kfree(call);
	else
		err = wait_for_answer(dev, call, patience);
	leave_line(dev, command);
	if (err)
		return err;
	err = unpack(dev, call, command);
	if (err == -EPROTO)
		ibdev_err_ratelimited(
			&dev->ibdev,
			"the answer to command %u is malformed, or says that the command is\n",
			command->number);
	kfree(call);
	return err;
}

/**
 * bypass_destroy_handle() - send a command that destroys an object
 * @dev: the slice
 * @number: the command; its body is a handle
 * @owner: the process that created the object
 * @handle: the object
 *
 * Return: as bypass_execute(), but 0 when the device is gone, as the object then is too.
 */
int bypass_destroy_handle(struct bypass_dev *dev, u32 number, struct bypass_ucontext *owner,
			  u32 handle)
{
	struct bypass_rdma_handle request = {.handle = cpu_to_le32(handle)};
	struct bypass_command command = {
		.number = number,
		.ucontext = owner,
		.request = &request,
		.request_size = sizeof(request),
	};
	int err = bypass_execute(dev, &command);

	return READ_ONCE(dev->gone) ? 0 : err;
}
