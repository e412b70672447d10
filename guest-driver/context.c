// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Contexts: a process opens the device, and closes it.
 */
#include "internal.h"

/**
 * bypass_ask_context() - ask the host for a context
 * @dev: the slice
 * @command: ALLOC_UCONTEXT; the caller may sleep
 *
 * A context whose doorbell page no process uses any more is given back later, by a work. A refusal
 * for the quota counts once the host has heard of all of them.
 *
 * Return: as bypass_execute().
 */
int bypass_ask_context(struct bypass_dev *dev, struct bypass_command *command)
{
	int err = bypass_execute(dev, command);

	if (err != -EDQUOT)
		return err;
	flush_workqueue(dev->releases);
	return bypass_execute(dev, command);
}

int bypass_alloc_ucontext(struct ib_ucontext *ibuc, struct ib_udata *udata)
{
	struct bypass_dev *dev = to_dev(ibuc->device);
	struct bypass_ucontext *ucontext = to_ucontext(ibuc);
	struct bypass_rdma_handle response;
	struct bypass_command command = {
		.number = BYPASS_RDMA_ALLOC_UCONTEXT,
		.undo = BYPASS_RDMA_DEALLOC_UCONTEXT,
		.ucontext = ucontext,
		.response = &response,
		.response_size = sizeof(response),
		.udata = udata,
		.answer = &ucontext->mlx5,
		.answer_size = sizeof(ucontext->mlx5),
		.mmaps = &ucontext->mmaps,
	};
	int err;

	ucontext->handle = BYPASS_RDMA_NONE;
	err = bypass_ask_context(dev, &command);
	if (err) {
		flush_workqueue(dev->releases); /* releases point to the context */
		return err;
	}
	ucontext->handle = le32_to_cpu(response.handle);
	bypass_watch_begin(dev);
	return 0;
}

/* The process has no mapping left, but the host may not have heard of all releases yet. */
void bypass_dealloc_ucontext(struct ib_ucontext *ibuc)
{
	struct bypass_ucontext *ucontext = to_ucontext(ibuc);
	struct bypass_dev *dev = to_dev(ibuc->device);

	atomic_dec(&dev->contexts);
	bypass_mmaps_remove(&ucontext->mmaps);
	flush_workqueue(dev->releases);
	bypass_destroy_handle(dev, BYPASS_RDMA_DEALLOC_UCONTEXT, NULL, ucontext->handle);
}

/*
 * The device leaves while the process stays. The core replaces the process's mappings and
 * destroys its objects. An empty function tells the core that the provider survives this.
 */
void bypass_disassociate(struct ib_ucontext *ibuc)
{
}
